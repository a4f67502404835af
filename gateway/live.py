"""Hub: what open pages show of the present, read once in a worker for all who look.

A page watches topics. A topic is read again when the mark of everything has changed (something has
happened in one of the workers), and gives its parts; those that differ from before are sent, each
as a WebSocket frame that all who look share. While nobody looks, nothing is read.
"""

import logging
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gevent
import orjson
from gevent.event import Event
from gevent.lock import RLock

EVERY = 0.5
STALE_AFTER = 15.0
"""Seconds after which a topic is read though nothing has happened: time itself goes on."""
_REST = 40
"""Reading and sending are followed by a rest of so many times the CPU time that they took: pages
that look take no more than a fortieth of a worker from its calls, however many they are.
"""
_LONGEST_REST = 10.0
_log = logging.getLogger(__name__)

Parts = Mapping[str, Any]
Read = Callable[[], Parts]


class Often(NamedTuple):
    """A topic that is read at each look: what it tells changes though nothing has ended."""

    read: Read


@dataclass(slots=True)
class Part:
    """`number` rises with each change of any part."""

    number: int
    value: Any
    frame: bytes


@dataclass(slots=True)
class Topic:
    read: Read
    often: bool = False
    parts: dict[str, Part] = field(default_factory=dict)
    watchers: int = 0
    mark: Any = None
    read_at: float = 0.0
    lock: RLock = field(default_factory=RLock)


class Watch:
    """What one page looks at."""

    def __init__(self, topics: list[Topic]) -> None:
        self.changed = Event()
        self.ended = False
        self.doubted = False
        """Whether something has changed that may mean that nobody may look any more."""
        self._topics = topics
        self._seen = 0

    def news(self, patience: float) -> list[bytes]:
        """Frames of the parts that have changed since the last look; none, if none does in time.

        Who is slow skips what was overtaken meanwhile.
        """
        self.changed.wait(patience)
        self.changed.clear()
        parts = [part for topic in self._topics for part in topic.parts.values()]
        fresh = sorted((p for p in parts if p.number > self._seen), key=lambda p: p.number)
        if fresh:
            self._seen = fresh[-1].number
        return [part.frame for part in fresh]


class Hub:
    """`mark` is one look at whether anything has happened; it is compared with the last one.

    `every`: seconds from look to look, for which what was read is fresh for who comes new, too.
    """

    def __init__(self, mark: Callable[[], Any], every: float = EVERY) -> None:
        self.every = every
        self._mark = mark
        self._topics: dict[Hashable, Topic] = {}
        self._watches: set[Watch] = set()
        self._number = 0
        self._rest_until = 0.0
        self._failing = False
        self._greenlet: Any = None
        self.closed = False

    @property
    def watchers(self) -> int:
        return len(self._watches)

    @contextmanager
    def watch(self, reads: Mapping[Hashable, Read | Often]) -> Iterator[Watch]:
        """Watches topics, each with how it is read; the first parts are there at once."""
        topics = [self._joined(name, read) for name, read in reads.items()]
        watch = Watch(topics)
        try:
            for topic in topics:
                self._renew(topic)
            watch.changed.set()
            self._watches.add(watch)
            watch.ended = self.closed
            if self._greenlet is None:
                self._greenlet = gevent.spawn(self._run)
            yield watch
        finally:
            self._watches.discard(watch)
            for name in reads:
                self._leave(name)

    @contextmanager
    def charged(self) -> Iterator[None]:
        """Work that is done for those who look, and has to be rested for."""
        began = time.thread_time()
        try:
            yield
        finally:
            now, took = time.monotonic(), time.thread_time() - began
            rest = max(self._rest_until, now) + _REST * took
            self._rest_until = min(rest, now + _LONGEST_REST)

    def doubt(self) -> None:
        """Makes those who look show again that they may."""
        for watch in self._watches:
            watch.doubted = True
            watch.changed.set()

    def close(self) -> None:
        """Ends all watches, of this moment and later: the worker is about to end."""
        self.closed = True
        for watch in self._watches:
            watch.ended = True
            watch.changed.set()

    def _joined(self, name: Hashable, read: Read | Often) -> Topic:
        made = Topic(read.read, often=True) if isinstance(read, Often) else Topic(read)
        topic = self._topics.setdefault(name, made)
        topic.watchers += 1
        return topic

    def _leave(self, name: Hashable) -> None:
        topic = self._topics[name]
        topic.watchers -= 1
        if not topic.watchers:
            del self._topics[name]

    def _run(self) -> None:
        try:
            while self._watches and not self.closed:
                gevent.sleep(self.every)
                self._look()
        finally:
            self._greenlet = None

    def _look(self) -> None:
        if time.monotonic() < self._rest_until:
            return
        try:
            with self.charged():
                mark = self._mark()
        except Exception as error:
            self._note_failure(error)
            return
        if self._read_changed(mark):
            for watch in list(self._watches):
                watch.changed.set()

    def _read_changed(self, mark: Any) -> bool:
        """Reads what was read the longest ago, and more while it is cheap."""
        changed = False
        for topic in sorted(self._topics.values(), key=lambda topic: topic.read_at):
            now = time.monotonic()
            if self._rest_until > now + self.every:
                break
            if topic.often or mark != topic.mark or now >= topic.read_at + STALE_AFTER:
                topic.mark = mark
                changed |= self._read(topic)
        return changed

    def _renew(self, topic: Topic) -> None:
        """For who comes new: many may come at once."""
        with topic.lock:
            if not topic.parts or time.monotonic() >= topic.read_at + self.every:
                self._read(topic)

    def _read(self, topic: Topic) -> bool:
        """Whether a part is another one now."""
        topic.read_at = time.monotonic()
        try:
            with self.charged():
                found = topic.read()
        except Exception as error:
            self._note_failure(error)
            return False
        self._failing = False
        return any([self._put(topic, name, value) for name, value in found.items()])

    def _put(self, topic: Topic, name: str, value: Any) -> bool:
        before = topic.parts.get(name)
        if before is not None and before.value == value:
            return False
        self._number += 1
        frame = text_frame(orjson.dumps({"part": name, "value": value}))
        topic.parts[name] = Part(self._number, value, frame)
        return True

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            _log.warning("What open pages show cannot be read: %s", type(error).__name__)
        self._failing = True


def text_frame(payload: bytes) -> bytes:
    """A whole text message as a server sends it, RFC 6455 section 5.2: not masked."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
