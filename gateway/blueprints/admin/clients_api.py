"""Clients in the admin API: list, make, show, change, delete, and a new key."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.blueprints.admin.payload import optional_payload, payload
from gateway.blueprints.admin.query import whole_number
from gateway.context import current_gateway
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
    row, key = client_book().create(payload(MAX_BODY))
    return {"client": describe(row), "api_key": key}, 201


@bp.get("/<int:client_id>")
def show_client(client_id: int) -> ResponseReturnValue:
    return describe(client_book().get(client_id))


@bp.patch("/<int:client_id>")
def change_client(client_id: int) -> ResponseReturnValue:
    return describe(client_book().update(client_id, payload(MAX_BODY)))


@bp.delete("/<int:client_id>")
def delete_client(client_id: int) -> ResponseReturnValue:
    client_book().delete(client_id)
    return "", 204


@bp.post("/<int:client_id>/rotate-key")
def rotate_key(client_id: int) -> ResponseReturnValue:
    asked = optional_payload(MAX_BODY, {"grace_seconds"})
    return {"api_key": client_book().rotate_key(client_id, asked.get("grace_seconds", 0))}


def client_book() -> ClientBook:
    """For who asks, by whose name its changes stand in the audit log."""
    return ClientBook.of(current_gateway, acting())
