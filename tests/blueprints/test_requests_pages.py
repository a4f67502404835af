"""The pages of the request log: what is listed, and what is told of one request."""

import re
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from gateway.context import Gateway
from gateway.store.client_book import ClientBook
from gateway.store.models import RequestBody
from tests.blueprints.browser import Browser
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
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
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
        "Price list, m input $0.5 a million",
        "rate_limit_minute 59 of 60 left",
        "Dropped top_k",
        "None were kept.",
    ):
        assert told in words, words


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


def test_a_request_that_is_not_there_is_a_page(signed_in: Browser) -> None:
    answer = signed_in.get(f"{LIST}/req_none")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize("path", [LIST, f"{LIST}/req_1", "/admin/dashboard/parts", "/admin/ws"])
def test_nobody_sees_them_without_a_sign_in(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code in (302, 400), answer.status
    assert "/admin/login" in answer.headers.get("Location", "/admin/login")
