"""The audit log in the admin API, the newest first."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.query import only, whole_number
from gateway.context import current_gateway
from gateway.store.audit import entries
from gateway.store.client_book import HIGHEST_ID
from gateway.store.stats import stamp

MAX_PAGE = 500

bp = Blueprint("audit", __name__)


@bp.get("/audit")
def list_entries() -> ResponseReturnValue:
    only(["cursor", "limit"])
    before = whole_number("cursor", default=HIGHEST_ID, lowest=1, highest=HIGHEST_ID)
    limit = whole_number("limit", default=100, lowest=1, highest=MAX_PAGE)
    found, following = entries(current_gateway.engine, limit, before)
    return {
        "items": [
            {
                "id": one.id,
                "at": stamp(one.at),
                "actor": one.actor,
                "action": one.action,
                "subject": one.subject,
                "subject_id": one.subject_id,
                "changes": {name: {"from": a, "to": b} for name, (a, b) in one.changes.items()},
            }
            for one in found
        ],
        "next_cursor": None if following is None else str(following),
    }
