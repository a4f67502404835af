"""What is too old is taken out, and nothing else; only one worker at a time does it."""

import fcntl

import pytest
from sqlalchemy import Engine, text

from gateway.config import Settings
from gateway.store.ledger import Ledger
from gateway.store.retention import prune
from gateway.store.spool import Body
from tests.store.log_rows import row
from tests.store.test_rollups import stored, stored_ids

DAY = 24 * 3600
NOW = 1_800_000_000


@pytest.fixture
def filled(engine: Engine, settings: Settings) -> None:
    """Two rows an hour of the last 300 hours, with their bodies."""
    ledger = Ledger(engine, settings.logging)
    for number in range(600):
        moment = (NOW - number * 1800) * 1000
        body = Body("?", "!", "full")
        ledger.add(row(f"r{number:03}", started_at=moment, client_id=number % 3), body)
    assert ledger.flush()


def bodies(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT request_id FROM request_bodies ORDER BY 1"))
        return [one for (one,) in found]


def grains(engine: Engine) -> dict[str, int]:
    counts = {"m": 0, "h": 0, "d": 0}
    for grain, scope, *_ in stored(engine):
        counts[grain] += scope == "all"
    return counts


@pytest.mark.usefixtures("filled")
def test_rows_and_bodies_go_after_their_days(engine: Engine, settings: Settings) -> None:
    before = grains(engine)
    prune(engine, 5, settings.data_dir, now=NOW, pause=0)
    kept = [f"r{number:03}" for number in range(5 * 48 + 1)]
    assert stored_ids(engine) == bodies(engine) == kept
    # Of minutes, those of the last 48 hours; hours and days stay for ever.
    assert grains(engine) == {**before, "m": 2 * 48 + 1}
    assert prune(engine, 5, settings.data_dir, now=NOW, pause=0) == 0


@pytest.mark.usefixtures("filled")
def test_without_a_number_of_days_they_stay(engine: Engine, settings: Settings) -> None:
    prune(engine, None, settings.data_dir, now=NOW + 1000 * DAY, pause=0)
    assert len(stored_ids(engine)) == len(bodies(engine)) == 600
    assert grains(engine)["m"] == 0


@pytest.mark.usefixtures("filled")
def test_one_worker_at_a_time(engine: Engine, settings: Settings) -> None:
    with open(settings.data_dir / "prune.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert prune(engine, 1, settings.data_dir, now=NOW, pause=0) == 0
    assert prune(engine, 1, settings.data_dir, now=NOW, pause=0) > 0
