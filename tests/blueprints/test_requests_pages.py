"""The pages of the request log: what is listed, and what is told of one request."""

import html
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy.orm import Session

from gateway.blueprints.admin.requests_pages import CLIENTS_OFFERED
from gateway.context import Gateway
from gateway.store import admins
from gateway.store.client_book import ClientBook, add_client
from gateway.store.client_fields import new_fields
from gateway.store.models import RequestBody
from tests.blueprints.browser import Browser
from tests.blueprints.test_admins import OTHER
from tests.blueprints.test_dashboard import SCRIPT, log, table

LIST = "/admin/requests"


def listed(browser: Browser, query: str = "") -> list[str]:
    """The models of the rows, which tell them apart."""
    page = browser.get(f"{LIST}?{query}")
    assert page.status_code == 200, page.text
    return [row[2] for row in table(page.text, "requests")]


@pytest.fixture
def some(parts: Gateway) -> None:
    log(parts, 1)
    log(parts, 2, status=429, error_code="rate_limit_exceeded", error_message="Too many")
    log(parts, 3, provider="groq")
    log(parts, 4, client_id=2, client_name="other", status=502, error_code="upstream_failed")


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("client_id=2", [4]),
        ("client_id=&model=&provider=&status=&error_code=&since=&until=", [4, 3, 2, 1]),
        ("provider=groq", [3]),
        ("status=429", [2]),
        ("status=failed", [4, 2]),
        ("status=failed&client_id=2", [4]),
        ("error_code=upstream_failed", [4]),
        ("model=model-3", [3]),
        ("error_text=too+MANY&since=2026-09-21", [2]),
        ("since=2026-09-21T14:13:22Z&until=2026-09-21T16:13:24%2B02:00", [3, 2]),
    ],
)
def test_requests_are_filtered(signed_in: Browser, query: str, found: list[int]) -> None:
    assert listed(signed_in, query) == [f"model-{number}" for number in found]


@pytest.mark.usefixtures("some")
def test_a_filter_is_kept(signed_in: Browser) -> None:
    page = signed_in.get(f"{LIST}?provider=groq&status=200").text
    assert "<option selected>groq</option>" in page
    assert re.search(r'name="status" value="200"', page)
    assert 'href="/admin/api/requests.csv?provider=groq&amp;status=200"' in page


@pytest.mark.parametrize(
    "query",
    [
        "status=abc",
        "since=yesterday",
        "client_id=x",
        "until=9999-99-99",
        "until=2026-06-03&since=2026-06-01&error_text=x",
        "since=&error_text=x",
    ],
)
def test_what_cannot_be_asked_for_is_told_beside_its_field(signed_in: Browser, query: str) -> None:
    name, _, _ = query.partition("=")
    answer = signed_in.get(f"{LIST}?{query}")
    assert answer.status_code == 422
    assert f'id="{name}-problem"' in answer.text
    assert f'aria-describedby="{name}-problem"' in answer.text


def test_a_long_log_comes_in_pages(signed_in: Browser, parts: Gateway) -> None:
    for number in range(120):
        log(parts, number, provider="groq" if number % 2 else "demo")
    path, found = f"{LIST}?provider=groq", []
    while path:
        page = signed_in.get(path).text
        found += [row[2] for row in table(page, "requests")]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert found == [f"model-{number}" for number in range(119, 0, -2)]


def offered(browser: Browser, query: str = "") -> list[str]:
    page = browser.get(f"{LIST}?{query}").text
    choice = re.search(r'<select[^>]*name="client_id".*?</select>', page, re.S)
    assert choice
    return re.findall(r"<option[^>]*>(.*?)</option>", choice[0])


def test_every_client_can_be_chosen(signed_in: Browser, book: ClientBook) -> None:
    for number in range(255):
        book.create({"name": f"c{number:03}"})
    assert offered(signed_in) == ["All", *(f"c{number:03}" for number in range(255)), "demo"]
    assert offered(signed_in, "client_id=999")[-1] == "client 999"
    assert "The first" not in signed_in.get(LIST).text


