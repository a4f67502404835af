"""The contract of the counters, over every backend; and what the shared file bears."""

import math
import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import gevent
import orjson
import pytest
from gevent import monkey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.counter_file import SqliteCounters
from gateway.store.counter_redis import RedisCounters
from gateway.store.counters import (
    DAY,
    DEAD_AFTER,
    GAUGE,
    MONTH,
    NEVER,
    Charge,
    Counters,
    Hold,
    Limit,
    MemoryCounters,
    Settled,
    State,
    StoreAway,
    Taken,
)
from tests.redis_server import RedisServer

NOON = 1_800_000_000.0 // DAY * DAY + DAY / 2
MINUTE, HOUR = 60, 3600
OWNER = 7
_names = count()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def counters(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counters]:
    made: Counters = MemoryCounters()
    if request.param == "sqlite":
        made = SqliteCounters(tmp_path / "counters")
    elif request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        server.clear()
        made = RedisCounters(server.url, timeout=10)
    yield made
    made.close()


def limit(size: int, window: int = MINUTE, name: str = "") -> Limit:
    return Limit(name or f"limit {next(_names)}", size, window)


def take(counters: Counters, limits: list[Limit], now: float, owner: int = OWNER) -> Taken:
    """One call on each limit, used at once."""
    return counters.reserve(owner, [Charge(one, 1, held=False) for one in limits], now=now)


def taken(counters: Counters, limits: list[Limit], now: float) -> bool:
    return take(counters, limits, now).refused is None


def state(counters: Counters, one: Limit, now: float | None = NOON) -> State:
    return counters.look(OWNER, [one], now).states[0]


def settle(counters: Counters, hold: Hold | None, *used: int, now: float | None = NOON) -> None:
    assert hold is not None
    ends = [Settled(one, held, n) for (one, held), n in zip(hold.amounts, used, strict=True)]
    counters.settle(hold.owner, hold, ends, now)


class TestALimit:
    def test_lets_its_size_through_and_no_more(self, counters: Counters) -> None:
        limits = [limit(3)]
        assert [taken(counters, limits, NOON) for _ in range(5)] == [True] * 3 + [False] * 2

    def test_tells_where_it_stands(self, counters: Counters) -> None:
        limits = [limit(3)]
        states = [take(counters, limits, NOON + 15).states[0] for _ in range(4)]
        assert [state.used for state in states] == [1, 2, 3, 3]
        assert [state.remaining for state in states] == [2, 1, 0, 0]
        assert {state.resets_in for state in states} == {45.0}
        assert {state.limit for state in states} == set(limits)

    def test_names_the_one_that_refuses(self, counters: Counters) -> None:
        tight, wide = limit(1), limit(9)
        take(counters, [wide, tight], NOON)
        refused = take(counters, [wide, tight], NOON).refused
        assert refused is not None
        assert refused.limit == tight

    def test_names_the_one_that_is_longest_in_force(self, counters: Counters) -> None:
        hour, minute = limit(1, HOUR), limit(1, MINUTE)
        take(counters, [hour, minute], NOON)
        refused = take(counters, [minute, hour], NOON).refused
        assert refused is not None
        assert refused.limit == hour

    def test_that_refuses_costs_nothing_anywhere(self, counters: Counters) -> None:
        tight, wide = limit(1), limit(3)
        assert taken(counters, [tight, wide], NOON)
        assert not any(taken(counters, [tight, wide], NOON) for _ in range(10))
        assert [taken(counters, [wide], NOON) for _ in range(3)] == [True, True, False]

    def test_is_each_names_own(self, counters: Counters) -> None:
        one, other = limit(1), limit(1)
        assert taken(counters, [one], NOON)
        assert taken(counters, [other], NOON)
        assert not taken(counters, [one], NOON)

    def test_is_each_owners_own(self, counters: Counters) -> None:
        limits = [limit(1)]
        assert take(counters, limits, NOON, owner=1).refused is None
        assert take(counters, limits, NOON, owner=11).refused is None
        assert take(counters, limits, NOON, owner=1).refused is not None

    def test_stands_in_one_read_of_many_where_it_stands_alone(self, counters: Counters) -> None:
        one, other = limit(5), limit(3, DAY)
        for _ in range(2):
            take(counters, [one, other], NOON)
        take(counters, [other], NOON, owner=8)
        asked = [(OWNER, [one, other]), (8, [one, other]), (9, [one]), (OWNER, [other])]
        found = counters.look_all(asked, NOON)
        assert found == [counters.look(owner, limits, NOON) for owner, limits in asked]
        assert [state.used for taken in found for state in taken.states] == [2, 2, 0, 1, 0, 2]
        assert counters.look_all([], NOON) == []

    def test_can_be_given_back(self, counters: Counters) -> None:
        one = limit(1)
        assert taken(counters, [one], NOON)
        counters.settle(OWNER, None, [Settled(one, 0, -1)], NOON)
        assert state(counters, one).used == 0
        assert [taken(counters, [one], NOON) for _ in range(2)] == [True, False]

    def test_that_nobody_has_used_is_not_below_nothing(self, counters: Counters) -> None:
        one = limit(1)
        counters.settle(OWNER, None, [Settled(one, 0, -1)], NOON)
        assert state(counters, one).used == 0

    def test_that_shrinks_counts_what_was_used(self, counters: Counters) -> None:
        wide = limit(10)
        for _ in range(8):
            take(counters, [wide], NOON)
        refused = take(counters, [Limit(wide.name, 4, MINUTE)], NOON).refused
        assert refused is not None
        assert (refused.used, refused.remaining) == (8, 0)
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

    def test_of_a_month_begins_anew_on_its_first_day(self, counters: Counters) -> None:
        limits = [limit(1, MONTH)]
        new_year = 1_798_761_600.0  # 2027-01-01T00:00:00Z
        assert taken(counters, limits, new_year - 1)
        assert not taken(counters, limits, new_year - 1)
        assert take(counters, limits, new_year - 5).states[0].resets_in == 5
        assert [taken(counters, limits, new_year + n * DAY) for n in (0, 30, 31)] == [
            True,
            False,
            True,
        ]

    def test_that_others_have_begun_counts_for_a_clock_that_is_behind(
        self, counters: Counters
    ) -> None:
        limits = [limit(10)]
        assert all(taken(counters, limits, NOON - 1) for _ in range(10))
        assert not taken(counters, limits, NOON)
        assert taken(counters, limits, NOON + 30)
        # A worker whose clock still shows the minute before.
        assert not taken(counters, limits, NOON - 0.1)
        assert state(counters, limits[0], NOON + 30).used == 6

    def test_is_not_confused_by_a_clock_that_goes_far_back(self, counters: Counters) -> None:
        limits = [limit(1)]
        assert taken(counters, limits, NOON + 5 * MINUTE)
        assert taken(counters, limits, NOON)
        assert not taken(counters, limits, NOON)


