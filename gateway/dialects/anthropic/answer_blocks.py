"""An answer's content blocks, read into events: whole ones and those that come in pieces."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from gateway.conversation import (
    CallBegan,
    CallPiece,
    Cited,
    Event,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.anthropic.arguments import text_of
from gateway.dialects.anthropic.facts import NAME

_CALL_MEMBERS = frozenset({"type", "id", "name", "input", "caller"})


@dataclass(slots=True)
class _Open:
    """A block that has begun. `pieces`: of JSON text; `call`: the number of the tool's call."""

    kind: str
    block: dict[str, Any]
    call: int = -1
    signature: str = ""
    pieces: list[str] = field(default_factory=list)
    citations: list[dict[str, Any]] = field(default_factory=list)


class Blocks:
    """Reads blocks by their numbers; nothing that a vendor sends makes it raise."""

    def __init__(self) -> None:
        self._open: dict[Any, _Open] = {}
        self._last_kind = ""
        self.calls = 0

    def start(self, index: Any, block: dict[str, Any]) -> list[Event]:
        kind = _text(block.get("type"))
        opened = self._open[index] = _Open(kind, block)
        after_text, self._last_kind = self._last_kind == "text", kind
        if kind == "text":
            opened.citations = _objects(block.get("citations"))
            begun: list[Event] = [boundary()] if after_text else []
            return begun + _some(TextPiece, block.get("text"))
        if kind == "thinking":
            opened.signature = _text(block.get("signature"))
            return _some(ThinkingPiece, block.get("thinking"))
        if kind == "redacted_thinking":
            return [ThinkingSealed(redacted=_text(block.get("data")))]
        if kind == "tool_use":
            opened.call, self.calls = self.calls, self.calls + 1
            return [_call(opened.call, block)]
        return []

    def delta(self, index: Any, delta: dict[str, Any]) -> list[Event]:
        kind = delta.get("type")
        if kind == "text_delta":
            return _some(TextPiece, delta.get("text"))
        if kind == "thinking_delta":
            return _some(ThinkingPiece, delta.get("thinking"))
        opened = self._open.get(index)
        if opened is None:
            return []
        if kind == "input_json_delta":
            return _json_piece(opened, _text(delta.get("partial_json")))
        if kind == "signature_delta":
            opened.signature += _text(delta.get("signature"))
        elif kind == "citations_delta":
            opened.citations += _objects([delta.get("citation")])
        elif opened.kind not in ("text", "thinking", "tool_use"):
            _grow(opened.block, delta)
        return []

    def stop(self, index: Any) -> list[Event]:
        opened = self._open.pop(index, None)
        if opened is None or opened.kind == "redacted_thinking":
            return []
        if opened.kind == "text":
            return [Cited(citation) for citation in opened.citations]
        if opened.kind == "thinking":
            return [ThinkingSealed(opened.signature)] if opened.signature else []
        if opened.kind == "tool_use":
            # Without pieces the input is in the block's beginning, or there is none.
            given = _json(opened.block.get("input") or {})
            return [] if opened.pieces else [CallPiece(opened.call, given)]
        return [TextPiece("", native={NAME: _completed(opened)})]


def boundary() -> TextPiece:
    """Says that the text to come is a block of its own, with citations of its own."""
    return TextPiece("", native={NAME: {"type": "text"}})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if _is_list(values) else []


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _some(kind: type[TextPiece] | type[ThinkingPiece], text: Any) -> list[Event]:
    return [kind(text)] if isinstance(text, str) and text else []


def _call(number: int, block: dict[str, Any]) -> CallBegan:
    own = {name: value for name, value in block.items() if name not in _CALL_MEMBERS}
    caller = block.get("caller")
    if caller not in (None, {"type": "direct"}):
        own["caller"] = caller
    return CallBegan(
        number,
        _text(block.get("id")) or f"toolu_{uuid4().hex}",
        _text(block.get("name")),
        native={NAME: own} if own else None,
    )


def _json_piece(opened: _Open, piece: str) -> list[Event]:
    if not piece:
        return []
    opened.pieces.append(piece)
    return [CallPiece(opened.call, piece)] if opened.kind == "tool_use" else []


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """A delta of a kind that is not known adds its texts to the block's."""
    for name, value in delta.items():
        if name != "type":
            before = block.get(name)
            joins = isinstance(before, str) and isinstance(value, str)
            block[name] = before + value if joins else value


def _completed(opened: _Open) -> dict[str, Any]:
    if not opened.pieces:
        return opened.block
    try:
        return {**opened.block, "input": orjson.loads("".join(opened.pieces))}
    except orjson.JSONDecodeError:
        return opened.block


def _json(value: Any) -> str:
    try:
        return text_of(value)
    except RecursionError:
        return "{}"
