"""Rows that wait in a file: none is lost, none is doubled, whatever ends in between."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from gateway.config import Settings
from gateway.store.ledger import Ledger
from gateway.store.log_pages import find_request
from gateway.store.models import LOG_COLUMNS
from gateway.store.spool import Body, Entry, Spool, SpoolFile
from tests.postgres import allow_connections
from tests.store.log_rows import row
from tests.store.test_rollups import expected, stored, stored_ids

Make = Callable[..., Ledger]


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data_dir / "spool"


@pytest.fixture
def make(engine: Engine, settings: Settings, folder: Path) -> Make:
    """A ledger that keeps 20 rows in memory and writes 10 at once."""

    def make(**values: Any) -> Ledger:
        few = {"memory_rows": 20, "batch_rows": 10, **values}
        return Ledger(engine, settings.logging.model_copy(update=few), folder)

    return make


class Away:
    """The database, put away and brought back."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._lock: Any = None

    def begin(self) -> None:
        if self._settings.database.url:
            self._engine.dispose()
            allow_connections(self._settings.database.url, "false")
        else:
            self._lock = self._engine.connect()
            self._lock.exec_driver_sql("BEGIN EXCLUSIVE")

    def end(self) -> None:
        if self._settings.database.url:
            allow_connections(self._settings.database.url, "true")
        elif self._lock is not None:
            self._lock.close()
        self._lock = None


@pytest.fixture
def away(engine: Engine, settings: Settings) -> Iterator[Away]:
    away = Away(engine, settings)
    away.begin()
    yield away
    away.end()


def fill(ledger: Ledger, numbers: range) -> list[str]:
    for number in numbers:
        body = Body("question", "answer", "full") if number % 7 == 0 else None
        cost = Decimal(number).scaleb(-12)
        ledger.add(row(f"r{number}", input_tokens=number, cost_usd=cost), body)
    return sorted(f"r{number}" for number in numbers)


def test_what_memory_cannot_hold_waits_in_a_file(
    engine: Engine, make: Make, away: Away, folder: Path
) -> None:
    ledger = make()
    names = fill(ledger, range(100))
    assert not ledger.flush()
    assert ledger.waiting <= 20 and ledger.lost == 0 and ledger.spooled_bytes > 0
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    away.end()
    names = sorted([*names, *fill(ledger, range(100, 130))])
    assert ledger.flush()
    assert stored_ids(engine) == names
    assert stored(engine) == expected(engine)
    assert (ledger.waiting, ledger.lost, ledger.spooled_bytes) == (0, 0, 0)
    assert list(folder.iterdir()) == []
    found = find_request(engine, "r7")
    assert found is not None
    assert (found["question"], found["answer"], found["kept"]) == ("question", "answer", "full")
    assert found["cost_usd"] == Decimal("0.000000000007")


def test_an_end_leaves_the_rest_to_the_next_start(
    engine: Engine, make: Make, away: Away, folder: Path
) -> None:
    ledger = make()
    names = fill(ledger, range(45))
    ledger.close()
    away.end()
    assert stored_ids(engine) == []
    again = make()
    again.adopt()
    assert again.flush()
    assert stored_ids(engine) == names
    assert stored(engine) == expected(engine)
    assert list(folder.iterdir()) == []


def spoilt(make: Make, away: Away, folder: Path) -> tuple[Ledger, Path]:
    """A ledger whose spool, read to its end, cannot be taken out; and what stands in its way."""
    ledger = make()
    fill(ledger, range(100))
    away.end()
    (file,) = folder.iterdir()
    file.unlink()
    file.mkdir()
    return ledger, file


def test_a_spool_that_cannot_be_used_keeps_no_newer_row_out(
    engine: Engine, make: Make, away: Away, folder: Path
) -> None:
    ledger, file = spoilt(make, away, folder)
    assert not ledger.flush()
    names = fill(ledger, range(100, 105))
    assert not ledger.flush()
    assert ledger.failing
    assert ledger.waiting == 0 and set(names) <= set(stored_ids(engine))
    file.rmdir()
    assert ledger.flush()
    assert not ledger.failing
    assert stored_ids(engine) == sorted(f"r{number}" for number in range(105))


