"""Events, written as the named events of a Messages stream.

Blocks never interleave on this wire, and what a client has read cannot be taken back: while one
tool's arguments are unfinished, the calls beside it, and whatever else comes, wait for their turn.
"""

from collections.abc import Callable
from typing import Any

import orjson

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
from gateway.dialects.anthropic.answer_out import (
    message_head,
    own_block,
    signature_of,
    tool_use,
)
from gateway.dialects.anthropic.arguments import is_whole
from gateway.dialects.anthropic.ending import Ending
from gateway.dialects.anthropic.facts import CITATIONS, native

_TEXT = b"text_delta", b"text"
_THINKING = b"thinking_delta", b"thinking"
_JSON = b"input_json_delta", b"partial_json"


class StreamWriter:
    """`write` gives the bytes to send now, `end` the last ones. Usage is always told here.

    `input_tokens`: what stands in the stream's head, where an estimate is known.
    """

    def __init__(self, model: str, *, include_usage: bool = True, input_tokens: int = 0) -> None:
        self._model = model
        self._input_tokens = input_tokens
        self._ending = Ending()
        self._begun = False
        self._index = -1
        self._kind = ""  # of the open block: text, thinking, tool_use or none
        self._call = -1
        self._arguments: list[str] = []
        self._waiting: list[list[Event]] = []
        self._sent: list[bytes] = []
        self._prefix = b""
        self._writers: dict[type, Callable[[Any], None]] = {
            TextPiece: self._text,
            ThinkingPiece: self._thinking,
            ThinkingSealed: self._sealed,
            RefusalPiece: self._refusal,
            CallBegan: self._call_began,
            CallPiece: self._call_piece,
            Cited: self._cited,
        }

    def write(self, event: Event) -> bytes:
        if type(event) is TextPiece and self._kind == "text":
            # Most of most streams; nothing waits while a text is open.
            if event.choice == 0 and event.native is None and event.text:
                return self._prefix + orjson.dumps(event.text) + b"}}\n\n"
        if isinstance(event, Began):
            self._begin(event)
        elif isinstance(event, Counted):
            self._ending.counted = event
        elif event.choice == 0:
            self._write(event)
        return self._taken()

    def end(self) -> bytes:
        self._begin(Began())
        while self._waiting:
            self._let_in_the_next()
        self._close()
        self._send("message_delta", self._delta())
        self._send("message_stop", {})
        return self._taken()

    def _delta(self) -> dict[str, Any]:
        rest = self._ending.rest()
        # The container is told with the stop, all else beside it.
        container = {name: rest[name] for name in rest if name == "container"}
        beside = {name: rest[name] for name in rest if name != "container"}
        usage = self._ending.usage(self._input_tokens)
        return {**beside, "delta": self._ending.stop() | container, "usage": usage}

    def _write(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._ending.finished = event
        elif isinstance(event, TextPiece) and not event.text and event.native is None:
            return
        elif self._has_a_turn(event):
            self._begin(Began())
            self._writers[type(event)](event)
            self._advance()
        else:
            self._wait(event)

    def _has_a_turn(self, event: Event) -> bool:
        """What is of the open call goes on; all else only once its arguments are whole."""
        if self._kind != "tool_use" or (isinstance(event, CallPiece) and event.call == self._call):
            return True
        return not self._waiting and self._is_whole()

    def _is_whole(self) -> bool:
        return is_whole("".join(self._arguments))

    def _wait(self, event: Event) -> None:
        """Pieces wait with their call, so that it is sent in one go."""
        if isinstance(event, CallPiece):
            for entry in self._waiting:
                if isinstance(entry[0], CallBegan) and entry[0].call == event.call:
                    entry.append(event)
        else:
            self._waiting.append([event])

    def _advance(self) -> None:
        while self._waiting and self._is_whole():
            self._let_in_the_next()

    def _let_in_the_next(self) -> None:
        """Closes the call; what waited goes out up to the end of the next call."""
        self._close()
        while self._waiting and self._kind != "tool_use":
            for event in self._waiting.pop(0):
                self._writers[type(event)](event)

    def _begin(self, began: Began) -> None:
        if self._begun:
            return
        self._begun = True
        message = {
            **message_head(began, self._model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": Ending().usage(self._input_tokens) | _own_usage(began),
        }
        self._send("message_start", {"message": message})

    def _text(self, event: TextPiece) -> None:
        own = own_block(event)
        if own is not None:
            self._own(own)
        if event.text:
            if self._kind != "text":
                self._open("text", {"type": "text", "text": ""}, _TEXT)
            self._piece(event.text)

    def _own(self, block: dict[str, Any]) -> None:
        self._close()
        if block["type"] == "text":
            return
        given = block.get("input")
        self._open("own", {**block, "input": {}} if given else block, _JSON)
        if given:
            self._piece(orjson.dumps(given).decode())
        self._close()

    def _thinking(self, event: ThinkingPiece) -> None:
        if self._kind != "thinking":
            self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""}, _THINKING)
        self._piece(event.text)

    def _sealed(self, event: ThinkingSealed) -> None:
        if event.redacted:
            self._open("own", {"type": "redacted_thinking", "data": event.redacted}, _TEXT)
        elif self._kind != "thinking":
            self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""}, _THINKING)
        self._close(signature_of(event))

    def _refusal(self, event: RefusalPiece) -> None:
        self._ending.refusal += event.text
        self._text(TextPiece(event.text))

    def _call_began(self, event: CallBegan) -> None:
        self._ending.calls = True
        self._open("tool_use", tool_use(event), _JSON)
        self._call, self._arguments = event.call, []

    def _call_piece(self, event: CallPiece) -> None:
        if event.call != self._call or self._kind != "tool_use":
            return
        self._arguments.append(event.arguments)
        self._piece(event.arguments)

    def _cited(self, event: Cited) -> None:
        if self._kind == "text" and event.citation.get("type") in CITATIONS:
            delta = {"type": "citations_delta", "citation": event.citation}
            self._send("content_block_delta", {"index": self._index, "delta": delta})

    def _open(self, kind: str, block: dict[str, Any], delta: tuple[bytes, bytes]) -> None:
        self._close()
        self._index += 1
        self._kind = kind
        self._send("content_block_start", {"index": self._index, "content_block": block})
        self._prefix = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"%b","%b":' % (self._index, *delta)
        )

    def _piece(self, text: str) -> None:
        self._sent.append(self._prefix + orjson.dumps(text) + b"}}\n\n")

    def _close(self, signature: str = "") -> None:
        if not self._kind:
            return
        if self._kind == "thinking":
            delta = {"type": "signature_delta", "signature": signature}
            self._send("content_block_delta", {"index": self._index, "delta": delta})
        self._send("content_block_stop", {"index": self._index})
        self._kind = ""

    def _send(self, name: str, body: dict[str, Any]) -> None:
        data = orjson.dumps({"type": name, **body})
        self._sent.append(b"event: %b\ndata: %b\n\n" % (name.encode(), data))

    def _taken(self) -> bytes:
        sent, self._sent = self._sent, []
        return b"".join(sent)


def _own_usage(began: Began) -> dict[str, Any]:
    """The figures with which this vendor began."""
    own = native(began.native)
    usage = own.get("usage") if isinstance(own, dict) else None
    return usage if isinstance(usage, dict) else {}
