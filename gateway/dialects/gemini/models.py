"""Lists of models: Gemini's shape and OpenAI's, each from the other."""

from collections.abc import Iterable
from typing import Any

from gateway.dialects.gemini.facts import resource

# Gemini's name of a member, and ours in a row of OpenAI's shape.
_MEMBERS = {
    "displayName": "display_name",
    "description": "description",
    "version": "version",
    "inputTokenLimit": "context_window",
    "outputTokenLimit": "max_output_tokens",
    "supportedGenerationMethods": "supported_generation_methods",
    "temperature": "temperature",
    "maxTemperature": "max_temperature",
    "topP": "top_p",
    "topK": "top_k",
    "thinking": "thinking",
}
_METHODS = ["generateContent", "countTokens"]


def read_models(page: Any) -> list[dict[str, Any]]:
    """Rows of OpenAI's shape; the name of a row that has none is left out."""
    models = page.get("models") if isinstance(page, dict) else None
    return [
        _row(model)
        for model in (models if isinstance(models, list) else ())
        if isinstance(model, dict) and isinstance(model.get("name"), str)
    ]


def _row(model: dict[str, Any]) -> dict[str, Any]:
    row = {
        "id": model["name"].removeprefix("models/"),
        "object": "model",
        "created": 0,
        "owned_by": "google",
    }
    return row | {ours: model[name] for name, ours in _MEMBERS.items() if name in model}


def models_page(models: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Gemini's list, from rows of OpenAI's shape."""
    return {"models": [model_entry(model) for model in models]}


def model_entry(model: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "name": resource(model["id"]),
        "displayName": model["id"],
        "supportedGenerationMethods": _METHODS,
    }
    return entry | {name: model[ours] for name, ours in _MEMBERS.items() if ours in model}
