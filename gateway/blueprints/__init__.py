"""HTTP in, HTTP out. BLUEPRINTS is the one list of them; `app.create_app` registers it."""

from gateway.blueprints import (
    anthropic_api,
    docs,
    health,
    legacy_proxy,
    metrics,
    models,
    openai_api,
    receipts,
)
from gateway.blueprints.admin.api import bp as admin_api
from gateway.blueprints.admin.pages import bp as admin_pages

BLUEPRINTS = (
    openai_api.bp,
    anthropic_api.bp,
    legacy_proxy.bp,
    models.bp,
    receipts.bp,
    health.bp,
    metrics.bp,
    docs.bp,
    admin_api,
    admin_pages,
)
