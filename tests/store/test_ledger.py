"""The log's rows: each is written once, whatever happens in between."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gevent
import pytest
from sqlalchemy import Engine, event

from gateway.config import Settings
from gateway.store.ledger import Ledger
from tests.store.conftest import on_sqlite
from tests.store.log_rows import row


@pytest.fixture
def ledger(engine: Engine, settings: Settings) -> Ledger:
    return Ledger(engine, settings.logging)


@pytest.fixture
def lock(settings: Settings) -> Iterator[sqlite3.Connection]:
    """Keeps everybody else from writing until it is rolled back."""
    with closing(sqlite3.connect(settings.data_dir / "gateway.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield lock


def written(engine: Engine) -> list[str]:
    """The request ids of the log, in its order."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT request_id FROM request_logs ORDER BY id")
        return [str(one[0]) for one in rows]


def filled(ledger: Ledger, *request_ids: str) -> Ledger:
    for request_id in request_ids:
        ledger.add(row(request_id))
    return ledger


def test_rows_are_written_in_their_order(engine: Engine, ledger: Ledger) -> None:
    names = [f"r{number}" for number in range(1234)]  # more than one batch
    assert filled(ledger, *names).flush()
    assert written(engine) == names
    assert (ledger.waiting, ledger.lost, ledger.failing) == (0, 0, False)


def test_a_row_is_written_once(engine: Engine, ledger: Ledger) -> None:
    assert filled(ledger, "r1", "r2", "r1").flush()
    assert filled(ledger, "r2", "r3").flush()
    assert written(engine) == ["r1", "r2", "r3"]


@on_sqlite
def test_rows_wait_while_the_database_is_locked(
    engine: Engine, ledger: Ledger, lock: sqlite3.Connection
) -> None:
    assert not filled(ledger, "r1", "r2").flush()
    assert not filled(ledger, "r3").flush()
    assert (ledger.waiting, ledger.lost, ledger.failing) == (3, 0, True)
    lock.execute("ROLLBACK")
    assert ledger.flush()
    assert written(engine) == ["r1", "r2", "r3"]
    assert not ledger.failing


@on_sqlite
def test_a_failure_is_told_once_and_without_what_the_rows_hold(
    ledger: Ledger, lock: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("gateway.store.ledger")
    log.addHandler(caplog.handler)
    for _ in range(3):
        filled(ledger, "a-request-id").flush()
    lock.execute("ROLLBACK")
    ledger.flush()
    log.removeHandler(caplog.handler)
    told = [record.getMessage() for record in dict.fromkeys(caplog.records)]
    assert len(told) == 2
    assert "locked" in told[0] and "can be written again" in told[1]
    assert "a-request-id" not in "".join(told)


def test_memory_is_bounded_while_rows_wait(engine: Engine, settings: Settings) -> None:
    few = settings.logging.model_copy(update={"memory_rows": 3})
    ledger = Ledger(engine, few)
    filled(ledger, *(f"r{number}" for number in range(5)))
    assert (ledger.waiting, ledger.lost) == (3, 2)
    assert ledger.flush()
    assert written(engine) == ["r2", "r3", "r4"]


@pytest.mark.parametrize(
    "bad",
    [
        {"input_tokens": 10**30},
        {"status": None},
        {"error_message": "\ud800"},
    ],
)
def test_a_row_that_no_database_takes_keeps_no_other_out(
    engine: Engine, ledger: Ledger, bad: dict[str, Any]
) -> None:
    filled(ledger, "r1", "r2")
    ledger.add(row("bad", **bad))
    filled(ledger, "r3").flush()
    assert ledger.flush()
    assert written(engine) == ["r1", "r2", "r3"]
    assert (ledger.waiting, ledger.lost) == (0, 1)


@on_sqlite
def test_a_database_that_is_damaged_costs_no_row(
    engine: Engine, ledger: Ledger, settings: Settings
) -> None:
    engine.dispose()
    file = settings.data_dir / "gateway.db"
    good = file.read_bytes()
    file.write_bytes(b"no database" * 1000)
    assert not filled(ledger, "r1").flush()
    assert not ledger.is_reachable()
    assert (ledger.waiting, ledger.lost) == (1, 0)
    file.write_bytes(good)
    assert ledger.flush()
    assert ledger.is_reachable()
    assert written(engine) == ["r1"]


def test_a_writer_that_is_stopped_leaves_its_rows_to_the_last_flush(
    engine: Engine, ledger: Ledger
) -> None:
    @event.listens_for(engine, "before_cursor_execute", once=True)
    def wait_as_a_server_makes_it_wait(*_: Any) -> None:
        gevent.sleep(60)

    writer = gevent.spawn(filled(ledger, "r1", "r2").flush)
    gevent.sleep(0)
    assert ledger.waiting == 0
    writer.kill()
    assert ledger.flush()
    assert written(engine) == ["r1", "r2"]


def test_rows_are_written_at_once_when_there_are_many(engine: Engine, settings: Settings) -> None:
    slow = settings.logging.model_copy(update={"batch_ms": 60_000, "batch_rows": 3})
    ledger = Ledger(engine, slow)
    writer = gevent.spawn(ledger.run)
    gevent.sleep(0)
    filled(ledger, "r1", "r2")
    gevent.sleep(0.01)
    assert written(engine) == []
    filled(ledger, "r3")
    gevent.sleep(0.01)
    assert written(engine) == ["r1", "r2", "r3"]
    writer.kill()
