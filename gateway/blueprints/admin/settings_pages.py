"""The page of settings: everything in force, where it comes from, and how it is changed."""

from datetime import datetime
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.settings_api import running, set_here
from gateway.blueprints.admin.settings_table import groups
from gateway.context import current_gateway

bp = Blueprint("settings", __name__)


@bp.get("/settings")
def show() -> ResponseReturnValue:
    settings = current_gateway.settings
    return render_template(
        "admin/settings.html",
        file=settings.origins.file,
        groups=groups(settings, set_here()),
        now=_now(),
    )


def _now() -> dict[str, Any]:
    facts = running()
    return facts | {name: datetime.fromisoformat(facts[name]) for name in ("since", "worker_since")}
