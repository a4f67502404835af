"""One answer of a model whose tools belong partly to its client, partly to the gateway.

The client sees what is said and its own calls; the gateway's calls are kept from it. How the turn
ends is held back until it is known whether the model will be asked again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Counted,
    Document,
    Event,
    Finished,
    Image,
    Message,
    Part,
    Refusal,
    RefusalPiece,
    Text,
    TextPiece,
    ToolCall,
    ToolResult,
)
from gateway.dialects.base import Writer

_CUT = ("length", "content_filter")
# A thought is kept by the call that it led to (recall.py), so none is said here.
_KINDS: Mapping[str, type] = {
    each.__name__: each for each in (Text, Image, Document, Refusal, ToolCall, ToolResult)
}


@dataclass(slots=True)
class Turn:
    """`theirs`: the names of the client's tools. All other calls are the gateway's to run."""

    theirs: frozenset[str]
    first: bool = True
    parts: list[Part] = field(default_factory=list)
    own: list[ToolCall] = field(default_factory=list)
    given: list[ToolCall] = field(default_factory=list)
    finished: Finished | None = None
    counted: Counted | None = None
    touched: bool = False
    """The client has seen some of it."""
    _calls: dict[int, tuple[ToolCall, int | None]] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        """Whether the gateway's calls are all that it asks for."""
        cut = self.finished is not None and self.finished.reason in _CUT
        return bool(self.own and not self.given and not cut)

    @property
    def message(self) -> Message:
        """What the model said, as its next question repeats it."""
        return Message("assistant", [_written_again(part) for part in self.parts])

    def take(self, event: Event) -> Event | None:
        """What the client sees of an event, None for nothing."""
        shown = self._taken(event)
        self.touched = self.touched or shown is not None
        return shown

    def end(self, counted: Counted | None) -> list[Event]:
        """How the answer ends for the client, with the usage of all its rounds."""
        finished = self.finished or Finished("stop")
        if finished.reason == "tool_calls" and not self.given:
            finished = replace(finished, reason="stop", native=None)
        return [finished] if counted is None else [finished, counted]

    def _taken(self, event: Event) -> Event | None:
        match event:
            case Finished():
                self.finished = event
            case Counted():
                self.counted = event
            case CallBegan():
                return self._call(event)
            case CallPiece():
                call, at = self._calls[event.call]
                call.arguments += event.arguments
                return None if at is None else replace(event, call=at)
            case Began() if not self.first:
                return None
            case TextPiece() | RefusalPiece():
                self._say(event)
                return event
            case _:
                return event
        return None

    def _call(self, event: CallBegan) -> CallBegan | None:
        call = ToolCall(event.id, event.name, custom=event.custom, signature=event.signature)
        self.parts.append(call)
        is_theirs = event.name in self.theirs
        at = len(self.given) if is_theirs else None
        self._calls[event.call] = call, at
        (self.given if is_theirs else self.own).append(call)
        return None if at is None else replace(event, call=at)

    def _say(self, event: TextPiece | RefusalPiece) -> None:
        last = self.parts[-1] if self.parts else None
        if isinstance(event, RefusalPiece):
            self.parts.append(Refusal(event.text))
        elif isinstance(last, Text) and not last.signature and event.native is None:
            last.text += event.text
            last.signature = event.signature
        elif event.text or event.signature or event.native:
            self.parts.append(Text(event.text, signature=event.signature, native=event.native))


def _written_again(part: Part) -> Part:
    """Arguments that are no JSON object cannot be said to every vendor; their result tells why."""
    if isinstance(part, ToolCall) and not part.custom and not _is_object(part.arguments):
        return replace(part, arguments="{}")
    return part


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text or "{}"), dict)
    except orjson.JSONDecodeError:
        return False


class TurnWriter:
    """Writes a turn in the door's dialect as it comes; the answer's end is written by others."""

    def __init__(self, turn: Turn, writer: Writer) -> None:
        self._turn = turn
        self._writer = writer

    def write(self, event: Event) -> bytes:
        shown = self._turn.take(event)
        return b"" if shown is None else self._writer.write(shown)

    def end(self) -> bytes:
        return b""


def joined(message: Message, results: list[ToolResult], following: Message | None) -> Message:
    """The results of one message's calls in their order: the gateway's, and those that follow."""
    parts = following.parts if following is not None else []
    told = [part for part in parts if isinstance(part, ToolResult)]
    rest = [part for part in parts if not isinstance(part, ToolResult)]
    known = {result.call_id: result for result in (*results, *told)}
    order = [part.id for part in message.parts if isinstance(part, ToolCall)]
    sorted_: list[Part] = [known.pop(call_id) for call_id in order if call_id in known]
    return Message("user", [*sorted_, *known.values(), *rest])


def written(messages: Iterable[Message]) -> list[Any]:
    """Messages as JSON values."""
    return [[message.role, [_tagged(part) for part in message.parts]] for message in messages]


def read(values: Iterable[Any]) -> list[Message]:
    return [Message(role, [_untagged(part) for part in parts]) for role, parts in values]


def _tagged(part: Part) -> list[Any]:
    names = type(part).__dataclass_fields__
    members = {name: getattr(part, name) for name in names}
    if isinstance(part, ToolResult):
        members["parts"] = [_tagged(each) for each in part.parts]
    return [type(part).__name__, {name: value for name, value in members.items() if value}]


def _untagged(value: Any) -> Any:
    kind, members = value
    if kind == "ToolResult":
        members = members | {"parts": [_untagged(each) for each in members.get("parts", ())]}
    if kind in ("Text", "Refusal"):
        members = {"text": ""} | members
    return _KINDS[kind](**members)
