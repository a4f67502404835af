"""What moves on the list of requests: the calls under way, and the newest that have ended."""

import time
from collections.abc import Callable
from typing import Any

from flask import render_template, request, url_for

from gateway.blueprints.admin.requests_api import FILTERS, cursor_of, place, search
from gateway.context import current_gateway
from gateway.errors import InvalidFields
from gateway.live import Parts
from gateway.store.log_pages import Page, logged

SHOWN = 50
_NOTHING = "Nobody has asked anything yet. What programs ask with a client's key is listed here."


def calls() -> Parts:
    seen = current_gateway.in_flight.look()
    return {"calls": {"calls": seen.calls, "total": seen.total, "alone": seen.alone}}


def newest() -> tuple[tuple[Any, ...], Callable[[], Parts]] | None:
    """A name for what the filters of this address ask for, and how it is read.

    None where nothing can become new: for a later page, a time that is past, a wrong filter.
    """
    asked = asked_for()
    try:
        wanted = search()
        is_later = place() is not None
    except InvalidFields:
        return None
    if is_later or (wanted.until is not None and wanted.until <= time.time() * 1000):
        return None

    def read() -> Parts:
        page = wanted.page(current_gateway.engine, SHOWN)
        return {"newest": {"rows": rows(page, asked), "following": following(page, asked)}}

    return ("newest", *sorted(asked.items())), read


def parts() -> dict[str, Any]:
    """For a browser that cannot have them sent."""
    wanted = newest()
    return {**calls(), **(wanted[1]() if wanted else {})}


def asked_for() -> dict[str, Any]:
    return {name: request.args[name] for name in FILTERS if request.args.get(name)}


def rows(page: Page, asked: dict[str, Any], *, is_first: bool = True) -> str:
    nothing = "Nothing more in this part of the log."
    if is_first and page.following is None:
        nothing = "No request fits." if asked else _NOTHING
    found = [logged(row) for row in page.rows]
    return render_template("admin/_requests.html", requests=found, nothing=nothing)


def following(page: Page, asked: dict[str, Any]) -> str | None:
    """The address of the next page."""
    if page.following is None:
        return None
    cursor = cursor_of(page.following)
    return url_for("pages.inside.requests.index", **asked, cursor=cursor)
