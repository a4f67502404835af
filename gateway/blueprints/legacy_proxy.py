"""The Gemini door: generateContent, whole and streamed, under /v1beta and /v1."""

from flask import Blueprint, Response, request

from gateway.blueprints import access
from gateway.blueprints.replies import reply
from gateway.chat import ChatRequest
from gateway.dialects import gemini
from gateway.errors import NotFound
from gateway.exchange import Exchange

bp = Blueprint("legacy_proxy", __name__)
_METHODS = {"generateContent": False, "streamGenerateContent": True}


@bp.post("/v1beta/models/<path:call>")
@bp.post("/v1/models/<path:call>")
def generate(call: str) -> Response:
    """`call` is `model:method`; a model's name may hold slashes and colons itself."""
    model, _, method = call.rpartition(":")
    if method not in _METHODS:
        raise NotFound(f"There is no method `{method}` at {request.path}")

    def ask(exchange: Exchange) -> ChatRequest:
        raw = access.admitted_body(exchange, request.environ)
        return gemini.read_request(raw, model, stream=_METHODS[method])

    return reply("gemini", ask)
