"""Counters in an SQLite file of their own, for all workers of one box; they outlive a restart."""

import itertools
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import orjson
from gevent.hub import Waiter, get_hub

from gateway.store import counters
from gateway.store.counters import (
    DAY,
    DEAD_AFTER,
    STRANGERS_KEPT,
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
CREATE TABLE IF NOT EXISTS notes (
    topic TEXT NOT NULL, name TEXT NOT NULL, ends REAL NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (topic, name)
);
"""
_READ = "SELECT sheet FROM sheets WHERE owner = ?"
_READ_ALL = "SELECT owner, sheet FROM sheets WHERE owner IN (SELECT value FROM json_each(?))"
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
_PAST = """
DELETE FROM sheets WHERE (touched < ? OR owner < 0 AND touched < ?)
AND owner NOT IN (SELECT owner FROM holds)
"""
_NOTE = "REPLACE INTO notes VALUES (?, ?, ?, ?)"
_NOTES = "SELECT name, text FROM notes WHERE topic = ? AND ends > ?"
_PAST_NOTES = "DELETE FROM notes WHERE topic = ? AND ends <= ?"

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_End = tuple[int, Hold | None, Sequence[Settled]]


class _Asked:
    """A reservation that waits for the next transaction."""

    __slots__ = ("charges", "gone", "least", "owner", "taken", "waiter", "wanted")

    def __init__(self, owner: int, charges: Sequence[Charge], wanted: int, least: int) -> None:
        self.owner, self.charges = owner, charges
        self.wanted, self.least = wanted, least
        self.waiter: Waiter[Taken] = Waiter()
        self.taken: Taken | None = None
        self.gone = False
        """Nobody waits for it any more."""


class SqliteCounters:
    """One row an owner, and one a hold.

    A transaction takes microseconds and never waits inside SQLite, since that would stop the
    whole worker: a busy file is asked again after a short cooperative sleep.

    `later` runs something in a greenlet as soon as the worker's loop comes to it. Then what the
    calls of one turn reserve and settle is done in one transaction, for which those that reserve
    wait. A settlement that fails is done with the next reservation or beat.
    """

    def __init__(
        self, path: Path, later: Callable[[Callable[[], None]], object] | None = None
    ) -> None:
        self.holder = new_holder()
        self._numbers = itertools.count(1)
        self._has_beaten = False
        self._later = later
        self._is_due = False
        self._asked: list[_Asked] = []
        self._ended: list[_End] = []
        self._settling = 0
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        self._execute = self._db.execute
        self._execute("PRAGMA busy_timeout = 2000")
        # A transaction writes two or three pages whole. What an old file has stays.
        self._execute("PRAGMA page_size = 1024")
        self._execute("PRAGMA journal_mode = WAL")
        self._execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)
        self._execute("PRAGMA busy_timeout = 0")

    def reserve(
        self,
        owner: int,
        charges: Sequence[Charge],
        wanted: int = 0,
        least: int = 0,
        now: float | None = None,
    ) -> Taken:
        asked = _Asked(owner, charges, wanted, least)
        if self._later is None or now is not None:
            return self._atomically(lambda: self._work([asked], now))[0]
        self._asked.append(asked)
        self._flush_soon(self._later)
        try:
            return asked.waiter.get()
        except StoreAway:
            raise
        except BaseException:  # the call ends while it waits
            asked.gone = True
            if asked.taken is not None:
                self._take_back(asked, asked.taken)
            raise

    def settle(
        self, owner: int, hold: Hold | None, ends: Sequence[Settled], now: float | None = None
    ) -> None:
        end = (owner, hold, ends)
        self._ended.append(end)
        if hold is not None and self._later is not None:
            self._flush_soon(self._later)
            return
        try:
            self._settle_all(now)
        except StoreAway:
            # Who called is told, and keeps it.
            self._ended = [one for one in self._ended if one is not end]
            raise

    def look(self, owner: int, limits: Sequence[Limit], now: float | None = None) -> Taken:
        if self._ended:
            self._settle_all(now)
        with _told():
            sheet = self._sheet(owner)
        return counters.look(sheet, limits, time.time() if now is None else now)

    def look_all(
        self, asked: Sequence[tuple[int, Sequence[Limit]]], now: float | None = None
    ) -> list[Taken]:
        if self._ended:
            self._settle_all(now)
        owners = orjson.dumps([owner for owner, _ in asked]).decode()
        with _told():
            sheets = dict(self._execute(_READ_ALL, (owners,)).fetchall())
        moment = time.time() if now is None else now
        return [
            counters.look(orjson.loads(sheets.get(owner, b"{}")), limits, moment)
            for owner, limits in asked
        ]

    def beat(self, now: float | None = None) -> None:
        def work() -> None:
            self._work([], now)
            self._beat(time.time() if now is None else now)

        self._atomically(work)

    def free(self, now: float | None = None) -> int:
        moment = time.time() if now is None else now
        since = moment - DEAD_AFTER

        def work() -> int:
            dead = self._execute(_DEAD, (since, _FREED_AT_ONCE)).fetchall()
            for holder, number, owner, amounts in dead:
                sheet = self._sheet(owner)
                counters.release(sheet, orjson.loads(amounts))
                self._write({owner: sheet}, moment)
                self._execute(_UNHOLD, (holder, number))
            return len(dead)

        with _told():
            nobody = self._execute(_DEAD, (since, 1)).fetchone() is None
        return 0 if nobody else self._atomically(work)

    def leave(self) -> None:
        def work() -> None:
            self._work([])
            self._execute("DELETE FROM holders WHERE holder = ?", (self.holder,))

        self._atomically(work)

    def mark(self, name: str) -> None:
        self._atomically(lambda: self._execute(_MARK, (name,)))

    def marked(self, name: str) -> int:
        with _told():
            row = self._execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def note(self, topic: str, name: str, text: str, kept: float, now: float | None = None) -> None:
        moment = time.time() if now is None else now

        def work() -> None:
            self._execute(_PAST_NOTES, (topic, moment))
            self._execute(_NOTE, (topic, name, moment + kept, text))

        self._atomically(work)

    def notes(self, topic: str, now: float | None = None) -> dict[str, str]:
        with _told():
            found = self._execute(_NOTES, (topic, time.time() if now is None else now))
            return dict(found.fetchall())

    def prune(self, now: float | None = None) -> int:
        moment = int(time.time() if now is None else now)
        past = moment - _KEPT

        def work() -> int:
            self._execute("DELETE FROM holders WHERE beat < ?", (past,))
            return self._execute(_PAST, (past, moment - STRANGERS_KEPT)).rowcount

        return self._atomically(work)

    def close(self) -> None:
        self._db.close()

    def _settle_all(self, now: float | None = None) -> None:
        self._atomically(lambda: self._work([], now))

    def _flush_soon(self, later: Callable[[Callable[[], None]], object]) -> None:
        if not self._is_due:
            self._is_due = True
            later(self._flush)

    def _flush(self) -> None:
        """Does in one transaction what has come together meanwhile."""
        self._is_due = False
        asked, self._asked = [one for one in self._asked if not one.gone], []
        if not asked and not self._ended:  # another transaction has taken it along
            return
        run = get_hub().loop.run_callback
        try:
            outcomes = self._atomically(lambda: self._work(asked))
        except BaseException as error:
            for one in asked:
                run(one.waiter.throw, error)
            if not isinstance(error, StoreAway):
                raise
            if not asked:
                # The next reservation or beat does it.
                _log.warning("Calls that ended are not settled yet: %s", error)
            return
        for one, taken in zip(asked, outcomes, strict=True):
            one.taken = taken
            if one.gone:  # while the file was busy
                self._take_back(one, taken)
            else:
                run(one.waiter.switch, taken)

    def _work(self, asked: Sequence[_Asked], now: float | None = None) -> list[Taken]:
        """Settles what has ended, and reserves what is asked, in that order."""
        moment = time.time() if now is None else now
        changed = self._settled(moment)
        sheets = dict(changed)
        outcomes = []
        for one in asked:
            owner = one.owner
            if owner not in sheets:
                sheets[owner] = self._sheet(owner)
            taken, amounts = counters.take(
                sheets[owner], one.charges, one.wanted, one.least, moment
            )
            if taken.refused is None:
                changed[owner] = sheets[owner]
            if amounts:
                hold = self._hold(owner, amounts, moment)
                taken = Taken(taken.states, taken.units, hold=hold)
            outcomes.append(taken)
        self._write(changed, moment)
        return outcomes

    def _take_back(self, asked: _Asked, taken: Taken) -> None:
        if taken.refused is not None:
            return
        ends = [Settled(one.limit, 0, -one.fixed) for one in asked.charges if not one.held]
        held = taken.hold.amounts if taken.hold else ()
        ends += [Settled(limit, amount, 0) for limit, amount in held]
        self._ended.append((asked.owner, taken.hold, ends))
        if self._later is not None:
            self._flush_soon(self._later)

    def _settled(self, now: float) -> dict[int, Sheet]:
        """Settles the calls that have ended; gives the sheets that are to be written."""
        sheets: dict[int, Sheet] = {}
        self._settling = len(self._ended)
        for owner, hold, ends in self._ended:
            held = hold is not None and self._execute(_UNHOLD, hold[1:3]).rowcount == 1
            sheet = sheets.get(owner)
            if sheet is None:
                sheet = sheets[owner] = self._sheet(owner)
            counters.settle(sheet, ends, now, held=held)
        return sheets

    def _sheet(self, owner: int) -> Sheet:
        row = self._execute(_READ, (owner,)).fetchone()
        return orjson.loads(row[0]) if row else {}

    def _write(self, sheets: Mapping[int, Sheet], now: float) -> None:
        for owner, sheet in sheets.items():
            self._execute(_WRITE, (owner, orjson.dumps(sheet), int(now)))

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

    def _atomically(self, work: Callable[[], _Result]) -> _Result:
        """Does the work in a transaction; nothing else runs in this worker meanwhile."""
        try:
            self._begin()
            self._settling = 0
            try:
                result = work()
                self._execute("COMMIT")
            except BaseException:
                self._has_beaten = False  # it may have been in this transaction
                if self._db.in_transaction:
                    self._execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreAway(str(error)) from error
        del self._ended[: self._settling]
        return result

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


@contextmanager
def _told() -> Iterator[None]:
    """Tells SQLite's failures as StoreAway."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreAway(str(error)) from error
