"""How the database is opened: its address, its pool, and how its failures are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    TimeoutError,
)

from gateway.config import Settings
from gateway.errors import Unavailable
from gateway.store import sqlite


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


def reason(error: Exception) -> str:
    """The driver's first line: SQLAlchemy's own text repeats the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
