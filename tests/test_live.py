"""The hub by itself: who is told what, and what is read for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest

from gateway.live import Hub, Often, Watch, text_frame

PATIENCE = 5.0


class World:
    """Something that changes, and counts how often it is looked at."""

    def __init__(self) -> None:
        self.mark = 0
        self.parts: dict[str, Any] = {"one": 1, "other": "a"}
        self.marks = self.reads = 0
        self.away = False
        self.hub = Hub(self._look, every=0.01)

    def _look(self) -> int:
        self.marks += 1
        return self.mark

    def read(self) -> dict[str, Any]:
        self.reads += 1
        if self.away:
            raise OSError("away")
        return dict(self.parts)

    def change(self, **parts: Any) -> None:
        self.parts |= parts
        self.mark += 1

    def is_looked_at(self) -> None:
        """Returns after some looks that are still to come."""
        wanted = self.marks + 3
        with gevent.Timeout(PATIENCE):
            while self.marks < wanted:
                gevent.sleep(0.01)

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        with self.hub.watch({"topic": self.read}) as watch:
            yield watch


@pytest.fixture
def world() -> World:
    return World()


def told(frames: list[bytes]) -> dict[str, Any]:
    messages = [json.loads(frame[2:]) for frame in frames]
    return {message["part"]: message["value"] for message in messages}


def news(watch: Watch) -> dict[str, Any]:
    with gevent.Timeout(PATIENCE):
        while not (frames := watch.news(PATIENCE)):
            pass
    return told(frames)


def test_everything_comes_at_once_and_then_what_is_new(world: World) -> None:
    with world.watch() as watch:
        assert news(watch) == {"one": 1, "other": "a"}
        world.change(one=2)
        assert news(watch) == {"one": 2}


def test_who_is_slow_skips_what_was_overtaken(world: World) -> None:
    with world.watch() as watch:
        news(watch)
        with world.watch() as quick:
            news(quick)
            for number in (2, 3):
                world.change(one=number)
                assert news(quick) == {"one": number}
        assert news(watch) == {"one": 3}


def test_many_who_look_cost_one_look(world: World) -> None:
    with world.watch() as first:
        news(first)
        world.change(one=2)
        news(first)
        world.hub.every = 60.0  # what was just read is fresh for who comes now
        reads = world.reads
        watches = [world.hub.watch({"topic": world.read}) for _ in range(50)]
        for one in watches:
            assert news(one.__enter__()) == {"one": 2, "other": "a"}
        assert world.reads == reads
        for one in watches:
            one.__exit__(None, None, None)


def test_nothing_is_read_while_nothing_happens_or_nobody_looks(world: World) -> None:
    with world.watch() as watch:
        news(watch)
        world.is_looked_at()
        reads = world.reads
        world.is_looked_at()
        assert world.reads == reads
    gevent.sleep(0.05)
    marks = world.marks
    world.change(one=2)
    gevent.sleep(0.1)
    assert (world.reads, world.marks) == (reads, marks)


def test_what_is_read_often_needs_no_change(world: World) -> None:
    with world.hub.watch({"topic": Often(world.read)}) as watch:
        news(watch)
        world.parts["one"] = 2
        assert news(watch) == {"one": 2}


def test_it_outlives_a_database_that_is_away(world: World) -> None:
    with world.watch() as watch:
        news(watch)
        world.away = True
        world.change(one=2)
        reads = world.reads
        while world.reads == reads:
            gevent.sleep(0.01)
        world.away = False
        world.change(one=3)
        assert news(watch) == {"one": 3}


def test_its_end_ends_all_watches(world: World) -> None:
    with world.watch() as watch:
        news(watch)
        world.hub.close()
        watch.news(PATIENCE)
        assert watch.ended
    with world.watch() as late:
        assert late.ended


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_frames_are_what_a_client_reads(size: int) -> None:
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import TextMessage

    connection = Connection(ConnectionType.CLIENT)
    connection.receive_data(text_frame(b"x" * size))
    found = [event for event in connection.events() if isinstance(event, TextMessage)]
    assert "".join(event.data for event in found) == "x" * size
