"""How the database is opened: its address, its pool, and how its failures are told."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError, TimeoutError

from gateway.config import ROOT, Settings
from gateway.errors import Unavailable

SQLITE_BUSY_SECONDS = 0.25  # the wait holds up every call of its worker, so it is short


def database_url(settings: Settings) -> URL:
    """The address with an absolute path: Flask-SQLAlchemy and Alembic read relative ones apart."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return url.set(database=str(ROOT / (url.database or "")))
    return url


def engine_options(settings: Settings) -> dict[str, Any]:
    """What `create_engine`, or SQLALCHEMY_ENGINE_OPTIONS, takes beside the address."""
    if database_url(settings).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": SQLITE_BUSY_SECONDS, "factory": SqliteConnection}}
    return {"pool_pre_ping": True, "pool_timeout": 5, "connect_args": {"connect_timeout": 3}}


def open_engine(settings: Settings) -> Engine:
    return create_engine(database_url(settings), **engine_options(settings))


class SqliteConnection(sqlite3.Connection):
    """With WAL, readers and the one writer do not wait for each other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA journal_mode = WAL").close()
        self.execute("PRAGMA synchronous = NORMAL").close()
        self.execute("PRAGMA foreign_keys = ON").close()


@contextmanager
def database_answers() -> Iterator[None]:
    """Raises Unavailable where the database cannot be used; its words hold no values."""
    try:
        yield
    except (OperationalError, InterfaceError, ProgrammingError, TimeoutError) as error:
        raise Unavailable(f"The database cannot be used: {reason(error)}.") from error


def reason(error: Exception) -> str:
    """The driver's first line: SQLAlchemy's own text repeats the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
