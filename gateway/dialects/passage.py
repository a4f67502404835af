"""How an answer's bytes pass from a vendor to a door: as they came, or in another dialect.

Passage                  feed() takes what arrives and gives what the client gets
├── openai.StreamMeter   the vendor's own bytes, read by places (the fast path)
├── Overheard            the vendor's own bytes, each event read
├── Attended             the same, and what the next question needs noted (for vendors that want it)
└── Translated           the vendor's events in the door's dialect
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from gateway.chat import Learned
from gateway.conversation import (
    CallBegan,
    CallPiece,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.base import Reader, Writer
from gateway.sse import Cutter, data_of, events, name_of


class Passage(Protocol):
    """`feed` takes bytes as they arrive, `finish` comes at the end; both give what the client gets
    now. After an error event `failure` holds upstream's error object, and nothing more is given.
    """

    @property
    def failure(self) -> Any: ...

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...

    def measure(self) -> None:
        """Brings what is `Learned` of its size up to date, however the stream has ended."""


def note(event: Event, learned: Learned) -> None:
    """Takes down what the record wants to know of one event."""
    if isinstance(event, TextPiece):
        learned.delivered += len(event.text)
        if event.signature is not None:
            learned.state.append(event)
    elif isinstance(event, ThinkingPiece):
        learned.delivered += len(event.text)
        learned.state.append(event)
    elif isinstance(event, CallPiece):
        learned.delivered += len(event.arguments)
        learned.state.append(event)
    elif isinstance(event, CallBegan):
        learned.tool_names.append(event.name)
        learned.state.append(event)
    elif isinstance(event, ThinkingSealed):
        learned.state.append(event)
    elif isinstance(event, RefusalPiece):
        learned.delivered += len(event.text)
    elif isinstance(event, Finished):
        learned.finish_reason = learned.finish_reason or event.reason
    elif isinstance(event, Counted):
        learned.usage = event.usage


def note_state(told: Iterable[Event], learned: Learned) -> None:
    """Takes down only what may have to come back."""
    kinds = (ThinkingPiece, ThinkingSealed, CallBegan, CallPiece)
    learned.state += [event for event in told if isinstance(event, kinds)]


def noted(found: Iterable[Event], learned: Learned) -> Iterator[Event]:
    for event in found:
        note(event, learned)
        yield event


def _count_so_far(reader: Reader, learned: Learned) -> None:
    """A stream that is cut has not told its last count; what it has told before holds."""
    if not learned.ended and (usage := reader.usage) is not None:
        learned.usage = usage


class Overheard:
    """A stream that is relayed byte for byte, while a reader listens."""

    def __init__(self, reader: Reader, learned: Learned, limit: int) -> None:
        self._reader = reader
        self._learned = learned
        self._cutter = Cutter(limit)
        self.failure: Any = None

    def feed(self, data: bytes) -> bytes:
        block = self._cutter.feed(data)
        return self._listen(block) if block else b""

    def finish(self) -> bytes:
        rest = self._cutter.rest()
        passed = self._listen(rest.rstrip(b"\r\n") + b"\n\n") if rest.strip() else b""
        for event in self._reader.finish():
            note(event, self._learned)
        self._learned.ended = self._reader.ended
        return passed

    def measure(self) -> None:
        _count_so_far(self._reader, self._learned)

    def _listen(self, block: bytes) -> bytes:
        reader, passed = self._reader, 0
        for event in events(block):
            if data := data_of(event):
                for told in reader.feed(data, name_of(event)):
                    note(told, self._learned)
                if reader.failure is not None:
                    self.failure = reader.failure
                    return block[:passed]
            passed += len(event)
        self._learned.ended = reader.ended
        return block


class Attended:
    """A stream that passes as it would, while a reader notes the state of thoughts and calls."""

    def __init__(self, passage: Passage, reader: Reader, learned: Learned) -> None:
        self._passage = passage
        self._reader = reader
        self._learned = learned

    @property
    def failure(self) -> Any:
        return self._passage.failure

    def feed(self, data: bytes) -> bytes:
        return self._attend(self._passage.feed(data))

    def finish(self) -> bytes:
        return self._attend(self._passage.finish())

    def measure(self) -> None:
        self._passage.measure()

    def _attend(self, block: bytes) -> bytes:
        for event in events(block) if block else ():
            if data := data_of(event):
                note_state(self._reader.feed(data, name_of(event)), self._learned)
        if self._learned.ended:
            note_state(self._reader.finish(), self._learned)
        return block


class Translated:
    """A stream that is read in the vendor's dialect and written in the door's."""

    def __init__(self, reader: Reader, writer: Writer, learned: Learned, limit: int) -> None:
        self._reader = reader
        self._writer = writer
        self._learned = learned
        self._cutter = Cutter(limit)
        self.failure: Any = None

    def feed(self, data: bytes) -> bytes:
        block = self._cutter.feed(data)
        return self._written(block) if block else b""

    def finish(self) -> bytes:
        rest = self._cutter.rest()
        out = self._written(rest.rstrip(b"\r\n") + b"\n\n") if rest.strip() else b""
        if self.failure is not None:
            return out
        for event in self._reader.finish():
            note(event, self._learned)
            out += self._writer.write(event)
        self._learned.ended = self._reader.ended
        return out + self._writer.end() if self._reader.ended else out

    def measure(self) -> None:
        _count_so_far(self._reader, self._learned)

    def _written(self, block: bytes) -> bytes:
        reader, write, learned = self._reader, self._writer.write, self._learned
        out = []
        for event in events(block):
            if data := data_of(event):
                for told in reader.feed(data, name_of(event)):
                    note(told, learned)
                    out.append(write(told))
                if reader.failure is not None:
                    self.failure = reader.failure
                    break
        learned.ended = reader.ended
        return b"".join(out)
