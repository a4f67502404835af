"""Takes out of the database what it need not keep, in small portions, one worker at a time."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, delete, func, select, text

from gateway.store.engine import writing
from gateway.store.models import ROLLUPS, RequestBody, RequestLog
from gateway.store.rollups import MINUTE_MS, SCOPES

DAY_MS = 24 * 60 * MINUTE_MS
MINUTES_KEPT = 48 * 60
"""Rollups by the minute; those by the hour and the day stay."""
PORTION = 200
PAUSE = 0.05
_BUCKETS_AT_ONCE = 10
_ADVISORY_LOCK = 0x6169_6778  # any number that is the gateway's own, and not migration's


def prune(
    engine: Engine, days: int | None, folder: Path, now: float | None = None, pause: float = PAUSE
) -> int:
    """Gives the number of rows taken out; another worker's turn leaves nothing to do."""
    moment = int((time.time() if now is None else now) * 1000)
    taken = 0
    with _turn(folder) as is_mine:
        for portion in _portions(days, moment) if is_mine else ():
            while found := _take_out(engine, portion):
                taken += found
                time.sleep(pause)
    return taken


Portion = Callable[[Connection], int]


def _portions(days: int | None, moment: int) -> Iterator[Portion]:
    if days is not None:
        before = moment - days * DAY_MS
        yield partial(_oldest_requests, before=before)
        yield partial(_oldest_bodies, before=before)
    for scope in SCOPES:
        minute = moment // MINUTE_MS - MINUTES_KEPT
        yield partial(_oldest_minutes, scope=scope, before=minute)


def _take_out(engine: Engine, portion: Portion) -> int:
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            # Gateways on other machines have a folder, and so a lock, of their own.
            lock = text("SELECT pg_try_advisory_xact_lock(:lock)")
            if not connection.scalar(lock, {"lock": _ADVISORY_LOCK}):
                return 0
        return portion(connection)


def _oldest_requests(connection: Connection, before: int) -> int:
    table = RequestLog.__table__
    assert isinstance(table, Table)
    oldest = select(table.c.id).where(table.c.started_at < before).order_by(table.c.started_at)
    return connection.execute(delete(table).where(table.c.id.in_(oldest.limit(PORTION)))).rowcount


def _oldest_bodies(connection: Connection, before: int) -> int:
    table = RequestBody.__table__
    assert isinstance(table, Table)
    key = table.c.request_id
    oldest = select(key).where(table.c.started_at < before).order_by(table.c.started_at)
    return connection.execute(delete(table).where(key.in_(oldest.limit(PORTION)))).rowcount


def _oldest_minutes(connection: Connection, scope: str, before: int) -> int:
    this = (ROLLUPS.c.grain == "m", ROLLUPS.c.scope == scope, ROLLUPS.c.bucket < before)
    first = connection.scalar(select(func.min(ROLLUPS.c.bucket)).where(*this))
    if first is None:
        return 0
    few = ROLLUPS.c.bucket < first + _BUCKETS_AT_ONCE
    return connection.execute(delete(ROLLUPS).where(*this, few)).rowcount


@contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Whether no other worker of this box is at it; the lock ends with its process."""
    with open(folder / "prune.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