def test_beyond_a_thousand_clients_it_says_so(signed_in: Browser, parts: Gateway) -> None:
    fields = new_fields({"name": "-"}, parts.settings)
    with Session(parts.engine) as session, session.begin():
        for number in range(CLIENTS_OFFERED):
            named = fields.model_copy(update={"name": f"c{number:04}"})
            last, _ = add_client(session, parts.vault, named)
        chosen = last.id
        add_client(session, parts.vault, fields.model_copy(update={"name": "a"}))
    names = offered(signed_in)
    assert len(names) == 1 + CLIENTS_OFFERED and names[-1] == "c0998"
    assert "The first 1,000 by name." in signed_in.get(LIST).text
    assert offered(signed_in, f"client_id={chosen}")[-1] == "c0999"


def test_an_empty_log_says_so(signed_in: Browser, parts: Gateway) -> None:
    assert "Nobody has asked anything yet" in signed_in.get(LIST).text
    log(parts, 1)
    assert "No request fits" in signed_in.get(f"{LIST}?model=nothing").text


def of_a_hard_call(**more: Any) -> dict[str, Any]:
    failed = {"provider": "groq", "model": "llama", "status": 503, "code": "away", "after_ms": 120}
    run = {"round": 1, "name": "clock", "size": 1234, "ms": 2.5, "error": None, "arguments": "{}"}
    return {
        "attempts": 2,
        "attempt_log": [{"skipped": "openai has no key"}, failed],
        "first_byte_ms": 300.0,
        "total_ms": 1200.0,
        "cached_tokens": 500,
        "cost_usd": Decimal("0.0123"),
        "price": {"source": "list", "model": "m", "usd_per_million": {"input": "0.5"}},
        "limits": [{"limit": "rate_limit_minute", "size": 60, "left": 59}],
        "dropped_params": ["top_k"],
        "tool_rounds": {
            "rounds": [
                {
                    "round": 1,
                    "finish_reason": "tool_calls",
                    "input_tokens": 7,
                    "output_tokens": 1,
                    "cost_usd": None,
                }
            ],
            "runs": [run],
        },
        **more,
    }


def test_one_request_is_told_whole(signed_in: Browser, parts: Gateway) -> None:
    log(parts, 1, **of_a_hard_call())
    page = signed_in.get(f"{LIST}/req_1").text
    words = words_of(page)
    for told in (
        "failed tries 120 ms wait 180 ms answer 900 ms 2 tries",
        "Passed over openai has no key",
        "120 ms groq/llama failed 503 away",
        "Tool clock took 2 ms round 1: 1,234 bytes",
        "300 ms The first of the answer",
        "1.20 s The end, with status 200",
        "Tokens in 12,000",
        "Read from a cache 500",
        "Cost $0.0123",
        "Price list, m input $0.50 a million",
        "rate_limit_minute 59 of 60 left",
        "Dropped top_k",
        "None were kept.",
    ):
        assert told in words, words


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_course_of_a_call_names_each_part_of_it(signed_in: Browser, parts: Gateway) -> None:
    times = {"asked_ms": 150.0, "connect_ms": 30.0, "first_byte_ms": 300.0, "total_ms": 1200.0}
    log(parts, 1, **of_a_hard_call(**times, streamed=True))
    words = words_of(signed_in.get(f"{LIST}/req_1").text)
    course = (
        "failed tries 120 ms in the gateway 30 ms connecting 30 ms "
        "wait for the first byte 120 ms stream 900 ms 2 tries"
    )
    assert course in words
    assert "150 ms demo/model-1 was asked a new connection took 30.0 ms 300 ms The first" in words


