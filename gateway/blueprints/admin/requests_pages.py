"""The pages of the request log: a list with filters, and one request."""

import json
import re
import time
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import requests_parts
from gateway.blueprints.admin.clients_api import client_book
from gateway.blueprints.admin.requests_api import place, search
from gateway.blueprints.admin.timeline import steps, stretches, sums
from gateway.context import current_gateway
from gateway.errors import InvalidFields, NotFound
from gateway.providers import PROVIDERS
from gateway.store.client_list import client_names
from gateway.store.log_pages import LOOKED_AT, Page, find_request, logged

CLIENTS_OFFERED = 1000
_BODIES = ("question", "sent", "answer")

bp = Blueprint("requests", __name__, url_prefix="/requests")


@bp.get("")
def index() -> ResponseReturnValue:
    asked, is_first = requests_parts.asked_for(), "cursor" not in request.args
    page, problems = Page([], None), dict[str, str]()
    try:
        page = search().page(current_gateway.engine, requests_parts.SHOWN, place())
    except InvalidFields as error:
        problems = error.fields
    clients, left_out = _clients(asked.get("client_id"))
    shown = render_template(
        "admin/requests.html",
        rows=requests_parts.rows(page, asked, is_first=is_first),
        asked=asked,
        problems=problems,
        clients=clients,
        left_out=left_out,
        clients_offered=CLIENTS_OFFERED,
        providers=sorted(PROVIDERS),
        is_first=is_first,
        looked_through=LOOKED_AT,
        following=requests_parts.following(page, asked),
        calls=requests_parts.calls()["calls"],
        now=round(time.time() * 1000),
        looked_at=asked | ({} if is_first else {"cursor": request.args["cursor"]}),
        csv=url_for("admin_api.requests.requests_csv", **asked),
    )
    return shown, 422 if problems else 200


@bp.get("/parts")
def show_parts() -> ResponseReturnValue:
    """The parts that change, for a browser that cannot have them sent."""
    return requests_parts.parts()


@bp.get("/<request_id>")
def show(request_id: str) -> ResponseReturnValue:
    row = find_request(current_gateway.engine, request_id)
    if row is None:
        raise NotFound("There is no such request in the log: it may not have ended yet, or be old.")
    parts = stretches(row)
    return render_template(
        "admin/request.html",
        row=row,
        one=logged(row),
        steps=steps(row),
        stretches=parts,
        legend=sums(parts),
        bodies={name: _laid_out(row[name]) for name in _BODIES if row[name]},
        is_there=_is_there(row["client_id"]),
    )


def _clients(chosen: str | None) -> tuple[list[tuple[int, str]], bool]:
    """Those that can be chosen, by name, and whether there are more.

    The chosen one, be it deleted, is among them.
    """
    found = client_names(current_gateway.engine, CLIENTS_OFFERED + 1)
    offered = found[:CLIENTS_OFFERED]
    number = int(chosen) if chosen and re.fullmatch("[0-9]{1,10}", chosen) else 0
    if number and number not in dict(offered):
        offered.append((number, _name_of(number)))
    return offered, len(found) > CLIENTS_OFFERED


def _name_of(client_id: int) -> str:
    try:
        return client_book().get(client_id).name
    except NotFound:
        return f"client {client_id}"


def _is_there(client_id: int | None) -> bool:
    """Whether a client was not deleted since."""
    if client_id is None:
        return False
    try:
        client_book().get(client_id)
    except NotFound:
        return False
    return True


def _laid_out(body: str) -> str:
    """JSON with a line for each member; a stream, or what was cut, as it is."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return json.dumps(found, indent=2, ensure_ascii=False)
