"""The models a client may use, in the dialect of who asks: three share one address."""

from typing import Any

from flask import Blueprint, request

from gateway.blueprints import access
from gateway.blueprints.replies import Reply, door_of, said
from gateway.catalogue import models_of
from gateway.context import current_gateway
from gateway.dialects import anthropic, gemini
from gateway.errors import ModelNotFound
from gateway.providers.model_lists import Model

bp = Blueprint("models", __name__)


@bp.get("/v1/models")
@bp.get("/v1beta/models")
@bp.get("/models")
def models() -> Reply:
    listed = _models()
    match door_of(request):
        case "anthropic":
            return said(anthropic.models_page(listed))
        case "gemini":
            return said(gemini.models_page(listed))
    return said({"object": "list", "data": listed})


@bp.get("/v1/models/<path:model>")
@bp.get("/v1beta/models/<path:model>")
@bp.get("/models/<path:model>")
def model(model: str) -> Reply:
    for one in _models():
        if one["id"] == model:
            return said(_entry(one))
    raise ModelNotFound(
        f"The model `{model}` does not exist or this client may not use it", param="model"
    )


def _models() -> list[Model]:
    client = access.known_client(current_gateway, request.environ)
    return models_of(client, current_gateway.ways, current_gateway.model_lists)


def _entry(one: Model) -> dict[str, Any]:
    match door_of(request):
        case "anthropic":
            return anthropic.model_entry(one)
        case "gemini":
            return gemini.model_entry(one)
    return one
