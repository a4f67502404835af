"""What the admin's pages have in common, and what the first of them shows."""

import html
import json
import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from gateway.context import Gateway
from gateway.store.client_book import ClientBook
from gateway.store.models import LOG_COLUMNS, RequestLog
from tests.blueprints.browser import DASHBOARD, HOME, LOGIN, Browser, installed, running

SCRIPT = "<script>alert('1')</script>"


def log(parts: Gateway, number: int, **values: Any) -> None:
    with Session(parts.engine) as session, session.begin():
        session.add(RequestLog(**logged(number, **values)))


def entered(parts: Gateway, number: int, **values: Any) -> None:
    """By the ledger, so that it counts in the statistics."""
    row = dict.fromkeys(LOG_COLUMNS) | logged(number, **values)
    parts.ledger.add([row[name] for name in LOG_COLUMNS])


def logged(number: int, **values: Any) -> dict[str, Any]:
    row = {
        "request_id": f"req_{number}",
        "started_at": 1_790_000_000_000 + number * 1000,
        "client_id": 1,
        "client_name": "demo",
        "door": "openai",
        "model_asked": "asked-for",
        "provider": "demo",
        "model": f"model-{number}",
        "streamed": False,
        "status": 200,
        "attempts": 1,
        "total_ms": 1234.5,
        "input_tokens": 12_000,
        "output_tokens": 30,
        "estimated": False,
    }
    return {**row, **values}


@pytest.mark.parametrize("path", ["/", HOME, DASHBOARD, LOGIN, "/admin/nothing"])
def test_pages_are_kept_by_no_cache_and_run_only_our_scripts(signed_in: Browser, path: str) -> None:
    for answer in (signed_in.get(path), Browser(signed_in.client.application).get(path)):
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        if path != "/admin/nothing":
            assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [DASHBOARD, LOGIN, "/admin/nothing"])
def test_all_that_a_page_loads_is_a_file_of_ours(
    browser: Browser, parts: Gateway, path: str
) -> None:
    log(parts, 1)
    if path != LOGIN:
        browser.sign_in()
    page = browser.get(path).text
    loaded = re.findall(r'<(?:link|script|img)\b[^>]*?(?:href|src)="([^"]+)"', page)
    assert loaded
    for address in loaded:
        with browser.get(address) as answer:
            assert (address[:8], answer.status_code) == ("/static/", 200)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)


def test_the_dashboard_tells_where_the_gateway_is(signed_in: Browser) -> None:
    page = signed_in.get(DASHBOARD).text
    assert "<code>http://localhost/v1</code>" in page
    assert 'href="/health/ready"' in page and 'href="/metrics"' in page
    assert re.search(r"<dt>Version</dt><dd>\d+\.\d+\.\d+</dd>", page)


def test_no_key_is_on_the_page(signed_in: Browser, book: ClientBook) -> None:
    key = book.create({"name": "shop", "provider": "groq", "provider_api_key": "upstreams-own"})[1]
    page = signed_in.get(DASHBOARD).text
    assert key not in page and "upstreams-own" not in page


def test_hostile_names_are_only_text(signed_in: Browser, book: ClientBook, parts: Gateway) -> None:
    book.create({"name": SCRIPT, "default_model": '"><img src=x onerror=alert(1)>'})
    log(parts, 1, client_name=SCRIPT, model=SCRIPT, error_code='"><b>', status=500)
    page = signed_in.get(DASHBOARD).text
    assert SCRIPT not in page and "<img src=x" not in page and "<b>" not in page
    assert page.count("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;") == 2


def test_the_newest_requests_come_first(signed_in: Browser, parts: Gateway) -> None:
    for number in (3, 1, 2):
        log(parts, number)
    log(parts, 4, status=429, error_code="rate_limit_exceeded", model=None, client_name=None)
    log(parts, 5, input_tokens=None, output_tokens=7, estimated=True)
    page = signed_in.get(DASHBOARD).text
    assert [row[2:] for row in table(page, "requests")] == [
        ["model-5", "200", "1.23 s", "–", "about ≈ 7"],
        ["asked-for", "429 rate_limit_exceeded", "1.23 s", "12,000", "30"],
        ["model-3", "200", "1.23 s", "12,000", "30"],
        ["model-2", "200", "1.23 s", "12,000", "30"],
        ["model-1", "200", "1.23 s", "12,000", "30"],
    ]
    assert '<time datetime="2026-09-21T14:13:21.000Z">2026-09-21 14:13:21 UTC</time>' in page


def test_a_long_log_is_not_all_listed(signed_in: Browser, parts: Gateway) -> None:
    for number in range(30):
        log(parts, number)
    assert len(table(signed_in.get(DASHBOARD).text, "requests")) == 20


def test_a_newcomer_is_told_what_to_do(signed_in: Browser, book: ClientBook) -> None:
    page = signed_in.get(DASHBOARD).text
    assert "curl http://localhost/v1/chat/completions" in page
    assert "Bearer $GATEWAY_KEY" in page
    assert f'href="/admin/clients/{book.find("demo").id}"' in page
    book.delete(book.find("demo").id)
    page = signed_in.get(DASHBOARD).text
    assert "flask --app app create-client try" in page
    assert 'href="/admin/clients/new"' in page
    assert "curl" not in page


