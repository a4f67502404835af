"""SQLite: where its file is, and what each connection to it is told. Needs no SQLAlchemy."""

import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gateway.config import ROOT, Settings

BUSY_SECONDS = 0.25  # the wait holds up every call of its worker, so it is short
_BUSY_TRIES = 50


def sqlite_path(settings: Settings) -> Path | None:
    """The database's file, relative to the project; None if the database is another one."""
    if settings.database.url is None:
        return settings.data_dir / "gateway.db"
    scheme, _, path = settings.database.url.partition(":///")
    return ROOT / unquote(path.partition("?")[0]) if scheme == "sqlite" else None


class Connection(sqlite3.Connection):
    """With WAL, readers and the one writer do not wait for each other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA journal_mode = WAL").close()
        self.execute("PRAGMA synchronous = NORMAL").close()
        self.execute("PRAGMA foreign_keys = ON").close()


def begin(db: sqlite3.Connection) -> None:
    """Begins to write. A busy file is asked again after a short cooperative sleep: a wait inside
    SQLite would stop the whole worker.
    """
    for tries in range(_BUSY_TRIES):
        try:
            db.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or tries == _BUSY_TRIES - 1:
                raise
            time.sleep(0.001 * (tries + 1))
