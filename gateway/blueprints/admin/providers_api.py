"""Providers in the admin API: how each is reached and does, its models, and to fetch their list."""

import time
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.blueprints.admin.provider_facts import (
    models_told,
    place_of,
    standing_of,
    standings,
)
from gateway.context import current_gateway
from gateway.errors import BadRequest, NotFound
from gateway.providers.base import Provider
from gateway.providers.document import changes
from gateway.providers.model_lists import outlined
from gateway.routing import own_credentials
from gateway.store import audit
from gateway.store.settings import MODEL_LIST, keep
from gateway.store.stats import stamp

bp = Blueprint("providers", __name__, url_prefix="/providers")


@bp.get("")
def list_providers() -> ResponseReturnValue:
    return {"items": [one.told() for one in standings(current_gateway)], "next_cursor": None}


@bp.get("/<provider_id>")
def show_provider(provider_id: str) -> ResponseReturnValue:
    return _told(provider_named(provider_id))


@bp.post("/<provider_id>/fetch-models")
def fetch_models(provider_id: str) -> ResponseReturnValue:
    """Asks the provider for its list, by the gateway's own key."""
    provider = provider_named(provider_id)
    fetch(provider)
    return _told(provider)


def provider_named(provider_id: str) -> Provider:
    provider = current_gateway.ways.providers.get(provider_id)
    if provider is None:
        raise NotFound("There is no such provider.", code="provider_not_found")
    return provider


def fetch(provider: Provider) -> int:
    """How many models it lists; all workers know them then. Raises UpstreamError, BadRequest."""
    gateway = current_gateway
    credentials = own_credentials(provider, gateway.ways)
    if credentials is None:
        raise BadRequest(
            f"The gateway has no key of its own for {provider.title}: set "
            f"providers.{provider.id} in config.yaml.",
            code="no_credentials",
        )
    audit.note(gateway.engine, acting(), "provider.fetch-models", provider.id)
    models = gateway.model_lists.now(provider, credentials)
    if models is None:
        raise BadRequest(f"{provider.title} offers no list of models.", code="no_list")
    kept = outlined(models)
    value = {"at": place_of(gateway, provider), "fetched_at": time.time(), "models": kept}
    keep(gateway.engine, MODEL_LIST.format(provider.id), value)
    return len(kept)


def _told(provider: Provider) -> dict[str, Any]:
    standing = standing_of(current_gateway, provider)
    models = models_told(current_gateway, standing)
    return {
        **standing.told(),
        "models_fetched_at": models.fetched_at and stamp(models.fetched_at),
        "models": [line.told() for line in models.lines],
        "changes": changes(provider),
    }
