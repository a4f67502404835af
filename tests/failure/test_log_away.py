"""The log's database locked, then full, under load: no call fails, no row is lost or doubled.

`make verify` runs it for as long as an operator would call an outage.
"""

import os
import resource
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.failure.caller import Caller, request
from tests.running import Running

LONG = bool(os.environ.get("GATEWAY_TESTS_LONG"))
LOCKED_SECONDS, FULL_SECONDS = (30, 10) if LONG else (3, 2)
CALLS_PER_SECOND = 100 if LONG else 40
CONNECTIONS = 4
FAST = {"demo": {"tokens_per_second": 0}}
# Few enough in memory that the spool is needed, too.
SPOOLING = {**FAST, "logging": {"memory_rows": 60, "batch_rows": 20}}


class Load:
    """Calls at a steady pace until it ends; `ids` are those that were answered."""

    def __init__(self, gateway: Running, key: str) -> None:
        self._gateway, self._key = gateway, key
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CONNECTIONS)]
        self.ids: list[str] = []
        self.failed: list[object] = []

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        pause = CONNECTIONS / CALLS_PER_SECOND
        with Caller(self._gateway) as caller:
            while not self._over.wait(pause):
                try:
                    caller.send(request(self._key))
                    answer = caller.answer()
                except OSError as error:
                    self.failed.append(error)
                    return
                if answer.status == 200:
                    self.ids.append(answer.headers["x-request-id"])
                else:
                    self.failed.append((answer.status, answer.body))


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path, FAST) as running:
        yield running


@pytest.fixture
def spooling(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path, SPOOLING) as running:
        yield running


@contextmanager
def locked(gateway: Running) -> Iterator[None]:
    with closing(sqlite3.connect(gateway.data / "gateway.db", isolation_level=None)) as lock:
        lock.execute("PRAGMA busy_timeout = 10000")
        lock.execute("BEGIN EXCLUSIVE")
        yield
        lock.execute("ROLLBACK")


@contextmanager
def full(gateway: Running) -> Iterator[None]:
    """No file of the gateway may grow beyond 4 kB, as if the disk were full."""
    (pid,) = gateway.worker_pids()
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def degraded(gateway: Running) -> list[str]:
    reasons: list[str] = gateway.call("GET", "/health/ready").json["degraded"]
    return reasons


def test_a_log_that_is_locked_then_full_costs_nothing(gateway: Running) -> None:
    made = gateway.new_client(model_aliases={"*": "demo"})
    with Load(gateway, made["api_key"]) as load:
        time.sleep(0.5)
        with locked(gateway):
            time.sleep(LOCKED_SECONDS)
            assert degraded(gateway) != []
        gateway.wait_until(lambda: degraded(gateway) == [], "the lock to be forgotten")
        with full(gateway):
            time.sleep(FULL_SECONDS)
            assert degraded(gateway) != []
        gateway.wait_until(lambda: degraded(gateway) == [], "the full disk to be forgotten")
    assert len(load.ids) > (LOCKED_SECONDS + FULL_SECONDS) * 5
    assert_all_is_there(gateway, load)


def test_more_than_memory_holds_waits_in_the_spool(spooling: Running) -> None:
    made = spooling.new_client(model_aliases={"*": "demo"})
    with Load(spooling, made["api_key"]) as load:
        with locked(spooling):
            spooling.wait_until(lambda: len(load.ids) > 150, "more calls than memory holds")
            assert list((spooling.data / "spool").iterdir()) != []
            assert "in the spool" in str(degraded(spooling))
        spooling.wait_until(lambda: degraded(spooling) == [], "the lock to be forgotten")
    assert_all_is_there(spooling, load)
    assert list((spooling.data / "spool").iterdir()) == []


def assert_all_is_there(gateway: Running, load: Load) -> None:
    assert load.failed == []
    rows = gateway.rows(len(load.ids))
    assert sorted(row["request_id"] for row in rows) == sorted(load.ids)
    assert rolled_up(gateway) == len(load.ids)


def test_an_end_while_it_is_locked_leaves_the_rows_to_the_next_start(gateway: Running) -> None:
    made = gateway.new_client(model_aliases={"*": "demo"})
    with locked(gateway):
        with Load(gateway, made["api_key"]) as load:
            time.sleep(1)
        assert gateway.stop() == 0
    assert gateway.rows() == []
    gateway.start()
    assert_all_is_there(gateway, load)


def rolled_up(gateway: Running) -> int:
    query = "SELECT sum(requests) FROM rollups WHERE grain = 'd' AND scope = 'all'"
    with closing(sqlite3.connect(gateway.data / "gateway.db")) as database:
        return int(database.execute(query).fetchone()[0])