def test_an_end_outlives_a_spool_that_cannot_be_taken_out(
    make: Make, away: Away, folder: Path
) -> None:
    ledger, _ = spoilt(make, away, folder)
    ledger.close()
    assert ledger.waiting == 0


def test_a_file_that_is_read_twice_is_written_once(
    engine: Engine, make: Make, away: Away, folder: Path
) -> None:
    """The process was killed after the commit, and before it took the file out."""
    ledger = make()
    names = fill(ledger, range(45))
    ledger.close()
    away.end()
    (file,) = folder.iterdir()
    kept = file.read_bytes()
    for _ in range(2):
        file.write_bytes(kept)
        ledger = make()
        ledger.adopt()
        assert ledger.flush()
        assert stored_ids(engine) == names
        assert stored(engine) == expected(engine)


def test_a_full_spool_loses_the_oldest(engine: Engine, make: Make, away: Away) -> None:
    ledger = make(spool_mb=0)
    fill(ledger, range(50))
    assert (ledger.waiting, ledger.lost) == (20, 30)
    away.end()
    assert ledger.flush()
    assert stored_ids(engine) == sorted(f"r{number}" for number in range(30, 50))


def test_a_row_in_the_spool_that_no_database_takes_keeps_no_other_out(
    engine: Engine, make: Make, away: Away
) -> None:
    ledger = make()
    ledger.add(row("bad", status=None))
    ledger.add(row("worse", error_message="\ud800"))
    names = fill(ledger, range(45))
    away.end()
    assert ledger.flush()
    assert stored_ids(engine) == names
    assert stored(engine) == expected(engine)


class TestAFile:
    def test_is_not_taken_from_the_living(self, tmp_path: Path) -> None:
        mine, others = Spool(tmp_path, 10_000), Spool(tmp_path, 10_000)
        assert mine.put([Entry(row("r1"))])
        others.adopt()
        assert others.next() is None
        mine.close()
        others.adopt()
        found = others.next()
        assert found is not None
        assert [entry.row for entry in found.take(5)] == [row("r1")]
        assert others.next() is None
        assert list(tmp_path.iterdir()) == []

    def test_gives_again_what_was_given_back(self, tmp_path: Path) -> None:
        file = SpoolFile(tmp_path / "one.jsonl")
        assert file.put([Entry(row(f"r{number}")) for number in range(5)], 100_000)
        taken = file.take(2)
        file.give_back(taken)
        assert file.take(2) == taken
        assert [entry.row[0] for entry in file.take(9)] == ["r2", "r3", "r4"]
        assert not file
        assert file.put([Entry(row("r5"))], 100_000)
        assert [entry.row[0] for entry in file.take(9)] == ["r5"]
        file.remove()

    def test_whose_last_line_is_half_written_gives_the_others(self, tmp_path: Path) -> None:
        path = tmp_path / "one.jsonl"
        file = SpoolFile(path)
        assert file.put([Entry(row("r1")), Entry(row("r2"))], 100_000)
        file.close()
        path.write_bytes(path.read_bytes()[:-30])
        file = SpoolFile(path)
        assert [entry.row[0] for entry in file.take(9)] == ["r1"]
        assert not file
        file.remove()

    def test_of_another_version_is_read_by_the_names_of_its_columns(self, tmp_path: Path) -> None:
        names = [*reversed(LOG_COLUMNS[:-1]), "a_column_of_old"]
        values = [f"<{name}>" for name in names]
        path = tmp_path / "one.jsonl"
        path.write_bytes(orjson.dumps(names) + b"\n" + orjson.dumps([*values, None]) + b"\n")
        file = SpoolFile(path)
        (entry,) = file.take(9)
        assert entry.row == [*(f"<{name}>" for name in LOG_COLUMNS[:-1]), None]
        file.remove()

    @pytest.mark.parametrize("content", [b"", b"\n", b"nonsense\nmore\n", b"{}\n[]\n", b"\xff"])
    def test_that_is_none_is_taken_out(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "one.jsonl").write_bytes(content)
        spool = Spool(tmp_path, 10_000)
        spool.adopt()
        while (file := spool.next()) is not None:
            assert file.take(9) == []
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_what_memory_cannot_hold(
    make: Make, away: Away, folder: Path
) -> None:
    folder.write_text("a file")
    ledger = make()
    fill(ledger, range(25))
    assert (ledger.waiting, ledger.lost) == (20, 5)
