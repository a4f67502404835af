"""How the database is opened, and what it keeps of moments, money and ids."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gateway.config import ROOT, load
from gateway.errors import Unavailable
from gateway.store.client_book import ClientBook
from gateway.store.engine import database_answers, database_url, engine_options, reason
from gateway.store.models import ClientKey
from tests.store.conftest import on_sqlite


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 1), ("busy_timeout", 250), ("foreign_keys", 1)],
)
@on_sqlite
def test_each_sqlite_connection_is_told(engine: Engine, pragma: str, value: object) -> None:
    with engine.connect() as one, engine.connect() as another:
        told = [connection.scalar(text(f"PRAGMA {pragma}")) for connection in (one, another)]
    assert told == [value, value]


def test_a_relative_sqlite_path_is_below_the_project() -> None:
    settings = load({"DATABASE_URL": "sqlite:///some/file.db"})
    assert database_url(settings).database == str(ROOT / "some/file.db")


def test_postgresql_is_not_waited_for_long() -> None:
    settings = load({"DATABASE_URL": "postgres://user:secret@host/name"})
    assert database_url(settings).drivername == "postgresql+psycopg"
    assert engine_options(settings)["connect_args"] == {"connect_timeout": 3}


def test_a_moment_comes_back_as_utc(book: ClientBook) -> None:
    moment = datetime(2030, 6, 1, 14, 30, 0, 5000, timezone(timedelta(hours=2)))
    row, _ = book.create({"name": "shop", "expires_at": moment.isoformat()})
    found = book.get(row.id).expires_at
    assert found == moment and found.tzinfo == UTC


@pytest.mark.parametrize("amount", ["0", "0.1", "0.000001", "8999999.999999"])
def test_money_stays_exact(book: ClientBook, amount: str) -> None:
    row, _ = book.create({"name": "shop", "budget_usd_day": amount})
    assert book.get(row.id).budget_usd_day == Decimal(amount)


def test_an_id_is_never_given_twice(book: ClientBook) -> None:
    first, _ = book.create({"name": "first"})
    book.delete(first.id)
    second, _ = book.create({"name": "second"})
    assert second.id > first.id


def test_a_key_belongs_to_a_client(engine: Engine) -> None:
    with pytest.raises(IntegrityError), Session(engine) as session, session.begin():
        session.add(ClientKey(key_hash="0" * 64, client_id=77, hint="gm_"))


def test_a_failure_is_told_without_the_statement_and_its_values(engine: Engine) -> None:
    with pytest.raises(Unavailable) as failure, database_answers(), engine.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": "secret"})
    words = {
        "sqlite": "no such table: nowhere",
        "postgresql": 'relation "nowhere" does not exist',
    }
    told = words[engine.dialect.name]
    assert failure.value.message == f"The database cannot be used: {told}."


def test_a_failure_without_words_is_told_by_its_name() -> None:
    assert reason(OSError()) == "OSError"


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    from gateway.store.engine import open_engine

    engine = open_engine(load({"GATEWAY_DATA_DIR": str(tmp_path / "away")}))
    with pytest.raises(Unavailable, match="unable to open database file"), database_answers():
        engine.connect()
