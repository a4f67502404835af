"""Clients in the admin API: list, make, show, change, delete, and a new key."""

from typing import Any

import orjson
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.blueprints.admin.query import whole_number
from gateway.context import current_gateway
from gateway.errors import BadRequest, InvalidFields
from gateway.store.client_book import HIGHEST_ID, ClientBook, describe

MAX_BODY = 4_000_000
MAX_PAGE = 500

bp = Blueprint("clients", __name__, url_prefix="/clients")


@bp.get("")
def list_clients() -> ResponseReturnValue:
    after = whole_number("cursor", default=0, lowest=0, highest=HIGHEST_ID)
    limit = whole_number("limit", default=100, lowest=1, highest=MAX_PAGE)
    rows, following = client_book().page(after, limit)
    return {
        "items": [describe(row) for row in rows],
        "next_cursor": None if following is None else str(following),
    }


@bp.post("")
def create_client() -> ResponseReturnValue:
    row, key = client_book().create(_payload())
    return {"client": describe(row), "api_key": key}, 201


@bp.get("/<int:client_id>")
def show_client(client_id: int) -> ResponseReturnValue:
    return describe(client_book().get(client_id))


@bp.patch("/<int:client_id>")
def change_client(client_id: int) -> ResponseReturnValue:
    return describe(client_book().update(client_id, _payload()))


@bp.delete("/<int:client_id>")
def delete_client(client_id: int) -> ResponseReturnValue:
    client_book().delete(client_id)
    return "", 204


@bp.post("/<int:client_id>/rotate-key")
def rotate_key(client_id: int) -> ResponseReturnValue:
    payload = {"grace_seconds": 0} | (_payload() if request.content_length else {})
    unknown = payload.keys() - {"grace_seconds"}
    if unknown:
        raise InvalidFields(dict.fromkeys(sorted(unknown), "is not a field here"))
    return {"api_key": client_book().rotate_key(client_id, payload["grace_seconds"])}


def client_book() -> ClientBook:
    gateway = current_gateway
    return ClientBook(gateway.engine, gateway.vault, gateway.settings, gateway.changed, acting())


def _payload() -> dict[str, Any]:
    request.max_content_length = MAX_BODY
    try:
        payload = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.", code="invalid_json") from None
    if not isinstance(payload, dict):
        raise BadRequest("The body should be a JSON object.", code="invalid_json")
    return payload
