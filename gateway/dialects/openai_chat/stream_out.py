"""Writes a streamed answer for a client of this dialect, in the order on which SDKs rely.

Choices open in order, calls count from 0, an id and a name come once, a choice's finish comes after
all else of it, the usage in a chunk of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

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
from gateway.dialects.openai import DONE
from gateway.dialects.openai_chat.answer_out import function_call, head
from gateway.dialects.openai_chat.margin import Margin
from gateway.dialects.openai_chat.usage import write_usage

_ROLE = {"role": "assistant", "content": "", "refusal": None}


@dataclass(slots=True)
class _Choice:
    """`index`: where the client sees it. `calls`: event's number → index there, and whether the
    call is custom; `silent`: calls that have no arguments yet.
    """

    index: int
    before: bytes
    calls: dict[int, tuple[int, bool]] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    margin: Margin = field(default_factory=Margin)


class StreamWriter:
    """`model`: what to call the model if the events do not. `include_usage`: the client asked."""

    def __init__(self, model: str, *, include_usage: bool = True) -> None:
        self._model = model
        self._include_usage = include_usage
        self._began = Began()
        self._head = b""
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._delta_end = b'},"logprobs":null,"finish_reason":null}]' + self._tail
        self._choices: dict[int, _Choice] = {}
        self._waiting: dict[int, list[Event]] = {}
        self._counted: Counted | None = None

    def write(self, event: Event) -> bytes:
        """The bytes to send now."""
        if isinstance(event, Began):
            self._began = event
            return b""
        if isinstance(event, Counted):
            self._counted = event
            return b""
        choice = self._choices.get(event.choice)
        if choice is not None:
            return self._TAKERS[type(event)](self, choice, event)
        if event.choice != len(self._choices):
            self._waiting.setdefault(event.choice, []).append(event)
            return b""
        return self._open(event.choice, [event])

    def end(self) -> bytes:
        """How each choice finished, the usage if it was asked for, and the terminator."""
        sent = [self._open(at, []) for at in sorted(self._waiting) if at not in self._choices]
        if not self._choices:
            sent.append(self._open(0, []))
        sent += [self._finish(choice) for choice in self._choices.values()]
        if self._include_usage and self._counted is not None:
            usage = orjson.dumps(write_usage(self._counted))
            sent.append(self._head + b'"choices":[],"usage":' + usage + b"}\n\n")
        return b"".join(sent) + DONE

    def _open(self, at: int, events: list[Event]) -> bytes:
        """Opens a choice, and says all that waited for it; then the next, if that has come."""
        if not self._head:
            fields = head(self._began, self._model, "chat.completion.chunk")
            self._head = b"data: " + orjson.dumps(fields)[:-1] + b","
        index = len(self._choices)
        before = self._head + b'"choices":[{"index":%d,"delta":{' % index
        choice = self._choices[at] = _Choice(index, before)
        sent = [self._delta(choice, _ROLE)]
        for event in (*self._waiting.pop(at, ()), *events):
            sent.append(self._TAKERS[type(event)](self, choice, event))
        following = len(self._choices)
        if following in self._waiting:
            sent.append(self._open(following, []))
        return b"".join(sent)

    def _text(self, choice: _Choice, event: TextPiece) -> bytes:
        if event.signature:
            choice.margin.signature = event.signature
        if not event.text:
            choice.margin.picture(event.image)
            return b""
        choice.margin.written += len(event.text)
        return choice.before + b'"content":' + orjson.dumps(event.text) + self._delta_end

    def _thinking(self, choice: _Choice, event: ThinkingPiece) -> bytes:
        choice.margin.think(event.text)
        return choice.before + b'"reasoning_content":' + orjson.dumps(event.text) + self._delta_end

    def _refusal(self, choice: _Choice, event: RefusalPiece) -> bytes:
        choice.margin.refused = True
        return self._delta(choice, {"refusal": event.text})

    def _call_began(self, choice: _Choice, event: CallBegan) -> bytes:
        index = len(choice.calls)
        choice.calls[event.call] = (index, event.custom)
        choice.silent.add(event.call)
        call = {"index": index, **function_call(event, "")}
        return self._delta(choice, {"tool_calls": [call]})

    def _call_piece(self, choice: _Choice, event: CallPiece) -> bytes:
        if event.call not in choice.calls or not event.arguments:
            return b""
        choice.silent.discard(event.call)
        index, custom = choice.calls[event.call]
        form = b'"tool_calls":[{"index":%d,"custom":{"input":%b}}]'
        if not custom:
            form = b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]'
        return choice.before + form % (index, orjson.dumps(event.arguments)) + self._delta_end

    def _sealed(self, choice: _Choice, event: ThinkingSealed) -> bytes:
        choice.margin.seal(event)
        return b""

    def _cited(self, choice: _Choice, event: Cited) -> bytes:
        choice.margin.cite(event)
        return b""

    def _finished(self, choice: _Choice, event: Finished) -> bytes:
        choice.margin.finished = event
        return b""

    def _finish(self, choice: _Choice) -> bytes:
        """Calls without arguments get an empty object: clients parse what they find."""
        empty = [call for call in sorted(choice.silent) if not choice.calls[call][1]]
        sent = [self._call_piece(choice, CallPiece(call, "{}")) for call in empty]
        delta = orjson.dumps(choice.margin.members())[1:-1]
        reason = choice.margin.reason(called=bool(choice.calls))
        logprobs = orjson.dumps(choice.margin.logprobs())
        end = b'},"logprobs":%b,"finish_reason":"%b"}]' % (logprobs, reason.encode())
        return b"".join(sent) + choice.before + delta + end + self._tail

    def _delta(self, choice: _Choice, members: dict[str, Any]) -> bytes:
        return choice.before + orjson.dumps(members)[1:-1] + self._delta_end

    _TAKERS: ClassVar[dict[type, Callable[[Any, _Choice, Any], bytes]]] = {
        TextPiece: _text,
        ThinkingPiece: _thinking,
        RefusalPiece: _refusal,
        CallBegan: _call_began,
        CallPiece: _call_piece,
        ThinkingSealed: _sealed,
        Cited: _cited,
        Finished: _finished,
    }
