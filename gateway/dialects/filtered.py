"""A vendor's answer with some of its events changed or taken out, before a door writes it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from gateway.chat import Usage
from gateway.conversation import CallBegan, CallPiece, Event
from gateway.dialects.base import Reader


class Filter(Protocol):
    """`read` gives what stands for an event, `rest` what is left at the end."""

    def read(self, event: Event) -> Iterable[Event]: ...

    def rest(self) -> Iterable[Event]: ...


class OneCall:
    """The first call of each choice alone, for a client that wants one at a time."""

    def read(self, event: Event) -> Iterator[Event]:
        if not (isinstance(event, CallBegan | CallPiece) and event.call > 0):
            yield event

    def rest(self) -> tuple[()]:
        return ()


def filtered(events: Iterable[Event], filters: Sequence[Filter]) -> Iterable[Event]:
    """The events of a whole answer."""
    for each in filters:
        events = _through(each, events, ended=True)
    return events


class Filtered:
    """A stream, as its reader."""

    def __init__(self, reader: Reader, filters: Sequence[Filter]) -> None:
        self._reader = reader
        self._filters = filters

    @property
    def ended(self) -> bool:
        return self._reader.ended

    @property
    def failure(self) -> Any:
        return self._reader.failure

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    def feed(self, data: bytes, name: str | None = None) -> list[Event]:
        found: Iterable[Event] = self._reader.feed(data, name)
        for each in self._filters:
            found = _through(each, found, ended=False)
        return list(found)

    def finish(self) -> list[Event]:
        return list(filtered(self._reader.finish(), self._filters))


def _through(each: Filter, events: Iterable[Event], *, ended: bool) -> Iterator[Event]:
    for event in events:
        yield from each.read(event)
    if ended:
        yield from each.rest()
