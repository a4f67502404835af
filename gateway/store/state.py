"""State kept for clients: opaque texts by client, kind and id, sealed, bounded, for a time.

States            seals, and goes on in this worker's memory while the shared store is away
└── StateStore    holds the sealed texts: SqliteStates for all workers of a box, RedisStates
                  (state_redis.py) for those of several, MemoryStates
"""

import logging
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.config import State
from gateway.store.counters import StoreAway
from gateway.store.sqlite import begin
from gateway.store.vault import Vault, WrongSecretKey

_RETRY_AFTER = 5.0
_MOST_IDS = 500  # in one statement
_RENEWED_BELOW = 0.9  # what is read lives on, but not each reading writes
_OPENED_CHARS = 4 << 20
_MEMORY_CHARS = 64 << 20
_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE IF NOT EXISTS states (
    client INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    value TEXT NOT NULL, size INTEGER NOT NULL, ends REAL NOT NULL,
    UNIQUE (client, kind, id)
);
CREATE INDEX IF NOT EXISTS states_by_end ON states (client, ends);
CREATE INDEX IF NOT EXISTS states_ended ON states (ends);
CREATE TABLE IF NOT EXISTS holdings (
    client INTEGER PRIMARY KEY, entries INTEGER NOT NULL, size INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS states_added AFTER INSERT ON states BEGIN
    INSERT INTO holdings VALUES (new.client, 1, new.size)
    ON CONFLICT (client) DO UPDATE SET entries = entries + 1, size = size + new.size;
END;
CREATE TRIGGER IF NOT EXISTS states_changed AFTER UPDATE OF size ON states BEGIN
    UPDATE holdings SET size = size + new.size - old.size WHERE client = new.client;
END;
CREATE TRIGGER IF NOT EXISTS states_gone AFTER DELETE ON states BEGIN
    UPDATE holdings SET entries = entries - 1, size = size - old.size WHERE client = old.client;
END;
"""
_PUT = """
INSERT INTO states VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (client, kind, id)
DO UPDATE SET value = excluded.value, size = excluded.size, ends = excluded.ends
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`lifetime` in seconds; `entries` and `size` (in characters) are one client's."""

    lifetime: float
    entries: int
    size: int


def bounds_of(settings: State) -> Bounds:
    return Bounds(
        lifetime=settings.ttl_hours * 3600,
        entries=settings.max_entries_per_client,
        size=settings.max_mb_per_client << 20,
    )


class StateStore(Protocol):
    """Texts by client, kind and id. What is over a client's bounds goes, the oldest first."""

    def get(self, client: int, kind: str, ids: Sequence[str]) -> dict[str, str]:
        """Those of the ids that are there; what is read lives on for its whole time again."""
        ...

    def put(self, client: int, kind: str, values: Mapping[str, str]) -> None: ...

    def forget(self, client: int, kind: str, ids: Sequence[str]) -> None: ...

    def prune(self) -> None:
        """Takes out what has outlived its time."""
        ...

    def close(self) -> None: ...


class MemoryStates:
    """One worker's own: for tests, and while the shared store cannot be had. `total`: what all
    clients together may have, in characters.
    """

    def __init__(self, bounds: Bounds, total: int = _MEMORY_CHARS) -> None:
        self._bounds = bounds
        self._total = total
        self._kept: dict[int, OrderedDict[tuple[str, str], tuple[str, float]]] = {}
        self._sizes: dict[int, int] = {}

    def get(self, client: int, kind: str, ids: Sequence[str]) -> dict[str, str]:
        own, now = self._kept.get(client, OrderedDict()), time.time()
        found = {id: own[kind, id][0] for id in ids if own.get((kind, id), ("", 0.0))[1] > now}
        for id, value in found.items():
            own[kind, id] = value, now + self._bounds.lifetime
            own.move_to_end((kind, id))
        return found

    def put(self, client: int, kind: str, values: Mapping[str, str]) -> None:
        self.forget(client, kind, list(values))
        own = self._kept.setdefault(client, OrderedDict())
        for id, value in values.items():
            own[kind, id] = value, time.time() + self._bounds.lifetime
            self._sizes[client] = self._sizes.get(client, 0) + len(value)
        while len(own) > self._bounds.entries or self._sizes[client] > self._bounds.size:
            self._drop(client, next(iter(own)))
        while sum(self._sizes.values()) > self._total:
            largest = max(self._sizes, key=self._sizes.__getitem__)
            self._drop(largest, next(iter(self._kept[largest])))

    def forget(self, client: int, kind: str, ids: Sequence[str]) -> None:
        for id in ids:
            self._drop(client, (kind, id))

    def prune(self) -> None:
        now = time.time()
        for client, own in list(self._kept.items()):
            for key in [key for key, (_, ends) in own.items() if ends <= now]:
                self._drop(client, key)
            if not own:
                del self._kept[client], self._sizes[client]

    def _drop(self, client: int, key: tuple[str, str]) -> None:
        value, _ = self._kept.get(client, OrderedDict()).pop(key, (None, 0.0))
        if value is not None:
            self._sizes[client] -= len(value)

    def __bool__(self) -> bool:
        return bool(self._kept)

    def close(self) -> None:
        self._kept.clear()
        self._sizes.clear()


class SqliteStates:
    """In an SQLite file, for all workers of one box. Raises sqlite3.Error if it cannot be used.

    As with the counters: short transactions, and no wait inside SQLite.
    """

    def __init__(self, path: Path, bounds: Bounds, patience: float = 0.0) -> None:
        """`patience`: seconds for which a locked file may hold up the start."""
        self._bounds = bounds
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        try:
            self._db.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            self._db.executescript(_SCHEMA)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute("PRAGMA busy_timeout = 0")
        except sqlite3.Error:
            self._db.close()
            raise

    def get(self, client: int, kind: str, ids: Sequence[str]) -> dict[str, str]:
        now = time.time()
        rows = self._rows(client, kind, ids, now)
        soon = now + _RENEWED_BELOW * self._bounds.lifetime
        if due := [row for row, _, _, ends in rows if ends < soon]:
            self._renew(due, now + self._bounds.lifetime)
        return {id: value for _, id, value, _ in rows}

    def put(self, client: int, kind: str, values: Mapping[str, str]) -> None:
        ends = time.time() + self._bounds.lifetime
        rows = [(client, kind, id, value, len(value), ends) for id, value in values.items()]
        begin(self._db)
        try:
            self._db.executemany(_PUT, rows)
            self._make_room(client)
            self._db.execute("COMMIT")
        except BaseException:
            self._give_up()
            raise

    def forget(self, client: int, kind: str, ids: Sequence[str]) -> None:
        begin(self._db)
        keys = [(client, kind, id) for id in ids]
        self._db.executemany("DELETE FROM states WHERE (client, kind, id) = (?, ?, ?)", keys)
        self._db.execute("COMMIT")

    def prune(self) -> None:
        """A few at a time, so that nobody has to wait for long."""
        query = "SELECT rowid FROM states WHERE ends <= ? LIMIT 500"
        while gone := self._db.execute(query, (time.time(),)).fetchall():
            begin(self._db)
            self._db.executemany("DELETE FROM states WHERE rowid = ?", gone)
            self._db.execute("COMMIT")
            time.sleep(0.01)
        begin(self._db)
        self._db.execute("DELETE FROM holdings WHERE entries = 0")
        self._db.execute("COMMIT")
        with suppress(sqlite3.OperationalError):  # whoever is busy now may do it the next time
            # A script, since `execute` takes a single step of it: one page.
            self._db.executescript("PRAGMA incremental_vacuum(1000)")

    def close(self) -> None:
        self._db.close()

    def _rows(
        self, client: int, kind: str, ids: Sequence[str], now: float
    ) -> list[tuple[int, str, str, float]]:
        """`+`: by the ids, not through all that the client has."""
        rows: list[tuple[int, str, str, float]] = []
        for at in range(0, len(ids), _MOST_IDS):
            some = ids[at : at + _MOST_IDS]
            marks = ",".join("?" * len(some))
            rows += self._db.execute(
                "SELECT rowid, id, value, ends FROM states "
                f"WHERE client = ? AND kind = ? AND id IN ({marks}) AND +ends > ?",
                (client, kind, *some, now),
            )
        return rows

    def _renew(self, rows: Iterable[int], ends: float) -> None:
        """The life of what was read is not worth a wait."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        self._db.executemany(
            "UPDATE states SET ends = ? WHERE rowid = ?", [(ends, r) for r in rows]
        )
        self._db.execute("COMMIT")

    def _make_room(self, client: int) -> None:
        held = "SELECT entries, size FROM holdings WHERE client = ?"
        entries, size = self._db.execute(held, (client,)).fetchone()
        if entries <= self._bounds.entries and size <= self._bounds.size:
            return
        oldest = "SELECT rowid, size FROM states WHERE client = ? ORDER BY ends, rowid"
        gone = []
        for row, one in self._db.execute(oldest, (client,)):
            if entries <= self._bounds.entries and size <= self._bounds.size:
                break
            gone.append((row,))
            entries, size = entries - 1, size - one
        self._db.executemany("DELETE FROM states WHERE rowid = ?", gone)

    def _give_up(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


class States:
    """What calls are given: values that are sealed at rest, and that a failure never keeps waiting.

    A value that is too large is not kept, and one that no key opens is not there.
    """

    def __init__(
        self,
        path: Path,
        settings: State,
        vault: Vault,
        elsewhere: Callable[[Bounds], StateStore] | None = None,
    ) -> None:
        """`elsewhere` opens what is used in place of the file at `path`."""
        self._path = path
        self._elsewhere = elsewhere
        self._bounds = bounds_of(settings)
        self._largest = settings.max_value_mb << 20
        self._vault = vault
        self._store: StateStore | None = None
        self._local = MemoryStates(self._bounds)
        self._opened: OrderedDict[str, str] = OrderedDict()
        self._opened_chars = 0
        self._retry_at = 0.0
        self.degraded: str | None = None
        self._try(lambda _: None, patience=2.0)

    def get(self, client: int, kind: str, ids: Sequence[str]) -> dict[str, str]:
        """Those of the ids that are known to this client."""
        found = self._local.get(client, kind, ids) if self._local else {}
        self._try(lambda store: found.update(store.get(client, kind, ids)))
        opened = {id: self._open(token) for id, token in found.items()}
        return {id: value for id, value in opened.items() if value is not None}

    def put(self, client: int, kind: str, values: Mapping[str, str]) -> None:
        sealed = {
            id: self._vault.encrypt(value)
            for id, value in values.items()
            if len(value) <= self._largest
        }
        if sealed and not self._try(lambda store: store.put(client, kind, sealed)):
            self._local.put(client, kind, sealed)

    def forget(self, client: int, kind: str, ids: Sequence[str]) -> None:
        self._local.forget(client, kind, ids)
        self._try(lambda store: store.forget(client, kind, ids))

    def prune(self) -> None:
        self._local.prune()
        self._try(lambda store: store.prune())

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def _try(self, ask: Callable[[StateStore], None], patience: float = 0.0) -> bool:
        """Whether the shared store could be asked; one that failed gets a rest."""
        if self.degraded and time.monotonic() < self._retry_at:
            return False
        try:
            if self._store is None:
                self._store = self._opened_store(patience)
            ask(self._store)
        except (sqlite3.Error, StoreAway) as error:
            if self.degraded is None:
                _log.warning("Clients' state cannot be shared, this worker keeps it: %s", error)
            self.degraded = f"state: {error}"
            self._retry_at = time.monotonic() + _RETRY_AFTER
            return False
        self.degraded = None
        return True

    def _opened_store(self, patience: float) -> StateStore:
        if self._elsewhere is not None:
            return self._elsewhere(self._bounds)
        return SqliteStates(self._path, self._bounds, patience)

    def _open(self, token: str) -> str | None:
        """Long conversations ask for the same again and again."""
        value = self._opened.get(token)
        if value is not None:
            self._opened.move_to_end(token)
            return value
        try:
            value = self._vault.decrypt(token)
        except WrongSecretKey:
            return None
        if len(token) < _OPENED_CHARS // 16:
            self._remember(token, value)
        return value

    def _remember(self, token: str, value: str) -> None:
        self._opened[token] = value
        self._opened_chars += len(token) + len(value)
        while self._opened_chars > _OPENED_CHARS:
            old, told = self._opened.popitem(last=False)
            self._opened_chars -= len(old) + len(told)
