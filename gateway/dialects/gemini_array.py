"""Gemini's streams without `alt=sse`: one JSON array, an element for each event."""

import orjson

from gateway.dialects.gemini import (
    ARRAY_TYPE,
    KEEP_ALIVE,
    ArrayWriter,
    StreamReader,
    error_body,
    read_answer,
    read_chat,
    write_answer,
    write_chat,
)
from gateway.errors import GatewayError

STREAM_TYPE = ARRAY_TYPE
StreamWriter = ArrayWriter


def error_event(error: GatewayError) -> bytes:
    """The last element; something was said before it, since the head was sent."""
    return b",\r\n" + orjson.dumps(error_body(error)) + b"]"


__all__ = [
    "KEEP_ALIVE",
    "STREAM_TYPE",
    "StreamReader",
    "StreamWriter",
    "error_body",
    "error_event",
    "read_answer",
    "read_chat",
    "write_answer",
    "write_chat",
]
