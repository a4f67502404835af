"""The shared state as a worker uses it: in a store with others, and alone while that is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.store.counter_file import SqliteCounters
from gateway.store.counters import DAY, MINUTE, Charge, Hold, Limit, Settled
from gateway.store.shared import Shared
from tests.store.test_counters import locked

OWNER = 7
CALLS = Limit("calls", 2, DAY)
TOKENS = Limit("tokens", 100, DAY)


def counted(shared: Shared, limit: Limit = CALLS) -> bool:
    return shared.reserve(OWNER, [Charge(limit, 1, held=False)]).refused is None


def held(shared: Shared, amount: int) -> Hold:
    hold = shared.reserve(OWNER, [Charge(TOKENS, amount)]).hold
    assert hold is not None
    return hold


def used(shared: Shared, limit: Limit = TOKENS) -> tuple[int, int]:
    (state,) = shared.look(OWNER, [limit]).states
    return state.used, state.reserved


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shared.db"


@pytest.fixture
def told() -> list[bool]:
    return []


@pytest.fixture
def shared(path: Path, told: list[bool]) -> Iterator[Shared]:
    shared = Shared(SqliteCounters(path), told.append)
    yield shared
    shared.close()


def test_it_counts_for_all(shared: Shared, path: Path) -> None:
    with closing(Shared(SqliteCounters(path))) as other:
        assert counted(shared)
        assert counted(other)
        assert not counted(shared)
    assert shared.degraded is None


def test_it_gives_back(shared: Shared) -> None:
    assert counted(shared)
    shared.give_back(OWNER, [CALLS])
    assert used(shared, CALLS) == (0, 0)


def test_it_counts_by_itself_while_the_file_is_locked(
    shared: Shared, path: Path, told: list[bool]
) -> None:
    with closing(locked(path)):
        assert [counted(shared) for _ in range(3)] == [True, True, False]
        assert shared.degraded is not None and "locked" in shared.degraded
        assert told == [True]


def test_strangers_that_it_counted_alone_are_forgotten_too(shared: Shared) -> None:
    yesterday = time.time() - DAY - 60
    shared._local.reserve(-3, [Charge(CALLS, 1, held=False)], now=yesterday)
    shared.prune()
    assert shared._local.prune() == 0


def test_it_is_well_again_once_the_file_is(shared: Shared, path: Path, told: list[bool]) -> None:
    with closing(locked(path)):
        counted(shared)
    shared.tend()
    assert shared.degraded is None
    assert told == [True, False]


def test_what_ended_meanwhile_is_settled_afterwards(shared: Shared, path: Path) -> None:
    hold = held(shared, 60)
    with closing(locked(path)):
        shared.settle(hold, [Settled(TOKENS, 60, 25)])
    shared.tend()
    shared.tend()
    assert used(shared) == (25, 0)


def test_what_was_counted_meanwhile_is_booked_afterwards(shared: Shared, path: Path) -> None:
    minute = Limit("minute", 10, MINUTE)
    with closing(locked(path)):
        assert counted(shared)
        assert counted(shared, minute)
        hold = held(shared, 60)
        shared.settle(hold, [Settled(TOKENS, 60, 25)])
        shared.give_back(OWNER, [CALLS])
        assert counted(shared)
    shared.tend()
    shared.tend()
    assert used(shared) == (25, 0)
    assert used(shared, CALLS) == (1, 0)
    assert used(shared, minute) == (0, 0)


def test_a_hold_that_was_made_meanwhile_ends_where_it_was_made(shared: Shared, path: Path) -> None:
    with closing(locked(path)):
        hold = held(shared, 60)
    shared.tend()
    shared.settle(hold, [Settled(TOKENS, 60, 25)])
    shared.tend()
    assert used(shared) == (25, 0)


def test_an_end_in_good_order_frees_at_once(path: Path) -> None:
    first = Shared(SqliteCounters(path))
    held(first, 60)
    first.close()
    with closing(Shared(SqliteCounters(path))) as second:
        second.tend()
        assert used(second) == (0, 0)


@pytest.mark.parametrize("call", [Shared.bump, Shared.sequence, Shared.prune, Shared.tend])
def test_it_can_be_asked_at_any_time(shared: Shared, call: Callable[[Shared], Any]) -> None:
    before = shared.sequence()
    call(shared)
    assert shared.sequence() == before + (call is Shared.bump)
