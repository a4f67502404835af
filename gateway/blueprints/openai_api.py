"""The OpenAI door: chat completions and the models a client may use."""

from typing import Any

from flask import Blueprint, Response, request

from gateway.blueprints import access
from gateway.blueprints.body import read_body
from gateway.blueprints.replies import reply, said
from gateway.catalogue import models_of
from gateway.chat import ChatRequest
from gateway.context import current_gateway
from gateway.dialects import openai
from gateway.errors import ModelNotFound
from gateway.exchange import Exchange

bp = Blueprint("openai_api", __name__)


@bp.post("/v1/chat/completions")
@bp.post("/chat/completions")
def chat_completions() -> Response:
    return reply("openai", _ask)


@bp.get("/v1/models")
@bp.get("/models")
def models() -> Response:
    return said({"object": "list", "data": _models()})


@bp.get("/v1/models/<path:model>")
@bp.get("/models/<path:model>")
def model(model: str) -> Response:
    for one in _models():
        if one["id"] == model:
            return said(one)
    raise ModelNotFound(
        f"The model `{model}` does not exist or this client may not use it", param="model"
    )


def _ask(exchange: Exchange) -> ChatRequest:
    """Lets the caller in and reads the question."""
    gateway, environ = exchange.gateway, request.environ
    client = exchange.client = access.known_client(gateway, environ)
    exchange.limit_headers = access.admit(gateway, client)
    return openai.read_request(read_body(environ, gateway.settings.server.max_body_mb << 20))


def _models() -> list[dict[str, Any]]:
    client = access.known_client(current_gateway, request.environ)
    return models_of(client, current_gateway.ways, current_gateway.model_lists)
