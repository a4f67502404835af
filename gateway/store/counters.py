"""Counters that all workers share: a call's counters go up together, or not at all.

A counter has a window. Rates use a weighted pair of buckets, this window's and the last one's:
what counts is `used + ceil(previous × the part of the last window that still overlaps)`, so that
a burst across a border cannot take twice the limit, and no clock window lets more than the limit
through. Days are UTC days and have no such memory. A refused call changes nothing.
"""

import math
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.store.sqlite import begin

DAY = 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS counters (
    key TEXT PRIMARY KEY, bucket INTEGER NOT NULL, used INTEGER NOT NULL,
    previous INTEGER NOT NULL, ends INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `size` within `window` seconds, counted under `key`."""

    key: str
    size: int
    window: int


@dataclass(frozen=True, slots=True)
class State:
    """Where a counter stands after a call: `used` of the limit's size.

    `frees_in`: seconds until one more fits; `resets_in`: seconds to the end of its window.
    """

    limit: Limit
    used: int
    frees_in: float
    resets_in: float

    @property
    def remaining(self) -> int:
        return max(0, self.limit.size - self.used)


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcome: `refused` is the limit that said no, or None if every counter went up."""

    states: tuple[State, ...]
    refused: State | None = None


class Counters(Protocol):
    """`take` adds one to every counter if all of them allow it, atomically over all workers."""

    def take(self, limits: Sequence[Limit], now: float | None = None) -> Taken: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Bucket:
    """A counter's row: what was used in this window and in the one before."""

    number: int
    used: int
    previous: int

    def at(self, number: int) -> "Bucket":
        """The same counter seen from window `number`."""
        if number == self.number:
            return self
        return Bucket(number, 0, self.used if number == self.number + 1 else 0)


_EMPTY = Bucket(0, 0, 0)


def weigh(limits: Sequence[Limit], buckets: Sequence[Bucket], now: float) -> Taken:
    """Adds one to each bucket in place if all allow it; the rule of every backend."""
    used = [_counted(limit, bucket, now) for limit, bucket in zip(limits, buckets, strict=True)]
    states = [
        _state(limit, bucket, count, now)
        for limit, bucket, count in zip(limits, buckets, used, strict=True)
    ]
    full = [state for state in states if state.used + 1 > state.limit.size]
    if full:
        return Taken(tuple(states), max(full, key=lambda state: state.frees_in))
    for bucket in buckets:
        bucket.used += 1
    return Taken(tuple(State(s.limit, s.used + 1, s.frees_in, s.resets_in) for s in states))


def _counted(limit: Limit, bucket: Bucket, now: float) -> int:
    if limit.window == DAY or not bucket.previous:
        return bucket.used
    overlap = 1 - (now % limit.window) / limit.window
    return bucket.used + math.ceil(bucket.previous * overlap)


def _state(limit: Limit, bucket: Bucket, used: int, now: float) -> State:
    resets_in = limit.window - now % limit.window
    frees_in = 0.0 if used < limit.size else _frees_in(limit, bucket, resets_in)
    return State(limit, used, frees_in, resets_in)


def _frees_in(limit: Limit, bucket: Bucket, resets_in: float) -> float:
    """Seconds until one more fits, if nothing else comes."""
    room = limit.size - 1
    if limit.window == DAY:
        return resets_in
    if bucket.used <= room:
        # The last window's share shrinks until it leaves room beside this one's.
        return max(0.0, resets_in - limit.window * (room - bucket.used) / bucket.previous)
    # This window is full of its own; it is the next one's past.
    return resets_in + limit.window * (1 - room / bucket.used)


class MemoryCounters:
    """One worker's own counters: for tests, and while the shared ones cannot be had."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def take(self, limits: Sequence[Limit], now: float | None = None) -> Taken:
        now = time.time() if now is None else now
        buckets = [
            self._buckets.get(limit.key, _EMPTY).at(int(now // limit.window)) for limit in limits
        ]
        taken = weigh(limits, buckets, now)
        if taken.refused is None:
            self._buckets.update(
                (limit.key, bucket) for limit, bucket in zip(limits, buckets, strict=True)
            )
        return taken

    def close(self) -> None:
        self._buckets.clear()


class SqliteCounters:
    """Counters in an SQLite file of their own, for all workers of one box; they outlive a restart.

    A transaction takes microseconds and never waits inside SQLite, since that would stop the
    whole worker: a busy file is asked again after a short cooperative sleep.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        self._db.execute("PRAGMA busy_timeout = 2000")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)
        self._db.execute("PRAGMA busy_timeout = 0")

    def take(self, limits: Sequence[Limit], now: float | None = None) -> Taken:
        """Raises sqlite3.Error when the file cannot be used."""
        execute = self._db.execute
        begin(self._db)
        try:
            now = time.time() if now is None else now
            marks = ",".join("?" * len(limits))
            rows = execute(
                f"SELECT key, bucket, used, previous FROM counters WHERE key IN ({marks})",
                [limit.key for limit in limits],
            ).fetchall()
            found = {key: Bucket(number, used, previous) for key, number, used, previous in rows}
            buckets = [
                found.get(limit.key, _EMPTY).at(int(now // limit.window)) for limit in limits
            ]
            taken = weigh(limits, buckets, now)
            if taken.refused is None:
                values = ",".join(["(?,?,?,?,?)"] * len(limits))
                execute(f"REPLACE INTO counters VALUES {values}", _row_values(limits, buckets))
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            raise
        return taken

    def mark(self, name: str) -> None:
        """Raises the number of a mark: tells the other workers that something changed."""
        begin(self._db)
        self._db.execute(
            "INSERT INTO marks VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
            (name,),
        )
        self._db.execute("COMMIT")

    def marked(self, name: str) -> int:
        """How often a mark was raised."""
        row = self._db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def prune(self, now: float | None = None) -> int:
        """Takes out counters whose windows are past; gives their number."""
        begin(self._db)
        ended = int(time.time() if now is None else now)
        gone = self._db.execute("DELETE FROM counters WHERE ends < ?", (ended,)).rowcount
        self._db.execute("COMMIT")
        return gone

    def close(self) -> None:
        self._db.close()


def _row_values(limits: Sequence[Limit], buckets: Sequence[Bucket]) -> list[str | int]:
    values: list[str | int] = []
    for limit, bucket in zip(limits, buckets, strict=True):
        ends = (bucket.number + 2) * limit.window
        values += (limit.key, bucket.number, bucket.used, bucket.previous, ends)
    return values
