"""The body at the Responses door: its shape alone, since a relayed one is the vendor's to judge."""

from typing import Any

from gateway.chat import ChatRequest
from gateway.dialects.checks import (
    COUNT,
    FLAG,
    INTEGER,
    NUMBER,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXT_OR_OBJECT,
    TEXT_OR_OBJECTS,
    TEXTS,
    check_fields,
    check_turns,
    missing,
    parse_object,
)

FIELDS = {
    "model": TEXT,
    "input": TEXT_OR_OBJECTS,
    "instructions": TEXT,
    "stream": FLAG,
    "stream_options": OBJECT,
    "tools": OBJECTS,
    "tool_choice": TEXT_OR_OBJECT,
    "parallel_tool_calls": FLAG,
    "max_output_tokens": COUNT,
    "max_tool_calls": INTEGER,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "top_logprobs": INTEGER,
    "text": OBJECT,
    "reasoning": OBJECT,
    "include": TEXTS,
    "metadata": OBJECT,
    "store": FLAG,
    "background": FLAG,
    "previous_response_id": TEXT,
    "conversation": TEXT_OR_OBJECT,
    "prompt": OBJECT,
    "user": TEXT,
    "truncation": TEXT,
}
_ITEM = {"type": TEXT, "role": TEXT, "content": TEXT_OR_OBJECTS}
# Each of these may stand for the input.
_ELSEWHERE = ("previous_response_id", "conversation", "prompt")


def read_request(raw: bytes) -> ChatRequest:
    """The question in a body. Raises BadRequest that names the field at fault."""
    body = parse_object(raw)
    check_fields(body, FIELDS)
    _check_input(body)
    return ChatRequest(
        raw=raw,
        body=body,
        model=body.get("model") or None,
        stream=bool(body.get("stream")),
        include_usage=True,
        dialect="responses",
    )


def _check_input(body: dict[str, Any]) -> None:
    given = body.get("input")
    if given is None and not any(body.get(name) for name in _ELSEWHERE):
        raise missing("input")
    if isinstance(given, list) and given:
        check_turns(body, "input", _ITEM)
