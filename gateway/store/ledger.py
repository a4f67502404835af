"""The log of requests: rows are taken at once, and written in batches off the requests' way."""

import logging
from collections import deque

import gevent
from gevent.event import Event
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from gateway.config import Logging
from gateway.store.engine import reason
from gateway.store.log_writer import LogWriter, Row
from gateway.store.models import LOG_COLUMNS

COLUMNS = LOG_COLUMNS
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
# A row's own fault; anything else is the database's, which may come to itself.
_BAD_ROW = (DataError, IntegrityError, ArithmeticError, TypeError, ValueError)
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
        self._writer = LogWriter(engine)
        self._failing = False
        self._alone = 0
        self.lost = 0

    @property
    def waiting(self) -> int:
        return len(self._rows)

    @property
    def failing(self) -> bool:
        """Whether the last batch could not be written."""
        return self._failing

    def waiting_row(self, request_id: str) -> Row | None:
        """The row of a call that is not yet written; the newest are looked at first."""
        place = LOG_COLUMNS.index("request_id")
        return next((row for row in reversed(self._rows) if row[place] == request_id), None)

    def is_reachable(self) -> bool:
        """Whether the database answers now."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("SELECT id FROM request_logs LIMIT 1").first()
        except SQLAlchemyError:
            return False
        return True

    def add(self, row: Row) -> None:
        """Takes a row, in the order of COLUMNS: JSON ones as text, the cost as a decimal."""
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
                self._writer.write(batch)
            except _BAD_ROW as error:
                self._set_apart(batch, error)
            except BaseException as error:
                # Not only when the database is away: at its end, the greenlet is stopped anywhere.
                self._rows.extendleft(reversed(batch))
                if not isinstance(error, Exception):
                    raise
                self._note_failure(error)
                return False
        if self._failing:
            _log.warning("The request log can be written again; %d rows were lost", self.lost)
        self._failing = False
        return True

    def _batch_size(self) -> int:
        if self._alone:
            self._alone -= 1
            return 1
        return min(len(self._rows), self._settings.batch_rows)

    def _set_apart(self, batch: list[Row], error: Exception) -> None:
        """A row that no database would take must not keep the others out: each goes alone now."""
        if len(batch) > 1:
            self._rows.extendleft(reversed(batch))
            self._alone = len(batch)
            return
        self.lost += 1
        _log.error("A row of the request log cannot be written: %s", type(error).__name__)

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            _log.warning(
                "The request log cannot be written, rows wait in memory: %s", reason(error)
            )
        self._failing = True
