"""Embeddings: OpenAI's question for a Gemini model, and its answer in OpenAI's shape."""

import struct
from base64 import b64encode
from typing import Any

from gateway.dialects.gemini.facts import resource
from gateway.errors import BadRequest


def write_embeddings(body: dict[str, Any], model: str) -> dict[str, Any]:
    """A batchEmbedContents request. Raises BadRequest that names the field at fault."""
    name = resource(model)
    settings = {"outputDimensionality": body.get("dimensions"), "taskType": body.get("task_type")}
    said = {word: value for word, value in settings.items() if value is not None}
    return {
        "requests": [
            {"model": name, "content": {"parts": [{"text": text}]}, **said}
            for text in _texts(body.get("input"))
        ]
    }


def _texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise BadRequest("`input` must be a string or an array of strings", param="input")
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest(
            "`input`: Gemini takes texts, not tokens", param="input", code="unsupported_parameter"
        )
    return texts


def read_embeddings(body: Any, model: str, *, base64: bool = False) -> dict[str, Any]:
    """OpenAI's shape; `base64`: each vector as the base64 of its 32-bit floats."""
    found = body.get("embeddings") if isinstance(body, dict) else None
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(item, base64)}
        for index, item in enumerate(found if isinstance(found, list) else ())
    ]
    tokens = _tokens(body)
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _vector(item: Any, base64: bool) -> list[float] | str:
    values = item.get("values") if isinstance(item, dict) else None
    vector = [float(value) for value in values] if isinstance(values, list) else []
    if not base64:
        return vector
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _tokens(body: Any) -> int:
    """Some models count, others say nothing."""
    usage = body.get("usageMetadata") if isinstance(body, dict) else None
    count = usage.get("promptTokenCount") if isinstance(usage, dict) else None
    return count if isinstance(count, int) else 0