@pytest.mark.parametrize(
    ("costs", "told", "note"),
    [
        ([], "$0.00", "all prices known"),
        (["1.5", "0"], "$1.50", "all prices known"),
        ([None, None], "unknown", "2 calls unpriced"),
        (["1.23", None, None, None], "$1.23 +", "3 calls unpriced"),
        (["0", None], "$0.00 +", "1 call unpriced"),
    ],
)
def test_an_unknown_price_is_not_nothing(
    signed_in: Browser, parts: Gateway, costs: list[str | None], told: str, note: str
) -> None:
    began = round(time.time() * 1000) - 1000
    for number, cost in enumerate(costs):
        values: dict[str, Any] = {"cost_usd": cost and Decimal(cost), "model": "one"}
        entered(parts, number, started_at=began, **values)
    failed = {"status": 503, "input_tokens": None, "output_tokens": None, "model": "one"}
    entered(parts, 99, started_at=began, **failed)
    assert parts.ledger.flush()
    cell = f"{told} {note}" if "unpriced" in note else told
    for path in (DASHBOARD, "/admin/clients/1"):
        page = signed_in.get(path).text
        assert f'<dd data-figure="cost">{told}</dd>' in page
        assert f'<dd class="quiet">{note}</dd>' in page
        for kind in ("model", "client", "provider") if path == DASHBOARD else ("model",):
            assert [row[-1] for row in table(page, f"by-{kind}")] == [cell]


@pytest.mark.parametrize("span", ["1h", "24h", "7d", "30d", "13h", ""])
def test_a_time_can_be_chosen(signed_in: Browser, span: str) -> None:
    shown = span if span in ("1h", "7d", "30d") else "24h"
    page = signed_in.get(f"{DASHBOARD}?range={span}").text
    assert re.search(rf'<a href="\?range={shown}"[^>]*aria-current="true"', page)
    assert f'data-live="/admin/ws?range={shown}"' in page


def test_figures_are_those_of_the_log(signed_in: Browser, parts: Gateway) -> None:
    began = time.time() - 1
    rows: list[dict[str, Any]] = [
        {"client_id": 7, "input_tokens": 1_200_000, "cost_usd": Decimal("1.5"), "price": None},
        {"client_id": 8, "status": 502, "input_tokens": None, "output_tokens": None},
        {"client_id": None, "status": 401, "provider": None, "model": None},
    ]
    for number, values in enumerate(rows):
        entered(parts, number, started_at=int(began * 1000), **values)
    parts.ledger.flush()
    page = signed_in.get(f"{DASHBOARD}?range=1h").text
    found = dict(re.findall(r'data-figure="([^"]+)">([^<]*)<', page))
    assert (found["requests"], found["errors"]) == ("3", "2")
    assert (found["tokens"], found["cost"], found["clients"]) == ("1.21 M", "$1.50 +", "2")
    assert found["latency"] == "1.25 s" and found["in-flight"] == "0"
    assert [row[0] for row in table(page, "by-client")] == [
        *("no valid key", "deleted client 7", "deleted client 8")
    ]
    series = json.loads(html.unescape(re.search(r"data-series='([^']+)'", page)[1]))  # type: ignore[index]
    assert sum(series["requests"]) == 3 and len(series["at"]) == 60


@pytest.mark.parametrize(("answered", "is_grave"), [(1, True), (20, False)])
def test_errors_lead_to_the_requests_that_failed(
    signed_in: Browser, parts: Gateway, answered: int, is_grave: bool
) -> None:
    began = int(time.time() * 1000)
    entered(parts, 0, started_at=began, status=502, provider="groq", model="llama")
    for number in range(answered):
        entered(parts, number + 1, started_at=began, model="fine")
    assert parts.ledger.flush()
    page = html.unescape(signed_in.get(f"{DASHBOARD}?range=1h").text)
    assert 'href="/admin/requests?status=failed">show them' in page
    assert 'href="/admin/requests?status=failed&provider=groq&model=llama"' in page
    assert 'href="/admin/providers/groq"' in page
    assert ('class="tile grave"' in page) is is_grave


def test_its_parts_can_be_asked_for(signed_in: Browser, parts: Gateway) -> None:
    log(parts, 1)
    found = signed_in.get(f"{DASHBOARD}/parts?range=1h").json
    assert found is not None
    assert set(found) == {"banner", "in-flight", "recent", "figures", "shares", "series"}
    assert "model-1" in found["recent"] and found["banner"].strip() == ""


def test_what_is_amiss_is_told(signed_in: Browser, parts: Gateway) -> None:
    parts.metrics.breaker("groq", "<llama>", True)
    parts.states.degraded = "state: a disk is full"
    page = signed_in.get(DASHBOARD).text
    assert "state: a disk is full" in page
    assert re.search(r"Breaker open.*/admin/providers/groq.*groq.*&lt;llama&gt;", page, re.S)
    parts.metrics.breaker("groq", "<llama>", False)
    assert "Breaker open" not in signed_in.get(DASHBOARD).text


def test_metrics_that_are_off_are_not_linked(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("metrics: {enabled: false}")
    with running(installed(tmp_path, path=tmp_path / "config.yaml")) as app:
        browser = Browser(app)
        browser.sign_in()
        assert 'href="/metrics"' not in browser.get(DASHBOARD).text


def test_a_missing_page_is_told_in_html(signed_in: Browser) -> None:
    answer = signed_in.get("/admin/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "<h1>Not Found</h1>" in answer.text


def test_a_database_that_is_away_is_told_in_html(signed_in: Browser, parts: Gateway) -> None:
    with parts.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE admins")
    answer = signed_in.get(DASHBOARD)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "<h1>Service Unavailable</h1>" in answer.text


def table(page: str, name: str) -> list[list[str]]:
    """The words in the cells of a table's body."""
    body = re.search(rf'<table[^>]*"{name}".*?<tbody[^>]*>(.*?)</tbody>', page, re.S)
    assert body, f"there is no table {name}"
    rows = re.findall(r"<tr\b.*?</tr>", body[1], re.S)
    return [
        [_words(cell) for cell in re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.S)] for row in rows
    ]


def _words(cell: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", cell).split())
