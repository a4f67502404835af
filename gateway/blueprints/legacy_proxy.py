"""The Gemini door: generateContent, whole and streamed, under /v1beta and /v1."""

from dataclasses import replace

from flask import Blueprint, request

from gateway.blueprints import access
from gateway.blueprints.replies import Reply, reply
from gateway.chat import ChatRequest, Kind
from gateway.dialects import gemini
from gateway.errors import NotFound
from gateway.exchange import Exchange

bp = Blueprint("legacy_proxy", __name__)
_METHODS: dict[str, tuple[Kind, bool]] = {
    "generateContent": ("chat", False),
    "streamGenerateContent": ("chat", True),
    "countTokens": ("count", False),
}


@bp.post("/v1beta/models/<path:call>")
@bp.post("/v1/models/<path:call>")
def generate(call: str) -> Reply:
    """`call` is `model:method`; a model's name may hold slashes and colons itself."""
    model, _, method = call.rpartition(":")
    if method not in _METHODS:
        raise NotFound(f"There is no method `{method}` at {request.path}")

    def ask(exchange: Exchange) -> ChatRequest:
        raw = access.admitted_body(exchange, request.environ)
        kind, stream = _METHODS[method]
        asked = gemini.read_request(raw, model, kind=kind, stream=stream)
        as_array = stream and request.args.get("alt") != "sse"
        return replace(asked, dialect="gemini-array") if as_array else asked

    return reply("gemini", ask)
