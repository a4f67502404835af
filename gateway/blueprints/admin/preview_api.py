"""A preview in the admin API: what a client's question would come to, without asking anybody."""

from typing import Any

import orjson
from flask import Blueprint, Response, request

from gateway.blueprints.anthropic_api import forwarded
from gateway.context import current_gateway
from gateway.dialects.splice import value_of
from gateway.errors import InvalidFields
from gateway.memory import Memory
from gateway.preview import DOORS, Asked, door_of, preview
from gateway.store.client_book import ClientBook

bp = Blueprint("preview", __name__, url_prefix="/clients")
_FIELDS = {"door", "model", "stream", "body"}


@bp.post("/<int:client_id>/preview")
def show_preview(client_id: int) -> Response:
    gateway = current_gateway
    row = ClientBook.of(gateway).get(client_id)
    asked = _asked(gateway.settings.server.max_body_mb << 20)
    client = gateway.clients.by_id(row.id)
    memory = Memory(gateway.states, client.id)
    told = preview(client, gateway.ways, gateway.prices, gateway.fetcher, memory, asked)
    return Response(orjson.dumps(told), content_type="application/json")


def _asked(limit: int) -> Asked:
    """The body is the question itself, or `{"body": question, "door": …}`, which tells the rest
    that else stands in the query. Raises InvalidFields.
    """
    request.max_content_length = limit
    raw = request.get_data()
    fields: dict[str, Any] = request.args.to_dict()
    if (wrapped := _wrapped(raw)) is not None:
        fields |= wrapped
        raw = value_of(raw, "body") or b""
    door = fields.get("door") or door_of(raw)
    model, stream = fields.get("model") or "", fields.get("stream", False)
    wrong = {name: "is not a field here" for name in sorted(fields.keys() - _FIELDS)}
    if not isinstance(door, str) or door not in DOORS:
        wrong["door"] = f"should be one of {', '.join(DOORS)}"
    elif not isinstance(model, str) or (door == "gemini" and not model):
        wrong["model"] = "should be the name of a model: at Gemini's door it stands in the path"
    if stream not in (True, False, "true", "false"):
        wrong["stream"] = "should be true or false"
    if wrong:
        raise InvalidFields(wrong)
    return Asked(raw, door, model, stream in (True, "true"), forwarded(request.environ))


def _wrapped(raw: bytes) -> dict[str, Any] | None:
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    around = isinstance(given, dict) and isinstance(given.get("body"), dict)
    return given if around else None