def test_a_call_that_failed_shows_where_to_go_on(
    signed_in: Browser, parts: Gateway, book: ClientBook
) -> None:
    client, _ = book.create({"name": "shop"})
    tries = [{"provider": "groq", "model": "llama", "status": 502, "code": "x", "after_ms": 2}]
    failed = {"status": 502, "error_code": "x", "error_message": "gone", "provider": "groq"}
    times = {"asked_ms": 0.5, "first_byte_ms": None, "total_ms": 1.6}
    log(parts, 1, client_id=client.id, attempt_log=tries, attempts=1, **failed, **times)
    page = signed_in.get(f"{LIST}/req_1").text
    for place in (
        "/admin/providers/groq",
        f"/admin/clients/{client.id}#connection",
        f"/admin/clients/{client.id}/edit",
        f"{LIST}?error_code=x&amp;client_id={client.id}",
    ):
        assert f'href="{place}"' in page
    assert "1.6 ms groq/llama failed 502 x 1.6 ms The end" in words_of(page)
    book.delete(client.id)
    assert f"/admin/clients/{client.id}" not in signed_in.get(f"{LIST}/req_1").text


def test_time_after_the_last_failure_is_not_told_as_a_wait(
    signed_in: Browser, parts: Gateway
) -> None:
    times = {"asked_ms": None, "first_byte_ms": None, "total_ms": 150.0}
    log(parts, 1, **of_a_hard_call(**times | {"status": 503}))
    assert "failed tries 120 ms in the gateway 30 ms" in words_of(
        signed_in.get(f"{LIST}/req_1").text
    )


def test_who_answered_within_the_millisecond_of_a_failure_is_told(
    signed_in: Browser, parts: Gateway
) -> None:
    failed = {"provider": "groq", "model": "bad", "status": 502, "code": "upstream_error"}
    tries = [{**failed, "message": "The model\nis on fire", "after_ms": 684}]
    times = {"asked_ms": 683.759, "connect_ms": None, "first_byte_ms": 690.0, "total_ms": 700.0}
    log(parts, 1, attempts=2, attempt_log=tries, **times)
    words = words_of(signed_in.get(f"{LIST}/req_1").text)
    told = "684 ms groq/bad failed 502 upstream_error The model is on fire"
    assert f"{told} 684 ms demo/model-1 was asked 690 ms The first" in words


def test_tools_of_a_call_take_their_part(signed_in: Browser, parts: Gateway) -> None:
    told = dict.fromkeys(("finish_reason", "input_tokens", "output_tokens", "cost_usd"))
    rounds = [
        {**told, "round": 1, "ended_ms": 400.0, "tools_ms": 200.0},
        {**told, "round": 2, "ended_ms": 1000.0},
    ]
    run = {"round": 1, "name": "clock", "size": 5, "ms": 150.0, "error": None}
    log(
        parts,
        1,
        asked_ms=100.0,
        first_byte_ms=800.0,
        total_ms=1000.0,
        tool_rounds={"rounds": rounds, "runs": [run]},
    )
    words = words_of(signed_in.get(f"{LIST}/req_1").text)
    course = "in the gateway 100 ms wait for the first byte 500 ms tools 200 ms answer 200 ms 1 try"
    assert course in words
    steps = "400 ms Round 1 was answered Tool clock took 150 ms round 1: 5 bytes 800 ms The first"
    assert steps in words