class TestAHold:
    def test_counts_until_it_is_settled(self, counters: Counters) -> None:
        one = limit(100, DAY)
        hold = counters.reserve(OWNER, [Charge(one, 60)], now=NOON).hold
        assert (state(counters, one).used, state(counters, one).reserved) == (60, 60)
        assert counters.reserve(OWNER, [Charge(one, 60)], now=NOON).refused is not None
        settle(counters, hold, 10)
        assert (state(counters, one).used, state(counters, one).reserved) == (10, 0)
        assert counters.reserve(OWNER, [Charge(one, 60)], now=NOON).refused is None

    def test_gets_as_many_units_as_fit(self, counters: Counters) -> None:
        one, dear = limit(100, DAY), limit(1000, DAY)
        charges = [Charge(one, 10, 1), Charge(dear, 100, 20)]
        granted = counters.reserve(OWNER, charges, 50, 5, NOON)
        assert (granted.refused, granted.units) == (None, 45)
        assert granted.hold is not None
        assert granted.hold.amounts == ((one, 55), (dear, 1000))

    def test_gets_no_more_than_it_wants(self, counters: Counters) -> None:
        granted = counters.reserve(OWNER, [Charge(limit(100, DAY), 0, 1)], 7, 5, NOON)
        assert granted.units == 7

    def test_is_refused_below_the_least(self, counters: Counters) -> None:
        one = limit(100, DAY)
        assert counters.reserve(OWNER, [Charge(one, 96, 1)], 50, 5, NOON).refused is not None
        assert counters.reserve(OWNER, [Charge(one, 95, 1)], 50, 5, NOON).units == 5

    def test_that_is_refused_changes_nothing(self, counters: Counters) -> None:
        calls, tokens = limit(5), limit(100, DAY)
        charges = [Charge(calls, 1, held=False), Charge(tokens, 101)]
        refused = counters.reserve(OWNER, charges, now=NOON)
        assert refused.refused is not None and refused.hold is None
        assert (state(counters, calls).used, state(counters, tokens).used) == (0, 0)

    def test_that_is_larger_than_the_limit_never_fits(self, counters: Counters) -> None:
        refused = counters.reserve(OWNER, [Charge(limit(100, DAY), 101)], now=NOON).refused
        assert refused is not None and refused.frees_in == NEVER

    def test_is_booked_in_the_window_in_which_it_ends(self, counters: Counters) -> None:
        one = limit(100, DAY)
        hold = counters.reserve(OWNER, [Charge(one, 60)], now=NOON).hold
        assert state(counters, one, NOON + DAY).used == 60
        settle(counters, hold, 50, now=NOON + DAY)
        assert state(counters, one, NOON + DAY).used == 50
        assert state(counters, one, NOON + 2 * DAY).used == 0

    def test_books_an_excess_in_full(self, counters: Counters) -> None:
        one = limit(100, DAY)
        hold = counters.reserve(OWNER, [Charge(one, 60)], now=NOON).hold
        settle(counters, hold, 170)
        assert (state(counters, one).used, state(counters, one).remaining) == (170, 0)
        assert counters.reserve(OWNER, [Charge(one, 0)], now=NOON).refused is not None

    def test_of_a_gauge_is_only_reserved(self, counters: Counters) -> None:
        gauge = limit(2, GAUGE)
        holds = [counters.reserve(OWNER, [Charge(gauge, 1)], now=NOON).hold for _ in range(2)]
        assert counters.reserve(OWNER, [Charge(gauge, 1)], now=NOON + DAY).refused is not None
        settle(counters, holds[0], 0)
        assert state(counters, gauge).used == 1
        assert counters.reserve(OWNER, [Charge(gauge, 1)], now=NOON).refused is None


