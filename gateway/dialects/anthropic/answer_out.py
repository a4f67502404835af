"""Events, written as a whole Messages answer."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.anthropic.arguments import object_of
from gateway.dialects.anthropic.blocks_out import call_id
from gateway.dialects.anthropic.carried import carried
from gateway.dialects.anthropic.ending import Ending
from gateway.dialects.anthropic.facts import CITATIONS, native

Block = dict[str, Any]


def write_answer(events: Iterable[Event], model: str) -> dict[str, Any]:
    """The answer's first choice; `model` where the vendor does not name its own."""
    answer = _Answer()
    for event in events:
        if isinstance(event, Began):
            answer.began = answer.began or event
        elif isinstance(event, Counted):
            answer.ending.counted = event
        elif event.choice == 0:
            answer.add(event)
    return answer.message(model)


def message_head(began: Began, model: str) -> dict[str, Any]:
    return {
        "id": message_id(began.id),
        "type": "message",
        "role": "assistant",
        "model": began.model or model,
    }


def message_id(own: str | None) -> str:
    if own is None:
        return f"msg_{uuid4().hex}"
    return own if own.startswith("msg_") else f"msg_{own}"


def tool_use(event: CallBegan) -> Block:
    own = native(event.native)
    block = {
        "type": "tool_use",
        "id": call_id(event.id) if event.id else f"toolu_{uuid4().hex}",
        "name": event.name,
        "input": {},
    }
    return {**own, **block} if isinstance(own, dict) else block


def own_block(event: TextPiece) -> Block | None:
    """A block that only this dialect has; one of type text only says that a new text begins."""
    own = native(event.native)
    return own if isinstance(own, dict) and isinstance(own.get("type"), str) else None


def signature_of(event: ThinkingSealed) -> str:
    return carried(event.details) if event.details else event.signature or ""


class _Answer:
    def __init__(self) -> None:
        self.began: Began | None = None
        self.ending = Ending()
        self._blocks: list[Block] = []
        self._arguments: dict[int, tuple[Block, list[str]]] = {}
        self._last: Block = {}

    def add(self, event: Event) -> None:
        if isinstance(event, TextPiece):
            self._add_text(event)
        elif isinstance(event, ThinkingPiece):
            self._grow("thinking", event.text)
        elif isinstance(event, ThinkingSealed):
            self._seal(event)
        elif isinstance(event, CallBegan):
            self._arguments[event.call] = (self._push(tool_use(event)), [])
            self.ending.calls = True
        elif isinstance(event, CallPiece) and event.call in self._arguments:
            self._arguments[event.call][1].append(event.arguments)
        elif isinstance(event, RefusalPiece):
            self._grow("text", event.text)
            self.ending.refusal += event.text
        elif isinstance(event, Cited) and self._last.get("type") == "text":
            if event.citation.get("type") in CITATIONS:
                self._last.setdefault("citations", []).append(event.citation)
        elif isinstance(event, Finished):
            self.ending.finished = event

    def message(self, model: str) -> dict[str, Any]:
        for block, pieces in self._arguments.values():
            block["input"] = object_of("".join(pieces))
        return {
            **message_head(self.began or Began(), model),
            "content": [block for block in self._blocks if block.get("text") != ""],
            **self.ending.stop(),
            **self.ending.rest(),
            "usage": self.ending.usage(),
        }

    def _add_text(self, event: TextPiece) -> None:
        own = own_block(event)
        if own is not None:
            self._push({"type": "text", "text": ""} if own["type"] == "text" else own)
        if event.text:
            self._grow("text", event.text)

    def _grow(self, kind: str, text: str) -> None:
        if self._last.get("type") != kind:
            self._push(_empty(kind))
        self._last[kind] += text

    def _seal(self, event: ThinkingSealed) -> None:
        if event.redacted:
            self._push({"type": "redacted_thinking", "data": event.redacted})
            return
        if self._last.get("type") != "thinking":
            self._push(_empty("thinking"))
        self._last["signature"] = signature_of(event)
        self._last = {}

    def _push(self, block: Block) -> Block:
        self._blocks.append(block)
        self._last = block
        return block


def _empty(kind: str) -> Block:
    if kind == "text":
        return {"type": "text", "text": ""}
    return {"type": "thinking", "thinking": "", "signature": ""}
