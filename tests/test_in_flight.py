"""The calls under way as workers tell each other of them, and what it costs while nobody looks."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from gateway.in_flight import MOST, InFlight
from gateway.store.counter_file import SqliteCounters
from gateway.store.counters import MemoryCounters, StoreAway
from gateway.store.shared import Shared
from tests.store.test_counters import locked


class Call:
    def __init__(self, request_id: str, started_at: int = 0) -> None:
        self._told = {"request_id": request_id, "started_at": started_at}
        self.cancels = 0

    def told(self) -> dict[str, Any]:
        return dict(self._told)

    def cancel(self) -> None:
        self.cancels += 1


class Counting(MemoryCounters):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def note(self, topic: str, name: str, text: str, kept: float, now: float | None = None) -> None:
        self.written.append(topic)
        super().note(topic, name, text, kept, now)


def put(worker: InFlight, request_id: str, started_at: int = 0) -> Call:
    call = worker.calls[request_id] = Call(request_id, started_at)
    return call


def ids(worker: InFlight) -> list[str]:
    return [call["request_id"] for call in worker.look().calls]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shared.db"


@pytest.fixture
def workers(path: Path) -> Iterator[list[InFlight]]:
    shared = [Shared(SqliteCounters(path)) for _ in range(3)]
    yield [InFlight(one) for one in shared]
    for one in shared:
        one.close()


def test_nothing_is_written_while_nobody_looks() -> None:
    counters = Counting()
    worker = InFlight(Shared(counters))
    put(worker, "one")
    for _ in range(5):
        worker.tend()
    assert counters.written == []
    worker.look()
    worker.tend()
    assert counters.written == ["calls-asked", "calls"]


def test_who_has_no_calls_writes_that_once() -> None:
    counters = Counting()
    worker = InFlight(Shared(counters))
    worker.look()
    worker.tend()
    assert counters.written == ["calls-asked"]
    put(worker, "one")
    worker.tend()
    worker.calls.clear()
    for _ in range(5):
        worker.tend()
    assert counters.written == ["calls-asked", "calls", "calls"]


def test_every_worker_sees_the_calls_of_all_the_oldest_first(workers: list[InFlight]) -> None:
    first, second, third = workers
    put(first, "b", 2)
    put(second, "a", 1)
    put(second, "c", 3)
    assert ids(third) == []
    for worker in workers:
        worker.tend()
    for worker in workers:
        assert ids(worker) == ["a", "b", "c"]
        assert not worker.look().alone
    second.calls.clear()
    second.tend()
    assert ids(third) == ["b"]


def test_of_very_many_calls_some_are_told_and_all_are_counted(workers: list[InFlight]) -> None:
    first, second, _ = workers
    for number in range(MOST + 50):
        put(first, f"first {number}", number)
    put(second, "the oldest", -1)
    first.look()
    second.tend()
    seen = first.look()
    assert (len(seen.calls), seen.total) == (MOST, MOST + 51)
    assert seen.calls[0]["request_id"] == "the oldest"


def test_a_call_is_cancelled_by_any_worker(workers: list[InFlight]) -> None:
    first, second, _ = workers
    call, other = put(first, "one"), put(first, "other")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(second.cancel, "one")
        while not asking.done():
            first.tend()
        assert asking.result()
    assert call.cancels and not other.cancels


class Meeting(MemoryCounters):
    """Who asks for a call's end waits until all have asked."""

    def __init__(self, parties: int) -> None:
        super().__init__()
        self.all_have_asked = Barrier(parties)

    def note(self, topic: str, name: str, text: str, kept: float, now: float | None = None) -> None:
        super().note(topic, name, text, kept, now)
        if topic == "calls-asked":
            self.all_have_asked.wait()


def test_a_call_is_cancelled_for_all_who_ask_at_once() -> None:
    store = Meeting(3)
    first, second, third = (InFlight(Shared(store)) for _ in range(3))
    put(first, "one")
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(worker.cancel, "one") for worker in (second, third)]
        store.all_have_asked.wait()
        first.tend()
        first.calls.clear()
        assert [one.result() for one in asking] == [True, True]


def test_a_call_that_its_own_worker_has_ended_is_cancelled_for_others_who_asked() -> None:
    store = Meeting(2)
    first, second = (InFlight(Shared(store)) for _ in range(2))
    put(first, "one")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(second.cancel, "one")
        assert first.cancel("one")
        first.calls.clear()
        assert asking.result()


def test_nobody_has_a_call_that_is_not_there(workers: list[InFlight]) -> None:
    put(workers[0], "one")
    assert not workers[1].cancel("none")


def test_without_the_store_a_worker_knows_its_own(workers: list[InFlight], path: Path) -> None:
    first, second, _ = workers
    call = put(first, "one")
    with closing(locked(path)):
        seen = first.look()
        assert (seen.total, seen.alone) == (1, True)
        assert first.cancel("one") and call.cancels == 1
        with pytest.raises(StoreAway):
            second.cancel("one")
        first.tend()
