"""Counters in an SQLite file of their own, for all workers of one box; they outlive a restart."""

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import orjson

from gateway.store import counters
from gateway.store.counters import (
    DAY,
    DEAD_AFTER,
    Charge,
    Hold,
    Limit,
    Settled,
    Sheet,
    StoreAway,
    Taken,
    new_holder,
)

_BUSY_TRIES = 50
_KEPT = 63 * DAY  # a month that has ended is of no use after the next
_FREED_AT_ONCE = 500
_SCHEMA = """
DROP TABLE IF EXISTS counters;
CREATE TABLE IF NOT EXISTS sheets (
    owner INTEGER PRIMARY KEY, sheet BLOB NOT NULL, touched INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS holds (
    holder INTEGER NOT NULL, number INTEGER NOT NULL, owner INTEGER NOT NULL,
    amounts BLOB NOT NULL, PRIMARY KEY (holder, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holders (holder INTEGER PRIMARY KEY, beat REAL NOT NULL);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_READ = "SELECT sheet FROM sheets WHERE owner = ?"
_WRITE = "REPLACE INTO sheets VALUES (?, ?, ?)"
_HOLD = "INSERT INTO holds VALUES (?, ?, ?, ?)"
_UNHOLD = "DELETE FROM holds WHERE holder = ? AND number = ?"
_BEAT = "REPLACE INTO holders VALUES (?, ?)"
_DEAD = """
SELECT h.holder, h.number, h.owner, h.amounts FROM holds h
LEFT JOIN holders USING (holder) WHERE ifnull(beat, 0) < ? LIMIT ?
"""
_MARK = """
INSERT INTO marks VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
"""

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _or_away(method: _Method) -> _Method:
    """Tells SQLite's failures as StoreAway."""

    @wraps(method)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            raise StoreAway(str(error)) from error

    return told  # type: ignore[return-value]


class SqliteCounters:
    """One row an owner, and one a hold.

    A transaction takes microseconds and never waits inside SQLite, since that would stop the
    whole worker: a busy file is asked again after a short cooperative sleep.
    """

    def __init__(self, path: Path) -> None:
        self.holder = new_holder()
        self._numbers = itertools.count(1)
        self._has_beaten = False
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        self._execute = self._db.execute
        self._execute("PRAGMA busy_timeout = 2000")
        self._execute("PRAGMA journal_mode = WAL")
        self._execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)
        self._execute("PRAGMA busy_timeout = 0")

    @_or_away
    def reserve(
        self,
        owner: int,
        charges: Sequence[Charge],
        wanted: int = 0,
        least: int = 0,
        now: float | None = None,
    ) -> Taken:
        with self._transaction():
            now = time.time() if now is None else now
            sheet = self._sheet(owner)
            taken, amounts = counters.take(sheet, charges, wanted, least, now)
            if taken.refused is not None:
                return taken
            self._execute(_WRITE, (owner, orjson.dumps(sheet), int(now)))
            if not amounts:
                return taken
            return taken._replace(hold=self._hold(owner, amounts, now))

    @_or_away
    def settle(
        self, owner: int, hold: Hold | None, ends: Sequence[Settled], now: float | None = None
    ) -> None:
        with self._transaction():
            now = time.time() if now is None else now
            held = hold is not None and self._execute(_UNHOLD, hold[1:3]).rowcount == 1
            sheet = self._sheet(owner)
            counters.settle(sheet, ends, now, held=held)
            self._execute(_WRITE, (owner, orjson.dumps(sheet), int(now)))

    @_or_away
    def look(self, owner: int, limits: Sequence[Limit], now: float | None = None) -> Taken:
        return counters.look(self._sheet(owner), limits, time.time() if now is None else now)

    @_or_away
    def beat(self, now: float | None = None) -> None:
        with self._transaction():
            self._beat(time.time() if now is None else now)

    @_or_away
    def free(self, now: float | None = None) -> int:
        now = time.time() if now is None else now
        if self._execute(_DEAD, (now - DEAD_AFTER, 1)).fetchone() is None:
            return 0
        with self._transaction():
            dead = self._execute(_DEAD, (now - DEAD_AFTER, _FREED_AT_ONCE)).fetchall()
            for holder, number, owner, amounts in dead:
                sheet = self._sheet(owner)
                counters.release(sheet, orjson.loads(amounts))
                self._execute(_WRITE, (owner, orjson.dumps(sheet), int(now)))
                self._execute(_UNHOLD, (holder, number))
        return len(dead)

    @_or_away
    def leave(self) -> None:
        with self._transaction():
            self._execute("DELETE FROM holders WHERE holder = ?", (self.holder,))

    @_or_away
    def mark(self, name: str) -> None:
        with self._transaction():
            self._execute(_MARK, (name,))

    @_or_away
    def marked(self, name: str) -> int:
        row = self._execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    @_or_away
    def prune(self, now: float | None = None) -> int:
        now = time.time() if now is None else now
        past = (int(now) - _KEPT,)
        with self._transaction():
            self._execute("DELETE FROM holders WHERE beat < ?", past)
            return self._execute(
                "DELETE FROM sheets WHERE touched < ? AND owner NOT IN (SELECT owner FROM holds)",
                past,
            ).rowcount

    def close(self) -> None:
        self._db.close()

    def _sheet(self, owner: int) -> Sheet:
        row = self._execute(_READ, (owner,)).fetchone()
        return orjson.loads(row[0]) if row else {}

    def _hold(self, owner: int, amounts: tuple[tuple[Limit, int], ...], now: float) -> Hold:
        hold = Hold(owner, self.holder, next(self._numbers), amounts)
        kept = orjson.dumps({limit.name: amount for limit, amount in amounts})
        self._execute(_HOLD, (hold.holder, hold.number, owner, kept))
        if not self._has_beaten:
            self._beat(now)
        return hold

    def _beat(self, now: float) -> None:
        self._execute(_BEAT, (self.holder, now))
        self._has_beaten = True

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._begin()
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._execute("ROLLBACK")
            raise
        try:
            self._execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._execute("ROLLBACK")
            raise

    def _begin(self) -> None:
        for tries in range(_BUSY_TRIES):
            try:
                self._execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                busy = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if error.sqlite_errorcode & 0xFF not in busy or tries == _BUSY_TRIES - 1:
                    raise
                time.sleep(0.001 * (tries + 1))
