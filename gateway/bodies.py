"""What of a question and an answer may be kept, where a client's `log_bodies` says so.

`full`: the text, with everything that looks like a credential struck out. `redacted`: beside that,
no text of people: each is replaced by its length. What stays is the structure, numbers, and the
words of the protocol, by the names of their members; what is not JSON, and what a tool is given or
gives, is replaced whole.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from gateway.telemetry import redacted

WORDS = frozenset(
    (
        *("role", "type", "object", "model", "name", "status", "code", "event", "format"),
        *("id", "call_id", "tool_call_id", "tool_use_id", "item_id", "response_id"),
        *("finish_reason", "finishReason", "stop_reason", "service_tier", "modelVersion"),
        *("effort", "reasoning_effort", "thinkingLevel", "verbosity", "tool_choice", "mode"),
        *("detail", "media_type", "mime_type", "mimeType", "encoding_format", "voice"),
    )
)
"""Members whose value is the protocol's, if it is a single short word."""
FREE = frozenset(
    (
        *("arguments", "args", "partial_json", "response", "metadata", "logit_bias", "logprobs"),
        *("parameters", "parametersJsonSchema", "input_schema", "schema", "responseSchema"),
    )
)
"""Members that hold whatever the caller likes, names and numbers included."""
_WORD = re.compile(r"[\w.:/+-]{1,100}")


class Keeper:
    """Overhears an answer, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heard = bytearray()

    def over(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks."""
        try:
            for block in blocks:
                self._hear(block)
                yield block
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()

    def kept(self, how: str) -> str | None:
        return kept(bytes(self._heard), how, self._most) if self._heard else None

    def _hear(self, block: bytes) -> None:
        room = self._most - len(self._heard)
        if room > 0:
            self._heard += block[:room]


def kept(raw: bytes, how: str, most: int) -> str:
    """The text to keep, of at most so many bytes before it is struck; no NUL, for PostgreSQL."""
    if how == "redacted":
        text = _without_texts(raw)
    else:
        text = raw[:most].decode(errors="replace")
    return redacted(text[:most]).replace("\0", "\ufffd")


def _without_texts(raw: bytes) -> str:
    try:
        return _dumped(_struck(orjson.loads(raw)))
    except (orjson.JSONDecodeError, RecursionError):
        lines = raw.decode(errors="replace").splitlines()
    return "\n".join(map(_without_text, lines))


def _without_text(line: str) -> str:
    """Of an event stream."""
    name, sign, value = line.partition(":")
    if not line or (name == "event" and _WORD.fullmatch(value.strip())):
        return line
    if name != "data" or not sign:
        return _length(line)
    value = value.strip()
    if value == "[DONE]":
        return line
    try:
        return "data: " + _dumped(_struck(orjson.loads(value)))
    except (orjson.JSONDecodeError, RecursionError):
        return "data: " + _length(value)


def _struck(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _member(value, name) for name in value}
    if isinstance(value, list):
        return [_struck(one) for one in value]
    return _length(value) if isinstance(value, str) else value


def _member(holder: dict[str, Any], name: str) -> Any:
    value = holder[name]
    if name in FREE or (name == "input" and isinstance(value, dict)):
        return None if value is None else _length(_dumped(value))
    if isinstance(value, str) and name in WORDS and _WORD.fullmatch(value):
        # A message's name is that of a person, a tool's is not.
        return _length(value) if name == "name" and "role" in holder else value
    return _struck(value)


def _length(text: str) -> str:
    return f"[{len(text)} characters]"


def _dumped(value: Any) -> str:
    return orjson.dumps(value).decode()
