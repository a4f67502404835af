"""The request log in the admin API: pages, one request, all of them as CSV."""

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.blueprints.admin.csv_table import csv_answer
from gateway.blueprints.admin.query import moment, only, whole_number
from gateway.context import current_gateway
from gateway.errors import InvalidFields, NotFound, Unavailable
from gateway.exchange import is_request_id
from gateway.store import audit
from gateway.store.client_book import HIGHEST_ID
from gateway.store.counters import StoreAway
from gateway.store.log_pages import BODIES, Place, Search, find_request
from gateway.store.models import LOG_COLUMNS
from gateway.store.stats import stamp

MAX_PAGE = 500
TEXTS = ("model", "provider", "error_code")
NUMBERS = {"client_id": HIGHEST_ID, "status": 599}
FILTERS = (*TEXTS, *NUMBERS, "since", "until", "error_text")
FAILED = "failed"
"""In the place of a status: whichever is an error's."""
DAY = 24 * 60 * 60 * 1000
_LONGEST_DAY = 25 * 60 * 60 * 1000  # when clocks are put back
_OTHERS_TELL_WITHIN = 0.6

bp = Blueprint("requests", __name__)


@bp.get("/requests")
def list_requests() -> ResponseReturnValue:
    only([*FILTERS, "cursor", "limit"])
    limit = whole_number("limit", default=100, lowest=1, highest=MAX_PAGE)
    page = search().page(current_gateway.engine, limit, place())
    following = page.following
    return {
        "items": [_told(row) for row in page.rows],
        "next_cursor": following and cursor_of(following),
    }


@bp.get("/requests.csv")
def requests_csv() -> ResponseReturnValue:
    only(FILTERS)
    rows = search().all(current_gateway.engine)
    lines = ([_moment(row)[name] for name in LOG_COLUMNS] for row in rows)
    return csv_answer("requests.csv", LOG_COLUMNS, lines)


@bp.get("/requests/live")
def list_in_flight() -> ResponseReturnValue:
    """All calls that are under way; `complete` false: only those of the worker that answers."""
    only([])
    seen = current_gateway.in_flight.look(patience=_OTHERS_TELL_WITHIN)
    now = round(time.time() * 1000)
    calls = [one | {"age_ms": max(0, now - one["started_at"])} for one in seen.calls]
    items = [one | {"started_at": _stamp(one["started_at"])} for one in calls]
    return {"items": items, "count": seen.total, "complete": not seen.alone}


@bp.post("/requests/<request_id>/cancel")
def cancel_request(request_id: str) -> ResponseReturnValue:
    gateway = current_gateway
    try:
        was_under_way = is_request_id(request_id) and gateway.in_flight.cancel(request_id)
    except StoreAway:
        raise Unavailable(
            "This worker does not answer that call, and the others cannot be reached now."
        ) from None
    if not was_under_way:
        raise NotFound("There is no such request under way.", code="request_not_in_flight")
    audit.note(gateway.engine, acting(), "request.cancel", request_id)
    return {"request_id": request_id, "cancelled": True}


@bp.get("/requests/<request_id>")
def show_request(request_id: str) -> ResponseReturnValue:
    row = find_request(current_gateway.engine, request_id)
    if row is None:
        raise NotFound("There is no such request in the log.", code="request_not_found")
    bodies = {name: row[name] for name in BODIES}
    return {**_told(row), "bodies": bodies if bodies["kept"] else None}


def search() -> Search:
    asked = {name: request.args.get(name) for name in TEXTS}
    equal: dict[str, Any] = {name: _as_logged(text) for name, text in asked.items() if text}
    failed = request.args.get("status") == FAILED
    for name, highest in NUMBERS.items():
        if request.args.get(name) and not (failed and name == "status"):
            others = [FAILED] if name == "status" else []
            equal[name] = whole_number(name, default=0, lowest=0, highest=highest, others=others)
    since, until = moment("since"), moment("until")
    text = request.args.get("error_text")
    if text:
        since, until = _one_day(since, until)
    return Search(equal, since, until, _as_logged(text) if text else None, failed)


def _one_day(since: int | None, until: int | None) -> tuple[int, int]:
    """Where a text is searched for: no index knows it. Raises InvalidFields."""
    if since is None:
        raise InvalidFields({"since": "is needed: a text is searched for in one day from here on"})
    if until is None:
        return since, since + DAY
    if until - since > _LONGEST_DAY:
        raise InvalidFields(
            {"until": "should be a day after `since` at most, to search for a text"}
        )
    return since, until


def _as_logged(text: str) -> str:
    """The log holds no NUL, which PostgreSQL would not even look for."""
    return text.replace("\0", "\ufffd")


def place() -> Place | None:
    text = request.args.get("cursor")
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,15})-([0-9]{1,18})", text)
    if found is None:
        raise InvalidFields({"cursor": "should be a next_cursor of this list"})
    return Place(int(found[1]), int(found[2]))


def cursor_of(place: Place) -> str:
    return f"{place.started_at}-{place.id}"


def _moment(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "started_at": datetime.fromtimestamp(row["started_at"] / 1000, UTC)}


def _stamp(milliseconds: int) -> str:
    return stamp(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in _moment(row).items() if name in LOG_COLUMNS}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    return float(value) if isinstance(value, Decimal) else value
