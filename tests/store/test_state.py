"""The contract of the state kept for clients, over every store; and what a bad file does to it."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from gateway.config import Settings, State
from gateway.store.state import Bounds, MemoryStates, SqliteStates, States, StateStore
from gateway.store.state_redis import RedisStates
from gateway.store.vault import Vault
from tests.redis_server import RedisServer
from tests.running import free_port

BOUNDS = Bounds(lifetime=100, entries=4, size=1000)
Open = Callable[[Bounds], StateStore]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a store of these bounds; what is kept in a file is there for the next one, too."""
    opened: list[StateStore] = []
    url = emptied(request.getfixturevalue("redis_server").url) if request.param == "redis" else ""

    def make(bounds: Bounds) -> StateStore:
        stores: dict[str, Callable[[], StateStore]] = {
            "memory": lambda: MemoryStates(bounds),
            "sqlite": lambda: SqliteStates(tmp_path / "state.db", bounds),
            "redis": lambda: RedisStates(url, bounds),
        }
        store = stores[request.param]()
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


def emptied(url: str) -> str:
    with closing(redis.Redis.from_url(url)) as server:
        server.flushdb()
    return url


@pytest.fixture
def store(open_store: Open) -> StateStore:
    return open_store(BOUNDS)


@pytest.fixture
def states(settings: Settings, vault: Vault) -> Iterator[States]:
    with closing(States(settings.data_dir / "state.db", settings.state, vault)) as states:
        yield states


class TestAStore:
    def test_gives_back_what_was_put(self, store: StateStore) -> None:
        store.put(1, "call", {"a": "1", "b": "2"})
        assert store.get(1, "call", ["a", "b", "c"]) == {"a": "1", "b": "2"}

    def test_keeps_clients_and_kinds_apart(self, store: StateStore) -> None:
        store.put(1, "call", {"a": "1"})
        assert store.get(2, "call", ["a"]) == {}
        assert store.get(1, "response", ["a"]) == {}

    def test_replaces(self, store: StateStore) -> None:
        store.put(1, "call", {"a": "1"})
        store.put(1, "call", {"a": "2"})
        assert store.get(1, "call", ["a"]) == {"a": "2"}

    def test_forgets(self, store: StateStore) -> None:
        store.put(1, "call", {"a": "1", "b": "2"})
        store.forget(1, "call", ["a", "c"])
        store.forget(2, "call", ["b"])
        assert store.get(1, "call", ["a", "b"]) == {"b": "2"}

    def test_takes_more_ids_than_a_statement_bears(self, open_store: Open) -> None:
        many = {f"id {number}": str(number) for number in range(2_500)}
        store = open_store(Bounds(100, 10_000, 1_000_000))
        store.put(1, "call", many)
        assert store.get(1, "call", list(many)) == many

    def test_lets_the_oldest_go_above_its_entries(self, store: StateStore) -> None:
        for id in "abcdef":
            store.put(1, "call", {id: id})
        store.put(2, "call", {"a": "another client's"})
        assert sorted(store.get(1, "call", "abcdef")) == ["c", "d", "e", "f"]

    def test_lets_the_oldest_go_above_its_size(self, store: StateStore) -> None:
        for id in "abc":
            store.put(1, "call", {id: id * 400})
        assert sorted(store.get(1, "call", "abc")) == ["b", "c"]

    def test_counts_what_was_replaced_and_forgotten_once(self, store: StateStore) -> None:
        for number in range(20):
            store.put(1, "call", {"a": str(number) * 200})
        store.put(1, "call", {"b": "b" * 500})
        assert sorted(store.get(1, "call", "ab")) == ["a", "b"]
        store.forget(1, "call", ["b"])
        store.put(1, "call", {"c": "c" * 500})
        assert sorted(store.get(1, "call", "abc")) == ["a", "c"]

    def test_keeps_nothing_beyond_its_time(self, open_store: Open) -> None:
        store = open_store(Bounds(0.05, 4, 1000))
        store.put(1, "call", {"a": "1"})
        time.sleep(0.06)
        assert store.get(1, "call", ["a"]) == {}

    def test_what_is_read_lives_on(self, open_store: Open) -> None:
        store = open_store(Bounds(4, 4, 1000))
        store.put(1, "call", {"a": "1", "b": "2"})
        for _ in range(4):
            time.sleep(1.1)
            assert store.get(1, "call", ["a"]) == {"a": "1"}
        assert store.get(1, "call", ["b"]) == {}

    def test_prunes_what_has_ended_alone(self, open_store: Open) -> None:
        store = open_store(Bounds(3, 10_000, 100_000))
        store.put(1, "call", {str(number): "x" for number in range(1_200)})
        time.sleep(3.05)
        store.put(1, "call", {"new": "x"})
        store.prune()
        store.put(1, "call", {"newer": "x"})
        assert store.get(1, "call", ["7", "new", "newer"]) == {"new": "x", "newer": "x"}


