"""The database's schema: which revision it is at, and the way to the newest.

`gunicorn`'s master asks `is_current`, so this file loads SQLAlchemy and Alembic only on the way.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from gateway.config import ROOT, Settings
from gateway.store.sqlite import sqlite_path

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

FOLDER = ROOT / "migrations"
SQLITE_WAIT_SECONDS = 30.0
ADVISORY_LOCK = 0x6169_6777  # any number that is the gateway's own


class MigrationFailed(Exception):
    """Says why the database was left as it was, and what to do."""


def is_current(settings: Settings) -> bool:
    """Whether an SQLite database is at the newest revision and its first rows are there.

    For other databases the answer is no, since to ask them takes more than the standard library.
    """
    path = sqlite_path(settings)
    if path is None:
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "SELECT version_num FROM alembic_version WHERE EXISTS (SELECT 1 FROM admins)"
            ).fetchone()
    except sqlite3.Error:
        return False
    return found is not None and found[0] == head()


def head() -> str:
    """The newest revision in migrations/versions."""
    revisions = _revisions()
    (newest,) = revisions.keys() - set(revisions.values())
    return newest


@contextmanager
def migration_engine(settings: Settings) -> "Iterator[Engine]":
    """Unlike elsewhere, what SQLite does here is whole or undone, and waits its turn."""
    from sqlalchemy import NullPool, create_engine, event

    from gateway.store.engine import database_url, engine_options

    options = engine_options(settings)
    options.pop("pool_timeout", None)
    engine = create_engine(database_url(settings), **{**options, "poolclass": NullPool})
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _begin_explicitly)
        event.listen(
            engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
        )
    try:
        yield engine
    finally:
        engine.dispose()


def upgrade(connection: "Connection") -> None:
    """To the newest revision, within the connection's transaction; raises MigrationFailed."""
    found = _revision(connection)
    if found == head():
        return
    if found is not None and found not in _revisions():
        raise MigrationFailed(
            f"the database is of a newer version of the gateway (revision {found}, while this "
            f"version knows {head()}). Update the gateway, or restore a backup of the database."
        )
    _run_alembic(connection)


def _revisions() -> dict[str, str | None]:
    """Each revision, and the one before it. Alembic would tell, but takes 0.15 s to load."""
    files = [path.read_text() for path in (FOLDER / "versions").glob("*.py")]
    return dict(map(_names, files))


def _names(file: str) -> tuple[str, str | None]:
    revision = re.search(r'^revision\b.*= "(\w+)"', file, re.MULTILINE)
    before = re.search(r'^down_revision\b.*= "(\w+)"', file, re.MULTILINE)
    return revision[1] if revision else "", before[1] if before else None


def _begin_explicitly(connection: sqlite3.Connection, record: object) -> None:
    """sqlite3 begins no transaction before DDL by itself, and foreign keys would hinder it."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = OFF").close()
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_WAIT_SECONDS * 1000:.0f}").close()


def _revision(connection: "Connection") -> str | None:
    """After this, no other process changes the schema until the transaction ends."""
    from sqlalchemy import inspect, text

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _run_alembic(connection: "Connection") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(FOLDER / "alembic.ini")
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