class TestAStranger:
    """Whose number is below 0: a sheet is kept for each that ever came, if only for a day."""

    def test_is_forgotten_after_a_day(self, counters: Counters) -> None:
        one, month = limit(1), limit(1, MONTH)
        for owner in (-3, -(1 << 56), OWNER):
            assert take(counters, [one, month], NOON, owner).refused is None
        assert counters.prune(NOON + DAY - 1) == 0
        assert counters.look(-3, [month], NOON).states[0].used == 1
        if isinstance(counters, RedisCounters):
            return  # there they expire by themselves
        assert counters.prune(NOON + DAY + 1) == 2
        assert counters.look(-3, [month], NOON).states[0].used == 0
        assert state(counters, month).used == 1
        assert take(counters, [one, month], NOON, -3).refused is None


class TestAWorkersEnd:
    def test_frees_its_holds_after_a_while(self, counters: Counters) -> None:
        one = limit(100, DAY)
        counters.beat(NOON)
        counters.reserve(OWNER, [Charge(one, 60)], now=NOON)
        assert counters.free(NOON + DEAD_AFTER) == 0
        assert state(counters, one).used == 60
        assert counters.free(NOON + DEAD_AFTER + 1) == 1
        assert (state(counters, one).used, state(counters, one).reserved) == (0, 0)
        assert counters.free(NOON + DEAD_AFTER + 1) == 0

    def test_is_not_near_while_it_beats(self, counters: Counters) -> None:
        one = limit(100, DAY)
        counters.reserve(OWNER, [Charge(one, 60)], now=NOON)
        for seconds in range(0, 600, 10):
            counters.beat(NOON + seconds)
            assert counters.free(NOON + seconds + 9) == 0
        assert state(counters, one).used == 60

    def test_was_too_early_to_say(self, counters: Counters) -> None:
        """A worker that was only asleep books what it used, and takes nobody else's hold."""
        one = limit(100, DAY)
        counters.beat(NOON)
        asleep = counters.reserve(OWNER, [Charge(one, 60)], now=NOON).hold
        assert counters.free(NOON + 60) == 1
        counters.beat(NOON + 60)
        counters.reserve(OWNER, [Charge(one, 30)], now=NOON + 60)
        settle(counters, asleep, 20, now=NOON + 61)
        assert (state(counters, one).used, state(counters, one).reserved) == (50, 30)

    def test_in_good_order_leaves_nothing_to_wait_for(self, counters: Counters) -> None:
        one = limit(100, DAY)
        counters.reserve(OWNER, [Charge(one, 60)], now=NOON)
        counters.leave()
        assert counters.free(NOON) == 1


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


