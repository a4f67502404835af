"""What an open page is sent, by a gateway of two workers."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.blueprints.visitor import OpenPage, Visitor, refusal
from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.running import Running

EVERY_PART = {"banner", "in-flight", "recent", "figures", "shares", "series"}


@pytest.fixture
def visitor(gateway: Running) -> Visitor:
    return Visitor(gateway)


@pytest.fixture
def page(visitor: Visitor) -> Iterator[OpenPage]:
    page = visitor.open()
    yield page
    if page.socket.connected:
        page.close()


def test_the_first_look_is_whole(page: OpenPage) -> None:
    for _ in EVERY_PART:
        page.read(10)
    assert set(page.parts) == EVERY_PART
    assert len(page.parts["series"]["at"]) == 60


def test_every_page_sees_the_calls_of_every_worker(gateway: Running, visitor: Visitor) -> None:
    key = gateway.client(name="of all workers", model_aliases={"*": "demo"})
    pages = [visitor.open() for _ in range(6)]
    for page in pages:
        page.read_until(lambda parts: set(parts) == EVERY_PART)
    before = int(pages[0].figure("requests") or "")
    for _ in range(8):
        assert gateway.chat(key, QUESTION).status == 200
    for page in pages:
        page.read_until(lambda _, page=page: page.figure("requests") == str(before + 8))  # type: ignore[misc]
        page.read_until(lambda parts: "of all workers" in parts["recent"])
        page.close()


def test_a_call_that_runs_is_in_flight_everywhere(gateway: Running, visitor: Visitor) -> None:
    pages = [visitor.open() for _ in range(6)]
    slow = gateway.client(model_aliases={"*": "demo-slow"})
    with Caller(gateway) as caller:
        caller.send(request(slow, STREAMED))
        for page in pages:
            page.read_until(lambda _, page=page: page.figure("in-flight") == "1")  # type: ignore[misc]
    for page in pages:
        page.read_until(lambda _, page=page: page.figure("in-flight") == "0")  # type: ignore[misc]
        page.close()


def test_the_page_of_requests_sees_calls_under_way_and_what_fits_its_filters(
    gateway: Running, visitor: Visitor
) -> None:
    slow = gateway.client(name="slow", model_aliases={"*": "demo-slow"})
    pages = [visitor.open("/admin/ws?page=requests&status=401") for _ in range(6)]
    with Caller(gateway) as caller:
        caller.send(request(slow, STREAMED))
        _, headers = caller.head()
        for page in pages:
            page.read_until(lambda parts: ids_of(parts) == [headers["x-request-id"]])
        refused = gateway.chat("nobody's", QUESTION)
    for page in pages:
        page.read_until(lambda parts: ids_of(parts) == [])
        page.read_until(lambda parts: refused.headers["x-request-id"] in parts["newest"]["rows"])
        assert headers["x-request-id"] not in page.parts["newest"]["rows"]
        page.close()
    polled = visitor.get("/admin/requests/parts?status=401").json()
    assert polled == {name: pages[0].parts[name] for name in ("calls", "newest")}


@pytest.mark.parametrize("query", ["cursor=1-1", "until=2026-01-01", "status=abc"])
def test_where_nothing_becomes_new_only_calls_under_way_are_told(
    visitor: Visitor, query: str
) -> None:
    assert set(visitor.get(f"/admin/requests/parts?{query}").json()) == {"calls"}
    page = visitor.open(f"/admin/ws?page=requests&{query}")
    page.read_until(lambda parts: "calls" in parts)
    page.close()


def ids_of(parts: dict[str, Any]) -> list[str]:
    return [call["request_id"] for call in parts.get("calls", {}).get("calls", ())]


def test_nothing_is_sent_while_nothing_happens(page: OpenPage) -> None:
    page.read_until(lambda parts: set(parts) == EVERY_PART)
    while page.read(2):
        pass  # what others' tests have left to tell
    before = page.messages
    page.read(3)
    assert page.messages == before


def test_signing_out_ends_it_in_every_worker(gateway: Running, visitor: Visitor) -> None:
    pages = [visitor.open() for _ in range(6)]
    other = Visitor(gateway).open()
    cookie = visitor.cookie
    visitor.sign_out()
    assert [page.read_to_the_end() for page in pages] == [4401] * 6
    assert refusal(gateway, {"Cookie": cookie}) == 302
    other.read_until(lambda parts: set(parts) == EVERY_PART)
    assert other.socket.connected
    other.close()


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
def test_others_pages_may_not_open_it(visitor: Visitor, origin: str) -> None:
    assert visitor.refusal(Origin=origin) == 403


def test_our_own_page_may(gateway: Running, visitor: Visitor) -> None:
    assert visitor.refusal(Origin=gateway.origin) == 101


def test_nobody_may_without_a_sign_in(gateway: Running) -> None:
    assert refusal(gateway, {}) == 302


def test_polling_tells_the_same(visitor: Visitor) -> None:
    assert set(visitor.get("/admin/dashboard/parts").json()) == EVERY_PART


def test_what_is_no_websocket_is_refused(visitor: Visitor) -> None:
    assert visitor.get("/admin/ws").status_code == 400


def test_open_pages_do_not_keep_a_gateway_from_ending(gateway: Running, visitor: Visitor) -> None:
    """The last test here: it ends the gateway of them all."""
    pages = [visitor.open() for _ in range(4)]
    gateway.process.send_signal(signal.SIGTERM)
    assert [page.read_to_the_end() for page in pages] == [1001] * 4
    assert gateway.process.wait(20) == 0
    assert "graceful timeout" not in gateway.output
