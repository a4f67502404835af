"""The last test of a client's connection, as it is kept."""

import pytest
from sqlalchemy import Engine

from gateway.store.audit import entries
from gateway.store.client_book import ClientBook
from gateway.store.connection_tests import ConnectionTests, Result, UnderWay

WHAT = {"provider": "demo", "provider_base_url": None, "model": "demo"}
RESULT: Result = {
    **{"probe": "whole", "status": "ok", "detail": "“OK”"},
    **{"ms": 3, "model": "demo", "request_id": "req_1"},
}


@pytest.fixture
def client_id(book: ClientBook) -> int:
    row, _ = book.create({"name": "shop"})
    return row.id


@pytest.fixture
def tests(engine: Engine) -> ConnectionTests:
    return ConnectionTests(engine, lost_after=60)


def begun(tests: ConnectionTests, client_id: int) -> str:
    return tests.begin(client_id, "shop", "anna", WHAT)


def test_it_is_kept_as_it_goes(tests: ConnectionTests, client_id: int, engine: Engine) -> None:
    assert tests.of(client_id) is None
    run = begun(tests, client_id)
    test = tests.of(client_id)
    assert test and (test.state, test.actor, test.model) == ("running", "anna", "demo")
    assert (test.results, test.ended_at) == ([], None)
    assert tests.keep(client_id, run, [RESULT], ended=False)
    assert tests.keep(client_id, run, [RESULT, RESULT], ended=True)
    test = tests.of(client_id)
    assert test and (test.state, test.results) == ("done", [RESULT, RESULT])
    assert test.ended_at and test.ended_at >= test.started_at
    newest = entries(engine, 1)[0][0]
    assert (newest.actor, newest.action, newest.subject) == ("anna", "client.test", "shop")


def test_there_is_one_at_a_time(tests: ConnectionTests, client_id: int, engine: Engine) -> None:
    run = begun(tests, client_id)
    before = len(entries(engine, 10)[0])
    with pytest.raises(UnderWay):
        begun(tests, client_id)
    assert len(entries(engine, 10)[0]) == before
    tests.keep(client_id, run, [], ended=True)
    assert begun(tests, client_id) != run


def test_one_whose_worker_is_gone_makes_room(client_id: int, engine: Engine) -> None:
    tests = ConnectionTests(engine, lost_after=-1)
    run = begun(tests, client_id)
    test = tests.of(client_id)
    assert test and test.state == "interrupted"
    newer = begun(tests, client_id)
    assert not tests.keep(client_id, run, [RESULT], ended=False)
    assert tests.keep(client_id, newer, [RESULT], ended=True)
    test = tests.of(client_id)
    assert test and (test.state, test.results) == ("done", [RESULT])


def test_it_goes_with_its_client(tests: ConnectionTests, client_id: int, book: ClientBook) -> None:
    run = begun(tests, client_id)
    book.delete(client_id)
    assert tests.of(client_id) is None
    assert not tests.keep(client_id, run, [RESULT], ended=True)
