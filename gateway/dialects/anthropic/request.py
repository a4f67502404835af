"""The body at the Anthropic door: its shape alone, since a relayed one is the vendor's to judge."""

from collections.abc import Mapping
from typing import Any

from gateway.chat import ChatRequest
from gateway.dialects.checks import (
    COUNT_OR_ZERO,
    FLAG,
    NUMBER,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXT_OR_OBJECTS,
    TEXTS,
    check_fields,
    check_turns,
    parse_object,
)

FIELDS = {
    "model": TEXT,
    "max_tokens": COUNT_OR_ZERO,
    "system": TEXT_OR_OBJECTS,
    "stream": FLAG,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "stop_sequences": TEXTS,
    "tools": OBJECTS,
    "tool_choice": OBJECT,
    "thinking": OBJECT,
    "metadata": OBJECT,
}
_MESSAGE = {"role": TEXT, "content": TEXT_OR_OBJECTS}


def read_request(raw: bytes, forwarded: Mapping[str, str]) -> ChatRequest:
    """The question in a body. Raises BadRequest that names the field at fault."""
    body: dict[str, Any] = parse_object(raw)
    check_fields(body, FIELDS)
    check_turns(body, "messages", _MESSAGE)
    return ChatRequest(
        raw=raw,
        body=body,
        model=body.get("model") or None,
        stream=bool(body.get("stream")),
        include_usage=True,
        dialect="anthropic",
        forwarded=forwarded,
    )
