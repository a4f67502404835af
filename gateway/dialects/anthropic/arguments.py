"""A call's arguments: JSON text here, an object on this wire."""

import json
from typing import Any

import orjson


def text_of(value: Any) -> str:
    """Compact JSON of a JSON value. Raises RecursionError for what is nested too deep."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # orjson stops at 64 bits, 254 levels and lone surrogates
        return json.dumps(value, separators=(",", ":"))


def object_of(text: str) -> dict[str, Any]:
    """The arguments as an object; what is not one is kept under `arguments`."""
    if not text.strip():
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": value}


def is_whole(text: str) -> bool:
    """Whether the text is a JSON object that has ended."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
