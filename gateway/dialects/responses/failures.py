"""How a failure is worded after the head was sent.

The openai package raises an event that holds an `error`; other clients read the flat form of the
same event, and Codex the failed response after it.
"""

import time
from typing import Any

import orjson

from gateway.dialects.openai import error_body
from gateway.dialects.responses.items_out import new_id
from gateway.errors import GatewayError

# Codes that clients act upon; others are told by their status.
_KNOWN = frozenset(
    {
        "context_length_exceeded",
        "insufficient_quota",
        "invalid_prompt",
        "rate_limit_exceeded",
        "server_error",
    }
)


def error_event(error: GatewayError, *, sequence_number: int = 0) -> bytes:
    """For a stream of which no more is known than how many events it has."""
    response = failed(
        {
            "id": new_id("resp"),
            "object": "response",
            "created_at": int(time.time()),
            "model": "",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        },
        error,
    )
    steps = (error_step(error), {"type": "response.failed", "response": response})
    return b"".join(
        b"event: %b\ndata: %b\n\n"
        % (step["type"].encode(), orjson.dumps({**step, "sequence_number": sequence_number + at}))
        for at, step in enumerate(steps)
    )


def error_step(error: GatewayError) -> dict[str, Any]:
    told = error_body(error)
    flat = {name: told["error"][name] for name in ("code", "message", "param")}
    return {"type": "error", **flat, **told}


def failed(response: dict[str, Any], error: GatewayError) -> dict[str, Any]:
    told = {"code": _code(error), "message": error.message}
    return {**response, "status": "failed", "error": told}


def _code(error: GatewayError) -> str:
    if error.code in _KNOWN:
        return error.code
    if error.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if 400 <= error.status < 500 else "server_error"
