"""The contract of the counters, over every backend; and what the shared file bears."""

import math
import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.counters import DAY, Counters, Limit, MemoryCounters, SqliteCounters
from gateway.store.shared import Shared

NOON = 1_800_000_000.0 // DAY * DAY + DAY / 2
MINUTE, HOUR = 60, 3600
_names = count()


@pytest.fixture(params=["memory", "sqlite"])
def counters(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counters]:
    made = MemoryCounters() if request.param == "memory" else SqliteCounters(tmp_path / "counters")
    yield made
    made.close()


def limit(size: int, window: int = MINUTE, key: str = "") -> Limit:
    return Limit(key or f"limit {next(_names)}", size, window)


def taken(counters: Counters, limits: list[Limit], now: float) -> bool:
    return counters.take(limits, now).refused is None


class TestALimit:
    def test_lets_its_size_through_and_no_more(self, counters: Counters) -> None:
        limits = [limit(3)]
        assert [taken(counters, limits, NOON) for _ in range(5)] == [True] * 3 + [False] * 2

    def test_tells_where_it_stands(self, counters: Counters) -> None:
        limits = [limit(3)]
        states = [counters.take(limits, NOON + 15).states[0] for _ in range(4)]
        assert [state.used for state in states] == [1, 2, 3, 3]
        assert [state.remaining for state in states] == [2, 1, 0, 0]
        assert {state.resets_in for state in states} == {45.0}
        assert {state.limit for state in states} == set(limits)

    def test_names_the_one_that_refuses(self, counters: Counters) -> None:
        tight, wide = limit(1), limit(9)
        counters.take([wide, tight], NOON)
        refused = counters.take([wide, tight], NOON).refused
        assert refused is not None
        assert refused.limit == tight

    def test_names_the_one_that_is_longest_in_force(self, counters: Counters) -> None:
        hour, minute = limit(1, HOUR), limit(1, MINUTE)
        counters.take([hour, minute], NOON)
        refused = counters.take([minute, hour], NOON).refused
        assert refused is not None
        assert refused.limit == hour

    def test_that_refuses_costs_nothing_anywhere(self, counters: Counters) -> None:
        tight, wide = limit(1), limit(3)
        assert taken(counters, [tight, wide], NOON)
        assert not any(taken(counters, [tight, wide], NOON) for _ in range(10))
        assert [taken(counters, [wide], NOON) for _ in range(3)] == [True, True, False]

    def test_is_each_keys_own(self, counters: Counters) -> None:
        one, other = limit(1), limit(1)
        assert taken(counters, [one], NOON)
        assert taken(counters, [other], NOON)
        assert not taken(counters, [one], NOON)

    def test_that_shrinks_counts_what_was_used(self, counters: Counters) -> None:
        wide = limit(10)
        for _ in range(8):
            counters.take([wide], NOON)
        state = counters.take([Limit(wide.key, 4, MINUTE)], NOON).refused
        assert state is not None
        assert (state.used, state.remaining) == (8, 0)
        assert taken(counters, [wide], NOON)


class TestAWindow:
    def test_weighs_the_last_one_by_what_still_overlaps(self, counters: Counters) -> None:
        limits = [limit(10)]
        for _ in range(10):
            assert taken(counters, limits, NOON + 59)
        assert not taken(counters, limits, NOON + 60)
        # Half of the last window overlaps: five of its ten.
        assert [taken(counters, limits, NOON + 90) for _ in range(6)] == [True] * 5 + [False]

    def test_forgets_what_is_two_windows_past(self, counters: Counters) -> None:
        limits = [limit(1)]
        assert taken(counters, limits, NOON)
        assert taken(counters, limits, NOON + 2 * MINUTE)

    def test_of_a_day_begins_anew_at_midnight(self, counters: Counters) -> None:
        limits = [limit(2, DAY)]
        midnight = NOON + DAY / 2
        assert [taken(counters, limits, midnight - 1) for _ in range(3)] == [True, True, False]
        assert [taken(counters, limits, midnight) for _ in range(3)] == [True, True, False]

    def test_stands_for_itself_beside_others(self, counters: Counters) -> None:
        minute, hour = limit(1, MINUTE), limit(3, HOUR)
        results = [taken(counters, [minute, hour], NOON + 120 * n) for n in range(5)]
        assert results == [True, True, True, False, False]

    def test_is_not_confused_by_a_clock_that_goes_back(self, counters: Counters) -> None:
        limits = [limit(1)]
        assert taken(counters, limits, NOON + MINUTE)
        assert taken(counters, limits, NOON)
        assert not taken(counters, limits, NOON)


