"""What administrators set: read, changed by one at a time, audited."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from gateway.store.audit import entries
from gateway.store.settings import change, keep, store, stored

NAME = "enabled_tools"


def test_what_nobody_has_set_is_none(engine: Engine) -> None:
    assert stored(engine, NAME) is None


def test_a_change_is_stored_and_audited(engine: Engine) -> None:
    store(engine, NAME, ["a"], "eve")
    assert change(engine, NAME, lambda before: [*before, "b"], "eve") == ["a", "b"]
    assert stored(engine, NAME) == ["a", "b"]
    found, _ = entries(engine, 10)
    assert [one.changes[NAME] for one in found] == [[["a"], ["a", "b"]], [None, ["a"]]]


def test_what_the_gateway_finds_out_is_nobodys_action(engine: Engine) -> None:
    keep(engine, "found", {"a": 1})
    keep(engine, "found", {"a": 2})
    assert stored(engine, "found") == {"a": 2}
    assert entries(engine, 10)[0] == []


def test_no_change_is_lost_to_another_of_the_same_moment(engine: Engine) -> None:
    store(engine, NAME, [], "eve")

    def add(number: int) -> None:
        change(engine, NAME, lambda before: [*before, number], "eve")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(20)))
    assert sorted(stored(engine, NAME)) == list(range(20))
