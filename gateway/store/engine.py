"""How the database is opened: its address, its pool, and how its failures are told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    TimeoutError,
)

from gateway.config import Settings
from gateway.errors import Unavailable
from gateway.store import sqlite

_LOCK_TRY = 0.005


def database_url(settings: Settings) -> URL:
    """The address with an absolute path: Flask-SQLAlchemy and Alembic read relative ones apart."""
    path = sqlite.sqlite_path(settings)
    return (
        make_url(settings.database_url)
        if path is None
        else URL.create("sqlite", database=str(path))
    )


def engine_options(settings: Settings) -> dict[str, Any]:
    """What `create_engine`, or SQLALCHEMY_ENGINE_OPTIONS, takes beside the address."""
    if sqlite.sqlite_path(settings) is not None:
        return {"connect_args": {"timeout": sqlite.BUSY_SECONDS, "factory": sqlite.Connection}}
    return {"pool_pre_ping": True, "pool_timeout": 5, "connect_args": {"connect_timeout": 3}}


def open_engine(settings: Settings) -> Engine:
    return create_engine(database_url(settings), **engine_options(settings))


@contextmanager
def database_answers() -> Iterator[None]:
    """Raises Unavailable where the database cannot be used; its words hold no values."""
    try:
        yield
    except (OperationalError, InterfaceError, ProgrammingError, TimeoutError) as error:
        raise Unavailable(f"The database cannot be used: {reason(error)}.") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, committed at its end; SQLite's lock is had from its beginning."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            _lock(connection)
        yield connection
        connection.commit()


def _lock(connection: Connection) -> None:
    """Waits for its turn without SQLite's own wait, which would stop the whole worker."""
    deadline = time.monotonic() + sqlite.BUSY_SECONDS
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_LOCK_TRY)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {sqlite.BUSY_SECONDS * 1000:.0f}")


def reason(error: Exception) -> str:
    """The driver's first line: SQLAlchemy's own text repeats the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
