"""What all workers must see at once: counters, and the sequence of changes to clients.

One small interface over the shared file. When the file cannot be used (a full disk, a lock that
stays), calls go on: this worker counts by itself, and `degraded` says so.
"""

import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.store.counters import Limit, MemoryCounters, SqliteCounters, Taken

CLIENTS = "clients"
_RETRY_AFTER = 5.0
_log = logging.getLogger(__name__)


class Shared:
    """The shared state of one box, in an SQLite file of its own."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteCounters(path)
        self._local = MemoryCounters()
        self._retry_at = 0.0
        self.degraded: str | None = None

    def take(self, limits: Sequence[Limit]) -> Taken:
        """Counts one call against all its limits, or against none of them."""
        if self.degraded and time.monotonic() < self._retry_at:
            return self._local.take(limits)
        try:
            taken = self._file.take(limits)
        except sqlite3.Error as error:
            self._degrade(error)
            return self._local.take(limits)
        self.degraded = None
        return taken

    def bump(self) -> None:
        """Tells every worker that a client has changed.

        Where it cannot, the change is done all the same, and `degraded` says what is amiss.
        """
        try:
            self._file.mark(CLIENTS)
        except sqlite3.Error as error:
            self._degrade(error)

    def sequence(self) -> int:
        """A number that differs after each change. Raises sqlite3.Error if it cannot be read."""
        return self._file.marked(CLIENTS)

    def prune(self) -> None:
        """Takes out counters of the past."""
        try:
            self._file.prune()
        except sqlite3.Error as error:
            self._degrade(error)

    def close(self) -> None:
        self._file.close()

    def _degrade(self, error: sqlite3.Error) -> None:
        if self.degraded is None:
            _log.warning("The shared counters cannot be used, counting in this worker: %s", error)
        self.degraded = f"counters: {error}"
        self._retry_at = time.monotonic() + _RETRY_AFTER
