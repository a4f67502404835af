"""The log of requests: rows are taken at once, and written in batches off the requests' way."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import gevent
from gevent.event import Event
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from gateway.config import Logging
from gateway.store.engine import reason
from gateway.store.log_writer import LogWriter, Row
from gateway.store.models import LOG_COLUMNS
from gateway.store.spool import Body, Entry, Spool

COLUMNS = LOG_COLUMNS
_REQUEST_ID = LOG_COLUMNS.index("request_id")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_ADOPT_EVERY = 30.0
_SPOOL_AGAIN_AFTER = 5.0
_MOST_BODY_BYTES = 32 << 20
# A row's own fault; anything else is the database's, which may come to itself.
_BAD_ROW = (DataError, IntegrityError, ArithmeticError, TypeError, ValueError)
_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where entries wait: what was taken is either given back, or done with."""

    def take(self, count: int) -> list[Entry]: ...

    def give_back(self, entries: Sequence[Entry]) -> None: ...


class Memory:
    """Entries in the order of their arrival."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self.body_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        self._entries.append(entry)
        if entry.body is not None:
            self.body_bytes += entry.body.size

    def row_of(self, request_id: str) -> Row | None:
        rows = (entry.row for entry in reversed(self._entries))
        return next((row for row in rows if row[_REQUEST_ID] == request_id), None)

    def take(self, count: int) -> list[Entry]:
        taken = [self._entries.popleft() for _ in range(min(count, len(self._entries)))]
        self.body_bytes -= sum(entry.body.size for entry in taken if entry.body)
        return taken

    def give_back(self, entries: Sequence[Entry]) -> None:
        self._entries.extendleft(reversed(entries))
        self.body_bytes += sum(entry.body.size for entry in entries if entry.body)


class Ledger:
    """Rows wait in memory for at most `batch_ms` or until there are `batch_rows`.

    While the database is away they go on waiting, up to `memory_rows`, then in a file of at most
    `spool_mb`; `waiting` and `lost` tell how many. A row is written once, whatever happens: its
    request id is unique.
    """

    def __init__(self, engine: Engine, settings: Logging, folder: Path | None = None) -> None:
        self._engine = engine
        self._settings = settings
        self._memory = Memory()
        self._spool = Spool(folder, settings.spool_mb << 20) if folder else None
        self._wake = Event()
        self._writer = LogWriter(engine)
        self._failing = False
        self._alone = 0
        self._spool_again_at = 0.0
        self._adopt_at = 0.0
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Rows in memory; those of the spool are not counted."""
        return len(self._memory)

    @property
    def spooled_bytes(self) -> int:
        return self._spool.bytes_waiting if self._spool else 0

    @property
    def failing(self) -> bool:
        """Whether the last batch could not be written, or the spool not be read."""
        return self._failing

    def waiting_row(self, request_id: str) -> Row | None:
        """The row of a call that is not yet written; the newest are looked at first."""
        return self._memory.row_of(request_id)

    def is_reachable(self) -> bool:
        """Whether the database answers now."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("SELECT id FROM request_logs LIMIT 1").first()
        except SQLAlchemyError:
            return False
        return True

    def add(self, row: Row, body: Body | None = None) -> None:
        """Takes a row, in the order of COLUMNS: JSON ones as text, the cost as a decimal."""
        memory = self._memory
        memory.put(Entry(row, body))
        if len(memory) > self._settings.memory_rows or memory.body_bytes > _MOST_BODY_BYTES:
            self._relieve()
        if len(memory) >= self._settings.batch_rows:
            self._wake.set()

    def run(self) -> None:
        """Writes for ever; a greenlet's work."""
        pause = _FIRST_PAUSE
        while True:
            self._wake.wait(self._settings.batch_ms / 1000)
            self._wake.clear()
            self.adopt()
            if self.flush():
                pause = _FIRST_PAUSE
            else:
                gevent.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def flush(self) -> bool:
        """Writes all rows that wait; False if there are some that could not be written."""
        try:
            is_read = self._write_spooled()
            while self._memory:
                self._write_from(self._memory)
        except Exception as error:
            self._note_failure(error)
            return False
        if self._failing and is_read:
            _log.warning("The request log can be written again; %d rows were lost", self.lost)
        self._failing = not is_read
        return is_read

    def close(self) -> None:
        """At the end of the process: what the database does not take is left to the next start."""
        if not self.flush() and self._spool:
            while waiting := self._memory.take(self._settings.batch_rows):
                if not self._spool.put(waiting):
                    self._memory.give_back(waiting)
                    break
        if self._memory:
            _log.error("%d rows of the request log could not be written", len(self._memory))
        if self._spool:
            self._spool.close()

    def _write_spooled(self) -> bool:
        """Writes what is older than the rows in memory; these need not wait for a spool that
        cannot be read.
        """
        try:
            while self._spool and (file := self._spool.next()):
                self._write_from(file)
        except OSError as error:
            self._note_failure(error)
            return False
        return True

    def _write_from(self, source: Source) -> None:
        batch = source.take(self._batch_size())
        try:
            if batch:
                self._writer.write(batch)
        except _BAD_ROW as error:
            self._set_apart(source, batch, error)
        except BaseException:
            # Not only when the database is away: at its end, the greenlet is stopped anywhere.
            source.give_back(batch)
            raise

    def _batch_size(self) -> int:
        if self._alone:
            self._alone -= 1
            return 1
        return self._settings.batch_rows

    def _relieve(self) -> None:
        """Room for one more: the oldest go into the spool, or else the oldest one is lost."""
        if self._spool and time.monotonic() >= self._spool_again_at:
            oldest = self._memory.take(self._settings.batch_rows)
            if self._spool.put(oldest):
                return
            self._memory.give_back(oldest)
            self._spool_again_at = time.monotonic() + _SPOOL_AGAIN_AFTER
        self._memory.take(1)
        self.lost += 1

    def adopt(self) -> None:
        if self._spool and time.monotonic() >= self._adopt_at:
            self._spool.adopt()
            self._adopt_at = time.monotonic() + _ADOPT_EVERY

    def _set_apart(self, source: Source, batch: list[Entry], error: Exception) -> None:
        """A row that no database would take must not keep the others out: each goes alone now."""
        if len(batch) > 1:
            source.give_back(batch)
            self._alone = len(batch)
            return
        self.lost += 1
        _log.error("A row of the request log cannot be written: %s", type(error).__name__)

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            _log.warning("The request log cannot be written, rows wait: %s", reason(error))
        self._failing = True