class TestANote:
    def test_is_read_until_it_ends(self, counters: Counters) -> None:
        counters.note("news", "one", "a text\nof two lines", 10, NOON)
        counters.note("news", "other", "", 30, NOON)
        counters.note("else", "one", "not asked for", 30, NOON)
        assert counters.notes("news", NOON) == {"one": "a text\nof two lines", "other": ""}
        assert counters.notes("news", NOON + 9) == counters.notes("news", NOON)
        assert counters.notes("news", NOON + 10) == {"other": ""}
        assert counters.notes("news", NOON + 30) == counters.notes("nothing", NOON) == {}

    def test_is_replaced_by_the_next_of_its_name(self, counters: Counters) -> None:
        counters.note("news", "one", "old", 10, NOON)
        counters.note("news", "one", "new 東京", 10, NOON + 5)
        assert counters.notes("news", NOON + 14) == {"one": "new 東京"}

    def test_that_is_short_does_not_end_the_others(self, counters: Counters) -> None:
        counters.note("news", "long", "", 100, NOON)
        counters.note("news", "short", "", 1, NOON)
        assert set(counters.notes("news", NOON + 50)) == {"long"}


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
                refused = take(counters, limits, now).refused
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
                refused = take(counters, limits, now).refused
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
                first = take(counters, limits, now)
                if first.refused is not None:
                    assert take(counters, limits, now) == first


LIMITS = (
    Limit("requests", 30, MINUTE),
    Limit("tokens", 400, MINUTE),
    Limit("input", 3000, DAY),
    Limit("money", 90_000, MONTH),
    Limit("calls", 6, GAUGE),
)


@st.composite
def actions(draw: st.DrawFn) -> tuple[Any, ...]:
    """Something that befalls the counters: seconds that pass, and what is done then."""
    seconds = draw(st.sampled_from([0, 0, 0, 1, 7, 20, 31, 61, HOUR, DAY]))
    kind = draw(st.sampled_from(["reserve", "reserve", "settle", "beat", "free"]))
    if kind == "reserve":
        wanted = draw(st.integers(0, 300))
        return seconds, kind, draw(st.integers(1, 2)), draw(st.integers(0, 80)), wanted
    return seconds, kind, draw(st.integers(0, 9)), draw(st.floats(0, 1))


def play(counters: Counters, script: list[tuple[Any, ...]], excess: int = 0) -> Iterator[Any]:
    """What each step gives, and where all limits stand after it."""
    now = NOON
    holds: list[Taken] = []
    for seconds, kind, *rest in script:
        now += seconds
        given: Any = None
        if kind == "reserve":
            owner, read, wanted = rest
            charges = [
                Charge(LIMITS[0], 1, held=False),
                Charge(LIMITS[1], read, 1),
                Charge(LIMITS[2], read),
                Charge(LIMITS[3], read * 30, 90),
                Charge(LIMITS[4], 1),
            ]
            outcome = counters.reserve(owner, charges, wanted, min(wanted, 16), now)
            given = (outcome.units, outcome.refused, outcome.states)
            holds += [outcome] if outcome.hold else []
        elif kind == "settle" and holds:
            which, part = rest
            hold = holds.pop(which % len(holds)).hold
            assert hold is not None
            uses = [0 if one.window == GAUGE else int(held * part) for one, held in hold.amounts]
            settle(counters, hold, *(used * (1 + excess) for used in uses), now=now)
        elif kind == "beat":
            counters.beat(now)
        elif kind == "free":
            given = counters.free(now)
        yield now, kind, given, [counters.look(owner, LIMITS, now).states for owner in (1, 2)]


scripts = st.lists(actions(), max_size=40)


class TestWhateverIsReserved:
    @quickly
    @given(script=scripts)
    def test_no_limit_is_passed_and_nothing_is_negative(
        self, counters: Counters, script: list[tuple[Any, ...]]
    ) -> None:
        """While the actual use stays within what was reserved, and nobody was declared dead."""
        shift = next(_names) * 10
        moved = [
            (s, k, r[0] + shift, *r[1:]) if k == "reserve" else (s, k, *r)
            for s, k, *r in script
            if k != "free"
        ]
        for _, _, outcome, _ in play(counters, moved):
            for one in outcome[2] if outcome else ():
                assert 0 <= one.reserved <= one.used <= one.limit.size

    @quickly
    @given(script=scripts, excess=st.integers(0, 2))
    def test_all_backends_agree(
        self,
        tmp_path: Path,
        redis_server: RedisServer,
        script: list[tuple[Any, ...]],
        excess: int,
    ) -> None:
        expected = list(play(MemoryCounters(), script, excess))
        with closing(SqliteCounters(tmp_path / f"counters {next(_names)}")) as file:
            assert list(play(file, script, excess)) == expected
        redis_server.clear()
        with closing(RedisCounters(redis_server.url, timeout=10)) as remote:
            assert list(play(remote, script, excess)) == expected
        for _, _, _, standing in expected:
            assert all(0 <= one.reserved <= one.used for states in standing for one in states)


