"""The log of requests: rows are taken at once, and written in batches off the requests' way."""

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

import gevent
from gevent.event import Event
from sqlalchemy import Engine
from sqlalchemy.exc import (
    InterfaceError,
    InternalError,
    OperationalError,
    ResourceClosedError,
    SQLAlchemyError,
    TimeoutError,
)

from gateway.config import Logging
from gateway.store.models import RequestLog

COLUMNS = tuple(column.name for column in RequestLog.__table__.columns if column.name != "id")
Row = Sequence[Any]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
# The database is not there, or not for us at the moment; anything else is a row's own fault.
_AWAY = (OperationalError, InterfaceError, InternalError, ResourceClosedError, TimeoutError)
_log = logging.getLogger(__name__)


class Ledger:
    """Rows wait in memory for at most `batch_ms` or until there are `batch_rows`.

    While the database is away they go on waiting, up to `memory_rows`; `waiting` and `lost` tell
    how many. A row is written once, whatever happens: its request id is unique.
    """

    def __init__(self, engine: Engine, settings: Logging) -> None:
        self._engine = engine
        self._settings = settings
        self._rows: deque[Row] = deque()
        self._wake = Event()
        self._insert = _insert(engine)
        self._failing = False
        self.lost = 0

    @property
    def waiting(self) -> int:
        return len(self._rows)

    @property
    def failing(self) -> bool:
        """Whether the last batch could not be written."""
        return self._failing

    def is_reachable(self) -> bool:
        """Whether the database answers now."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError:
            return False
        return True

    def add(self, row: Row) -> None:
        """Takes a row, its values in the order of COLUMNS; JSON ones as text."""
        rows = self._rows
        rows.append(row)
        if len(rows) > self._settings.memory_rows:
            rows.popleft()
            self.lost += 1
        if len(rows) >= self._settings.batch_rows:
            self._wake.set()

    def run(self) -> None:
        """Writes for ever; a greenlet's work."""
        pause = _FIRST_PAUSE
        while True:
            self._wake.wait(self._settings.batch_ms / 1000)
            self._wake.clear()
            if self.flush():
                pause = _FIRST_PAUSE
            else:
                gevent.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def flush(self) -> bool:
        """Writes all rows that wait; False if the database would not take them."""
        while self._rows:
            batch = [self._rows.popleft() for _ in range(self._batch_size())]
            try:
                self._write(batch)
            except _AWAY as error:
                self._rows.extendleft(reversed(batch))
                self._note_failure(error)
                return False
            except Exception as error:
                self._without_the_bad(batch, error)
        if self._failing:
            _log.warning("The request log can be written again; %d rows were lost", self.lost)
        self._failing = False
        return True

    def _batch_size(self) -> int:
        return min(len(self._rows), self._settings.batch_rows)

    def _write(self, batch: list[Row]) -> None:
        with self._engine.begin() as connection:
            connection.exec_driver_sql(self._insert, [tuple(row) for row in batch])

    def _without_the_bad(self, batch: list[Row], error: Exception) -> None:
        """A row that no database would take must not keep the others out."""
        if len(batch) == 1:
            self.lost += 1
            _log.error("A row of the request log cannot be written: %s", type(error).__name__)
            return
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            try:
                self._write(part)
            except _AWAY:
                self._rows.extendleft(reversed(part))
            except Exception as reason:
                self._without_the_bad(part, reason)

    def _note_failure(self, error: SQLAlchemyError) -> None:
        if not self._failing:
            _log.warning("The request log cannot be written, rows wait in memory: %s", error)
        self._failing = True


def _insert(engine: Engine) -> str:
    mark = "?" if engine.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(COLUMNS))
    return (
        f"INSERT INTO request_logs ({', '.join(COLUMNS)}) VALUES ({marks}) "
        "ON CONFLICT (request_id) DO NOTHING"
    )
