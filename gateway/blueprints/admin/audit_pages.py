"""The page of the audit log: who did what, when, and what changed."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.query import whole_number
from gateway.context import current_gateway
from gateway.store.audit import entries
from gateway.store.client_book import HIGHEST_ID

SHOWN = 50

bp = Blueprint("audit", __name__)


@bp.get("/audit")
def index() -> ResponseReturnValue:
    before = whole_number("before", default=HIGHEST_ID, lowest=1, highest=HIGHEST_ID)
    found, following = entries(current_gateway.engine, SHOWN, before)
    return render_template(
        "admin/audit.html", entries=found, following=following, newest=before == HIGHEST_ID
    )