def _hammer(path: Path, results: Any, calls: int) -> None:
    counters = SqliteCounters(path)
    limits = [Limit("shared", 1000, DAY), Limit("wide", 10**9, DAY)]
    held = Limit("held", 50, DAY)
    let_through = 0
    for _ in range(calls):
        granted = counters.reserve(
            OWNER, [*(Charge(one, 1, held=False) for one in limits), Charge(held, 10)], now=NOON
        )
        let_through += granted.refused is None
        if granted.hold:
            settle(counters, granted.hold, 0)
    results.put(let_through)
    counters.close()


def _sheet(path: Path) -> dict[str, list[int]]:
    with closing(sqlite3.connect(path)) as database:
        (row,) = database.execute("SELECT sheet FROM sheets WHERE owner = ?", [OWNER]).fetchall()
    sheet: dict[str, list[int]] = orjson.loads(row[0])
    return sheet


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
        sheet = _sheet(path)
        assert let_through == 1000
        assert (sheet["shared"][1], sheet["wide"][1]) == (1000, 1000)
        assert sheet["held"][1:] == [0, 0, 0]

    def test_outlives_who_wrote_it(self, tmp_path: Path) -> None:
        limits = [limit(2)]
        for expected in (True, True, False):
            with closing(SqliteCounters(tmp_path / "counters")) as counters:
                assert taken(counters, limits, NOON) is expected

    def test_frees_the_holds_of_another_worker(self, tmp_path: Path) -> None:
        path, one = tmp_path / "counters", limit(100, DAY)
        with closing(SqliteCounters(path)) as ended, closing(SqliteCounters(path)) as other:
            ended.reserve(OWNER, [Charge(one, 60)], now=NOON)
            other.reserve(OWNER, [Charge(one, 30)], now=NOON)
            other.beat(NOON + 40)
            assert other.free(NOON + 40) == 1
            assert state(other, one).reserved == 30

    def test_settles_later_what_ends_together(self, tmp_path: Path) -> None:
        path, one = tmp_path / "counters", limit(100, MONTH)
        waiting: list[Callable[[], None]] = []
        with (
            closing(SqliteCounters(path, later=waiting.append)) as counters,
            closing(SqliteCounters(path)) as other,
        ):
            charges, today = [Charge(one, 20)], time.time()
            holds = [counters.reserve(OWNER, charges, now=today).hold for _ in range(3)]
            settle(counters, holds[0], 1, now=None)
            settle(counters, holds[1], 2, now=None)
            assert (state(other, one, None).used, len(waiting)) == (60, 1)
            with closing(locked(path)):
                waiting.pop()()
            assert state(other, one, None).used == 60
            # The next reservation brings them along.
            counters.reserve(OWNER, charges, now=today)
            assert (state(other, one, None).used, state(other, one, None).reserved) == (43, 40)
            settle(counters, holds[2], 3, now=None)
            waiting.pop()()
            assert (state(other, one, None).used, state(other, one, None).reserved) == (26, 20)

    def test_settles_at_the_end_what_still_waits(self, tmp_path: Path) -> None:
        path, one = tmp_path / "counters", limit(100, DAY)
        counters = SqliteCounters(path, later=lambda _: None)
        settle(counters, counters.reserve(OWNER, [Charge(one, 20)], now=NOON).hold, 5)
        counters.leave()
        counters.close()
        with closing(SqliteCounters(path)) as other:
            sheet = _sheet(path)
            assert sheet[one.name][1:] == [5, 0, 0]
            assert other.free() == 0

    def test_reserves_together_what_one_turn_asks_for(self, tmp_path: Path) -> None:
        one, waiting = limit(3, DAY), list[Callable[[], None]]()
        with closing(SqliteCounters(tmp_path / "counters", later=waiting.append)) as counters:
            jobs = [gevent.spawn(counters.reserve, OWNER, [Charge(one, 1)]) for _ in range(5)]
            gevent.sleep(0)
            assert len(waiting) == 1
            assert state(counters, one, None).used == 0
            gevent.spawn(waiting.pop())
            outcomes = [job.get() for job in jobs]
            assert [outcome.refused is None for outcome in outcomes] == [True] * 3 + [False] * 2
            assert len({outcome.hold for outcome in outcomes[:3]}) == 3
            assert state(counters, one, None).reserved == 3

    def test_tells_all_who_wait_that_it_is_away(self, tmp_path: Path) -> None:
        path = tmp_path / "counters"
        with closing(SqliteCounters(path, later=gevent.spawn)) as counters, closing(locked(path)):
            charges = [Charge(limit(3), 1)]
            jobs = [gevent.spawn(counters.reserve, OWNER, charges) for _ in range(3)]
            for job in jobs:
                with pytest.raises(StoreAway, match="locked"):
                    job.get()

    @pytest.mark.parametrize("when", ["before", "busy", "after"])
    def test_gives_back_what_nobody_waits_for_any_more(self, tmp_path: Path, when: str) -> None:
        process = multiprocessing.get_context("spawn").Process(
            target=given_up, args=(tmp_path / "counters", when)
        )
        process.start()
        process.join()
        assert process.exitcode == 0

    def test_beats_again_where_its_first_hold_was_undone(self, tmp_path: Path) -> None:
        path, waiting = tmp_path / "counters", list[Callable[[], None]]()
        with (
            closing(SqliteCounters(path, later=waiting.append)) as counters,
            closing(SqliteCounters(path)) as other,
        ):
            too_much = Charge(Limit("vast", 2**90, DAY), 2**70)  # no sheet can bear it
            asked = ([Charge(limit(9), 1)], [too_much])
            jobs = [gevent.spawn(counters.reserve, OWNER, charges) for charges in asked]
            gevent.sleep(0)
            with pytest.raises(TypeError):
                waiting.pop()()
            gevent.joinall(jobs)
            counters.reserve(OWNER, [Charge(limit(9), 1)], now=time.time())
            assert other.free() == 0

    def test_forgets_only_what_is_past(self, tmp_path: Path) -> None:
        used, held = limit(1), limit(1)
        with closing(SqliteCounters(tmp_path / "counters")) as counters:
            take(counters, [used], NOON, owner=1)
            counters.reserve(2, [Charge(held, 1)], now=NOON)
            assert counters.prune(NOON + 40 * DAY) == 0
            assert counters.prune(NOON + 64 * DAY) == 1
            assert counters.look(1, [used], NOON).states[0].used == 0
            assert counters.look(2, [held], NOON).states[0].used == 1

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
        with closing(SqliteCounters(path)) as counters, closing(locked(path)):
            with pytest.raises(StoreAway, match="locked"):
                take(counters, [limit(1)], NOON)

    def test_counts_on_after_a_lock(self, tmp_path: Path) -> None:
        path, limits = tmp_path / "counters", [limit(1)]
        with closing(SqliteCounters(path)) as counters:
            with closing(locked(path)), pytest.raises(StoreAway):
                take(counters, limits, NOON)
            assert [taken(counters, limits, NOON) for _ in range(2)] == [True, False]