def test_a_worker_has_so_much_memory_for_all_its_clients() -> None:
    store = MemoryStates(Bounds(100, 10, 1000), total=1500)
    for client in (1, 2):
        for id in "ab":
            store.put(client, "call", {id: id * 400})
    assert [sorted(store.get(client, "call", "ab")) for client in (1, 2)] == [["b"], ["a", "b"]]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_a_file_is_shared_and_outlives_its_readers(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStates(path, BOUNDS)) as one, closing(SqliteStates(path, BOUNDS)) as other:
        one.put(1, "call", {"a": "1"})
        assert other.get(1, "call", ["a"]) == {"a": "1"}
    with closing(SqliteStates(path, BOUNDS)) as later:
        assert later.get(1, "call", ["a"]) == {"a": "1"}


def test_pruning_leaves_no_rows_and_no_sums(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStates(path, Bounds(0.01, 10, 1000))) as store:
        store.put(1, "call", {"a": "1", "b": "2"})
        assert rows(path, "SELECT * FROM holdings") == [(1, 2, 2)]
        time.sleep(0.02)
        store.prune()
    assert rows(path, "SELECT * FROM holdings") == rows(path, "SELECT id FROM states") == []


def test_pruning_gives_the_room_of_large_values_back(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStates(path, Bounds(0.01, 10, 10_000_000))) as store:
        store.put(1, "response", {"a": "x" * 1_000_000})
        time.sleep(0.02)
        store.prune()
    assert path.stat().st_size < 100_000


def in_redis(url: str) -> Open:
    return lambda bounds: RedisStates(url, bounds)


class TestStates:
    def test_are_kept_in_redis_where_there_is_one(
        self, vault: Vault, tmp_path: Path, redis_server: RedisServer
    ) -> None:
        url = emptied(redis_server.url)
        path = tmp_path / "state.db"
        with closing(States(path, State(), vault, in_redis(url))) as one:
            one.put(1, "call", {"a": "a very secret thought"})
        with closing(States(path, State(), vault, in_redis(url))) as other:
            assert other.get(1, "call", ["a"]) == {"a": "a very secret thought"}
        assert not path.exists()
        with closing(redis.Redis.from_url(url)) as server:
            (kept,) = server.scan_iter("ai-gateway:state:*")
            assert b"secret" not in (server.get(kept) or b"")

    def test_go_on_in_memory_without_redis(self, vault: Vault, tmp_path: Path) -> None:
        url = f"redis://127.0.0.1:{free_port()}/0"
        with closing(States(tmp_path / "state.db", State(), vault, in_redis(url))) as states:
            states.put(1, "call", {"a": "1"})
            assert states.get(1, "call", ["a"]) == {"a": "1"}
            assert states.degraded is not None and url not in states.degraded

    def test_are_sealed_at_rest(self, states: States, settings: Settings) -> None:
        states.put(1, "call", {"a": "a very secret thought"})
        assert states.get(1, "call", ["a"]) == {"a": "a very secret thought"}
        states.close()
        kept = b"".join(path.read_bytes() for path in settings.data_dir.glob("state.db*"))
        assert b"secret" not in kept and b"gAAAA" in kept

    def test_another_secret_key_finds_nothing(self, states: States, tmp_path: Path) -> None:
        states.put(1, "call", {"a": "1"})
        other = Vault(Settings(data_dir=tmp_path / "other"))
        with closing(States(states._path, State(), other)) as later:
            assert later.get(1, "call", ["a"]) == {}

    def test_a_value_that_is_too_large_is_not_kept(self, vault: Vault, tmp_path: Path) -> None:
        settings = State(max_value_mb=1)
        with closing(States(tmp_path / "state.db", settings, vault)) as states:
            states.put(1, "call", {"a": "x" * (1 << 20), "b": "x" * ((1 << 20) + 1)})
            assert list(states.get(1, "call", ["a", "b"])) == ["a"]

    def test_go_on_in_memory_without_a_file(self, vault: Vault, tmp_path: Path) -> None:
        path = tmp_path / "state.db"
        path.write_text("this is no database, and never was one: " * 100)
        with closing(States(path, State(), vault)) as states:
            states.put(1, "call", {"a": "1", "b": "2"})
            states.forget(1, "call", ["b"])
            states.prune()
            assert states.get(1, "call", ["a", "b"]) == {"a": "1"}
            assert states.degraded == "state: file is not a database"

    def test_go_on_while_another_holds_the_file(
        self, states: States, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        states.put(1, "call", {"a": "1"})
        with closing(sqlite3.connect(settings.data_dir / "state.db")) as holder:
            holder.execute("BEGIN IMMEDIATE")
            states.put(1, "call", {"b": "2"})
            assert states.degraded == "state: database is locked"
            assert states.get(1, "call", ["b"]) == {"b": "2"}
        assert "Clients' state cannot be shared" in caplog.text
        assert states.get(1, "call", ["b"]) == {"b": "2"}

    def test_what_was_opened_is_not_kept_for_ever(self, states: States) -> None:
        for number in range(8):
            states.put(1, "call", {str(number): "x" * (1 << 20)})
            states.get(1, "call", [str(number)])
        assert sum(map(len, states._opened.values())) <= 4 << 20
