"""What is Redis' own: it may be away, answer late, or be told twice."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store.counter_redis import RedisCounters
from gateway.store.counters import DAY, Charge, Limit, Settled, StoreAway
from gateway.store.redis_client import TIMEOUT, connected
from gateway.store.shared import Shared
from tests.redis_server import RedisServer
from tests.running import ROOT

OWNER = 7
LIMIT = Limit("tokens", 100, DAY)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def counters(server: RedisServer) -> Iterator[RedisCounters]:
    counters = RedisCounters(server.url)
    yield counters
    counters.close()


def standing(counters: RedisCounters) -> tuple[int, int]:
    (state,) = counters.look(OWNER, [LIMIT]).states
    return state.used, state.reserved


def test_an_end_that_is_told_twice_counts_once(counters: RedisCounters) -> None:
    hold = counters.reserve(OWNER, [Charge(LIMIT, 60)]).hold
    for _ in range(2):
        counters.settle(OWNER, hold, [Settled(LIMIT, 60, 25)])
    assert standing(counters) == (25, 0)


@pytest.mark.parametrize(("owner", "kept"), [(-3, DAY), (OWNER, 63 * DAY)])
def test_a_strangers_sheet_expires_after_a_day(
    counters: RedisCounters, server: RedisServer, owner: int, kept: int
) -> None:
    with closing(connected(server.url, TIMEOUT)) as redis:
        for change in (
            lambda: counters.reserve(owner, [Charge(LIMIT, 1, held=False)]),
            lambda: counters.settle(owner, None, [Settled(LIMIT, 0, -1)]),
        ):
            change()
            assert kept - 60 < redis.ttl(f"ai-gateway:sheet:{owner}") <= kept


def test_it_is_away_without_its_address_being_told(
    counters: RedisCounters, server: RedisServer
) -> None:
    server.stop()
    with pytest.raises(StoreAway) as caught:
        counters.look(OWNER, [LIMIT])
    assert str(caught.value) == "Redis: ConnectionError"
    server.start()
    assert standing(counters) == (0, 0)


def test_what_it_reserved_too_late_is_cancelled(
    counters: RedisCounters, server: RedisServer
) -> None:
    counters.reserve(OWNER + 1, [Charge(LIMIT, 60)])  # so that the server knows the script
    server.pause()
    with pytest.raises(StoreAway, match="Timeout"):
        counters.reserve(OWNER, [Charge(LIMIT, 60)])
    server.resume()
    other = RedisCounters(server.url)
    try:
        deadline = time.monotonic() + 10
        while standing(other) != (60, 60):
            assert time.monotonic() < deadline, standing(other)
        counters.beat()
        assert standing(other) == (0, 0)
    finally:
        other.close()


def test_a_worker_goes_on_by_itself_and_catches_up(server: RedisServer) -> None:
    shared = Shared(RedisCounters(server.url))
    try:
        hold = shared.reserve(OWNER, [Charge(LIMIT, 60)]).hold
        assert hold is not None
        server.stop()
        shared.settle(hold, [Settled(LIMIT, 60, 25)])
        assert shared.degraded == "counters: Redis: ConnectionError"
        meanwhile = shared.reserve(OWNER, [Charge(LIMIT, 10)]).hold
        assert meanwhile is not None
        shared.settle(meanwhile, [Settled(LIMIT, 10, 5)])
        server.start()
        shared.tend()
        assert shared.degraded is None
        (state,) = shared.look(OWNER, [LIMIT]).states
        assert (state.used, state.reserved) == (30, 0)
    finally:
        shared.close()


def test_amounts_of_money_are_exact(counters: RedisCounters) -> None:
    budget = Limit("budget", 2**53 - 1, DAY)
    hold = counters.reserve(OWNER, [Charge(budget, 2**52 + 1)]).hold
    counters.settle(OWNER, hold, [Settled(budget, 2**52 + 1, 2**52 - 1)])
    (state,) = counters.look(OWNER, [budget]).states
    assert (state.used, state.reserved) == (2**52 - 1, 0)


def test_an_answer_that_came_in_time_is_not_late(server: RedisServer) -> None:
    """Whatever else the worker did meanwhile."""
    script = """
from gevent import monkey; monkey.patch_all()
import sys, time, gevent
from gateway.store.counter_redis import RedisCounters
counters = RedisCounters(sys.argv[1])
counters.mark("x")  # and is connected
reading = gevent.spawn(counters.marked, "x")
gevent.sleep(0)
until = time.monotonic() + 0.5
while time.monotonic() < until: pass
print(reading.get())
"""
    run = [sys.executable, "-c", script, server.url]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, check=False)
    assert (done.stdout.decode().strip(), done.stderr) == ("1", b"")


@pytest.mark.parametrize(("url", "loaded"), [("", "False"), ("redis://127.0.0.1:1/0", "True")])
def test_its_client_is_loaded_only_where_there_is_one(
    tmp_path: Path, url: str, loaded: str
) -> None:
    script = "import sys, app; app.create_app(); print('redis' in sys.modules)"
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(tmp_path), "REDIS_URL": url}
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout.decode().strip() == loaded