def given_up(path: Path, when: str) -> None:
    """A call that ends before, while or after its reservation is made. It needs gevent's patch."""
    monkey.patch_time()
    held, counted = limit(9, DAY), limit(9, DAY)
    waiting: list[Callable[[], None]] = []
    with closing(SqliteCounters(path, later=waiting.append)) as counters:
        charges = [Charge(held, 1), Charge(counted, 1, held=False)]
        job = gevent.spawn(counters.reserve, OWNER, charges)
        gevent.sleep(0)
        busy = locked(path)
        if when != "busy":
            busy.close()
        if when == "before":
            job.kill()
        elif when == "after":
            job.kill(block=False)  # it is told so in the next turn, before its outcome
            waiting.pop()()
        work = [gevent.spawn(one) for one in waiting]
        gevent.sleep(0)
        job.kill()
        busy.close()
        gevent.joinall(work)
        assert isinstance(job.value, gevent.GreenletExit)
        for flush in waiting[len(work) :]:
            flush()
        # Other workers see it at once, though nobody asks here again.
        with closing(SqliteCounters(path)) as other:
            for one in (held, counted):
                standing = state(other, one, None)
                assert (standing.used, standing.reserved) == (0, 0)


def locked(path: Path) -> sqlite3.Connection:
    """A connection that keeps everybody else from writing until it is closed."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    return holder
