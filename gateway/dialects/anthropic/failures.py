"""Errors, as this door words them, and as this vendor's are understood."""

from typing import Any

import orjson

from gateway.dialects.anthropic.facts import CODES, ERROR_TYPES, STATUSES
from gateway.dialects.overflow import CODE, as_anthropic_says, is_overflow
from gateway.errors import GatewayError


def error_body(error: GatewayError, request_id: str = "") -> dict[str, Any]:
    """`{"type": "error", "error": {type, message}}`, and what upstream's own error held besides."""
    own = {"type": _type(error), "message": _message(error)}
    body: dict[str, Any] = {"type": "error", "error": {**error.extra, **own}}
    return {**body, "request_id": request_id} if request_id else body


def error_event(error: GatewayError, request_id: str = "") -> bytes:
    """A failure after the head was sent."""
    body = error_body(error, request_id)
    if error.meant is not None:
        body["error"]["type"] = _type_of(error.meant)
    return b"event: error\ndata: " + orjson.dumps(body) + b"\n\n"


def status_of(found: dict[str, Any]) -> int | None:
    """The status that an error object of this vendor stands for, where its answer has none."""
    return STATUSES.get(_word(found))


def code_of(found: dict[str, Any]) -> str | None:
    """What OpenAI's dialect calls the error of this object (`{type, message}`), in `code`."""
    message = found.get("message")
    if _word(found) == "invalid_request_error" and isinstance(message, str):
        return CODE if is_overflow(message) else None
    return CODES.get(_word(found))


def _word(found: dict[str, Any]) -> str:
    word = found.get("type")
    return word if isinstance(word, str) else ""


def _type(error: GatewayError) -> str:
    return "invalid_request_error" if error.code == CODE else _type_of(error.status)


def _type_of(status: int) -> str:
    fallback = "invalid_request_error" if 400 <= status < 500 else "api_error"
    return ERROR_TYPES.get(status, fallback)


def _message(error: GatewayError) -> str:
    """Clients compact a conversation, and go on, when they read that the prompt is too long."""
    overflows = error.code == CODE or (error.status in (400, 413) and is_overflow(error.message))
    return as_anthropic_says(error.message) if overflows else error.message