def test_what_went_up_is_shown_beside_what_came(
    signed_in: Browser, parts: Gateway, book: ClientBook
) -> None:
    client, _ = book.create({"name": "shop"})
    log(parts, 1, client_id=client.id)
    log(parts, 2, client_id=client.id + 1)
    body = RequestBody(
        request_id="req_1",
        started_at=1,
        kept="full",
        question='{"a":1}',
        answer="{}",
        sent='{"b":2}',
        sent_head="POST https://host/v1\nX-Key: <b>",
    )
    with Session(parts.engine) as session, session.begin():
        session.add(body)
    words = words_of(signed_in.get(f"{LIST}/req_1").text)
    assert "What came in { &#34;a&#34;: 1 } What was sent upstream POST https://host/v1" in words
    assert "X-Key: &lt;b&gt; { &#34;b&#34;: 2 } What went out {}" in words
    with Session(parts.engine) as session, session.begin():
        session.execute(delete(RequestBody))
    assert f"/clients/{client.id}/edit#log_bodies" in signed_in.get(f"{LIST}/req_1").text
    gone = signed_in.get(f"{LIST}/req_2").text
    assert "#log_bodies" not in gone and "“Keep bodies” of the client" in gone


def test_a_viewer_sees_calls_under_way_and_cancels_none(app: Flask, parts: Gateway) -> None:
    admins.create(parts.engine, "test", "eve", OTHER, "viewer")
    eve = Browser(app)
    eve.sign_in(OTHER, username="eve")
    assert ">Cancel</button>" not in eve.get(LIST).text
    assert eve.get("/admin/api/requests/live").json == {"items": [], "count": 0, "complete": True}
    path = f"/admin/api/requests/req_{'0' * 24}/cancel"
    assert eve.client.post(path).status_code == 403
    admin = Browser(app)
    admin.sign_in()
    assert ">Cancel</button>" in admin.get(LIST).text
    assert admin.client.post(path).status_code == 404
    elsewhere = {"Origin": "https://evil.example"}
    assert admin.client.post(path, headers=elsewhere).status_code == 403
    assert Browser(app).client.post(path).status_code == 401


def test_bodies_are_shown_where_they_are_kept(signed_in: Browser, parts: Gateway) -> None:
    log(parts, 1)
    body = RequestBody(
        request_id="req_1", started_at=1, kept="full", question='{"a":[1]}', answer="data: {<b>"
    )
    with Session(parts.engine) as session, session.begin():
        session.add(body)
    page = signed_in.get(f"{LIST}/req_1").text
    assert "{\n  &#34;a&#34;: [\n    1\n  ]\n}" in page and "data: {&lt;b&gt;" in page


def test_hostile_words_are_only_text(signed_in: Browser, parts: Gateway, book: ClientBook) -> None:
    book.create({"name": SCRIPT})
    names = ("client_name", "model", "model_asked", "provider", "error_code", "error_message")
    hostile = dict.fromkeys((*names, "finish_reason", "client_request_id"), SCRIPT)
    skipped = [{"skipped": SCRIPT}]
    log(parts, 1, status=500, attempt_log=skipped, tool_names=[SCRIPT], flags=[SCRIPT], **hostile)
    for path in (LIST, f"{LIST}/req_1", f"{LIST}?model=%22%3E{SCRIPT}"):
        page = signed_in.get(path).text
        assert SCRIPT not in page and "&lt;script&gt;" in page


def test_hostile_words_of_calls_under_way_are_only_text(signed_in: Browser, parts: Gateway) -> None:
    class Call:
        def told(self) -> dict[str, Any]:
            return {"request_id": SCRIPT, "started_at": 0, "client_name": f"'\"{SCRIPT}"}

        def cancel(self) -> None: ...

    parts.in_flight.calls["one"] = Call()
    page = signed_in.get(LIST).text
    assert SCRIPT not in page
    (told,) = re.findall("data-calls='([^']*)'", page)
    assert json.loads(html.unescape(told))["calls"][0]["client_name"] == f"'\"{SCRIPT}"


def test_a_request_that_is_not_there_is_a_page(signed_in: Browser) -> None:
    answer = signed_in.get(f"{LIST}/req_none")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize("path", [LIST, f"{LIST}/req_1", "/admin/dashboard/parts", "/admin/ws"])
def test_nobody_sees_them_without_a_sign_in(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code in (302, 400), answer.status
    assert "/admin/login" in answer.headers.get("Location", "/admin/login")