Steps = list[tuple[float, int]]
windows = st.sampled_from([MINUTE, HOUR, DAY])
sizes = st.integers(1, 12)
steps = st.lists(st.tuples(st.floats(0, 1.5), st.integers(1, 20)), min_size=1, max_size=12)
quickly = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def walk(counters: Counters, limits: list[Limit], steps: Steps) -> Iterator[tuple[float, bool]]:
    """Bursts of calls with pauses between, in parts of the longest window: when, and whether."""
    now = NOON
    for pause, calls in steps:
        now += pause * max(one.window for one in limits)
        for _ in range(calls):
            yield now, taken(counters, limits, now)


class TestWhateverComes:
    @quickly
    @given(size=sizes, window=windows, steps=steps)
    def test_no_clock_window_gets_more_than_the_limit(
        self, counters: Counters, size: int, window: int, steps: Steps
    ) -> None:
        let_through: dict[float, int] = {}
        for now, ok in walk(counters, [limit(size, window)], steps):
            let_through[now // window] = let_through.get(now // window, 0) + ok
        assert max(let_through.values()) <= size

    @quickly
    @given(size=sizes, window=windows, steps=steps)
    def test_one_more_fits_when_it_says_so(
        self, counters: Counters, size: int, window: int, steps: Steps
    ) -> None:
        now, limits = NOON, [limit(size, window)]
        for pause, calls in steps:
            now += pause * window
            for _ in range(calls):
                refused = counters.take(limits, now).refused
                if refused is not None:
                    assert 0 < refused.frees_in <= 2 * window
                    # Callers are told whole seconds.
                    now += max(1, math.ceil(refused.frees_in)) + 0.001
                    assert taken(counters, limits, now)

    @quickly
    @given(size=st.integers(2, 12), window=st.sampled_from([MINUTE, HOUR]), steps=steps)
    def test_none_fits_long_before_it_says_so(
        self, counters: Counters, size: int, window: int, steps: Steps
    ) -> None:
        now, limits = NOON, [limit(size, window)]
        for pause, calls in steps:
            now += pause * window
            for _ in range(calls):
                refused = counters.take(limits, now).refused
                if refused is not None:
                    early = now + refused.frees_in - 0.001
                    assert early <= now or not taken(counters, limits, early)
                    break

    @quickly
    @given(sizes=st.lists(sizes, min_size=1, max_size=3), steps=steps)
    def test_a_refused_call_changes_nothing(
        self, counters: Counters, sizes: list[int], steps: Steps
    ) -> None:
        limits = [
            limit(size, window) for size, window in zip(sizes, (MINUTE, HOUR, DAY), strict=False)
        ]
        now = NOON
        for pause, calls in steps:
            now += pause * MINUTE
            for _ in range(calls):
                first = counters.take(limits, now)
                if first.refused is not None:
                    assert counters.take(limits, now) == first

    @quickly
    @given(sizes=st.lists(sizes, min_size=1, max_size=3), steps=steps)
    def test_all_backends_agree(self, tmp_path: Path, sizes: list[int], steps: Steps) -> None:
        limits = [
            limit(size, window) for size, window in zip(sizes, (MINUTE, HOUR, DAY), strict=False)
        ]
        memory = MemoryCounters()
        with closing(SqliteCounters(tmp_path / "counters")) as file:
            assert list(walk(memory, limits, steps)) == list(walk(file, limits, steps))


def _hammer(path: Path, results: Any, calls: int) -> None:
    counters = SqliteCounters(path)
    limits = [Limit("shared", 1000, DAY), Limit("wide", 10**9, DAY)]
    results.put(sum(taken(counters, limits, NOON) for _ in range(calls)))
    counters.close()


def _used(path: Path, key: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT used FROM counters WHERE key = ?", [key]).fetchall()
    return int(rows[0][0])


class TestTheSharedFile:
    def test_counts_exactly_under_four_processes(self, tmp_path: Path) -> None:
        path = tmp_path / "counters"
        fresh = multiprocessing.get_context("spawn")
        results = fresh.Queue()
        workers = [fresh.Process(target=_hammer, args=[path, results, 500]) for _ in range(4)]
        for worker in workers:
            worker.start()
        let_through = sum(results.get(timeout=60) for _ in workers)
        for worker in workers:
            worker.join()
        results.close()
        results.join_thread()
        assert let_through == 1000
        assert (_used(path, "shared"), _used(path, "wide")) == (1000, 1000)

    def test_outlives_who_wrote_it(self, tmp_path: Path) -> None:
        limits = [limit(2)]
        for expected in (True, True, False):
            with closing(SqliteCounters(tmp_path / "counters")) as counters:
                assert taken(counters, limits, NOON) is expected

    def test_forgets_only_what_is_past(self, tmp_path: Path) -> None:
        past, present = limit(1), limit(1)
        with closing(SqliteCounters(tmp_path / "counters")) as counters:
            counters.take([past], NOON - 3 * MINUTE)
            counters.take([present], NOON)
            assert counters.prune(NOON) == 1
            assert counters.prune(NOON + MINUTE) == 0
            assert not taken(counters, [present], NOON + 1)
            assert counters.prune(NOON + 3 * MINUTE) == 1

    def test_tells_others_of_a_mark(self, tmp_path: Path) -> None:
        path = tmp_path / "counters"
        with closing(SqliteCounters(path)) as one, closing(SqliteCounters(path)) as other:
            assert other.marked("clients") == 0
            one.mark("clients")
            one.mark("clients")
            other.mark("others")
            assert (one.marked("clients"), other.marked("clients")) == (2, 2)

    def test_raises_when_it_stays_locked(self, tmp_path: Path) -> None:
        path = tmp_path / "counters"
        with closing(SqliteCounters(path)) as counters, closing(_locked(path)):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                counters.take([limit(1)], NOON)

    def test_counts_on_after_a_lock(self, tmp_path: Path) -> None:
        path, limits = tmp_path / "counters", [limit(1)]
        with closing(SqliteCounters(path)) as counters:
            with closing(_locked(path)), pytest.raises(sqlite3.OperationalError):
                counters.take(limits, NOON)
            assert [taken(counters, limits, NOON) for _ in range(2)] == [True, False]


def _locked(path: Path) -> sqlite3.Connection:
    """A connection that keeps everybody else from writing until it is closed."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    return holder


class TestSharedState:
    @pytest.fixture
    def shared(self, tmp_path: Path) -> Iterator[Shared]:
        shared = Shared(tmp_path / "shared.db")
        yield shared
        shared.close()

    def test_counts_for_all(self, shared: Shared, tmp_path: Path) -> None:
        limits = [limit(2, DAY)]
        with closing(Shared(tmp_path / "shared.db")) as other:
            assert shared.take(limits).refused is None
            assert other.take(limits).refused is None
            assert shared.take(limits).refused is not None
        assert shared.degraded is None

    def test_counts_by_itself_while_the_file_is_locked(
        self, shared: Shared, tmp_path: Path
    ) -> None:
        limits = [limit(2, DAY)]
        with closing(_locked(tmp_path / "shared.db")):
            results = [shared.take(limits).refused is None for _ in range(3)]
            assert shared.degraded is not None and "locked" in shared.degraded
        assert results == [True, True, False]

    @pytest.mark.parametrize("call", [Shared.bump, Shared.sequence, Shared.prune])
    def test_can_be_asked_at_any_time(self, shared: Shared, call: Callable[[Shared], Any]) -> None:
        before = shared.sequence()
        call(shared)
        assert shared.sequence() == before + (call is Shared.bump)
