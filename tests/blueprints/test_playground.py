"""The playground: an admin asks as a client would, and the call counts as the client's."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gateway.context import Gateway
from gateway.limits import standing
from gateway.store import audit
from gateway.store.client_book import ClientBook
from gateway.store.log_pages import find_request
from tests.blueprints.browser import Browser, installed, running
from tests.blueprints.test_clients_pages import HOSTILE

PAGE = "/admin/playground"
QUESTION = {
    "model": "demo",
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """One whose demo answers without a pause, and that tries once."""
    config = tmp_path / "config.yaml"
    config.write_text("{demo: {tokens_per_second: 0}, upstream: {max_retries: 0}}")
    with running(installed(tmp_path, config)) as app:
        yield app


def test_an_answer_streams_and_is_the_clients(
    signed_in: Browser, parts: Gateway, book: ClientBook
) -> None:
    row, _ = book.create({"name": "shop", "rate_limit_day": 5, "model_aliases": {"*": "demo"}})
    answer = ask(signed_in, row.id)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    events = answer.text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    told = [orjson.loads(event.removeprefix("data: ")) for event in events[:-1]]
    text = "".join(c["delta"].get("content") or "" for one in told for c in one["choices"])
    assert "You wrote" in text and told[-1]["usage"]["completion_tokens"] > 0
    logged = logged_call(parts, answer)
    assert (logged["door"], logged["client_id"], logged["status"]) == ("playground", row.id, 200)
    (day,) = standing(row, parts.shared)
    assert (day["limit"], day["used"]) == ("rate_limit_day", 1)


def test_who_sent_it_stands_in_the_audit_log(
    signed_in: Browser, parts: Gateway, book: ClientBook
) -> None:
    request_id = ask(signed_in, 1).headers["x-request-id"]
    entry = audit.entries(parts.engine, 1)[0][0]
    assert (entry.actor, entry.action) == ("admin", "playground.ask")
    assert (entry.subject, entry.subject_id) == ("demo", 1)
    assert entry.changes == {"request": [None, request_id]}
    assert request_id in signed_in.get("/admin/audit").text


def test_limits_hold_and_are_told(signed_in: Browser, parts: Gateway, book: ClientBook) -> None:
    book.update(1, {"rate_limit_day": 1})
    assert ask(signed_in, 1).status_code == 200
    answer = ask(signed_in, 1)
    assert (answer.status_code, answer.json["error"]["code"]) == (429, "rate_limit_exceeded")  # type: ignore[index]
    assert logged_call(parts, answer)["door"] == "playground"


@pytest.mark.parametrize(
    ("fields", "body", "status", "code"),
    [
        ({"is_active": False}, QUESTION, 403, "client_disabled"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, QUESTION, 403, "client_expired"),
        ({"allowed_models": ["demo"]}, {**QUESTION, "model": "gpt"}, 404, "model_not_found"),
        ({"provider": "groq"}, QUESTION, 502, "no_credentials"),
        ({}, {**QUESTION, "temperature": "hot"}, 400, "invalid_value"),
        ({}, {**QUESTION, "messages": []}, 400, "invalid_value"),
        ({}, {**QUESTION, "model": "demo-error-429"}, 429, "rate_limit_exceeded"),
    ],
)
def test_errors_are_those_of_any_call(
    signed_in: Browser,
    book: ClientBook,
    fields: dict[str, Any],
    body: dict[str, Any],
    status: int,
    code: str,
) -> None:
    row, _ = book.create({"name": "shop", **fields})
    answer = ask(signed_in, row.id, body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)  # type: ignore[index]
    assert answer.json["error"]["message"]  # type: ignore[index]


def test_there_is_nobody_to_ask_as(signed_in: Browser) -> None:
    answer = ask(signed_in, 999)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "client_not_found")  # type: ignore[index]
    assert signed_in.get(f"{PAGE}/clients/999").status_code == 404
    assert signed_in.get(f"{PAGE}?client=999").status_code == 404
    assert signed_in.get(f"{PAGE}?client=x").status_code == 422


def test_a_viewer_looks_and_does_not_ask(signed_in: Browser, parts: Gateway) -> None:
    token = signed_in.token("/admin/account")
    with parts.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE admins SET role = 'viewer'")
    page = signed_in.get(PAGE).text
    assert "A viewer may look, but not ask" in page
    assert 'id="send"' not in page
    assert signed_in.get(f"{PAGE}/clients/1").status_code == 200
    answer = ask(signed_in, 1, token=token)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "admin_role_required")  # type: ignore[index]
    assert not parts.ledger.waiting


def test_nobody_else_may_ask(app: Flask, signed_in: Browser, parts: Gateway) -> None:
    path = f"{PAGE}/clients/1"
    assert signed_in.client.post(path, json=QUESTION).status_code == 400
    headers = {"X-CSRFToken": signed_in.token("/admin/account"), "Origin": "https://evil.example"}
    answer = signed_in.client.post(path, json=QUESTION, headers=headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "cross_site_request")  # type: ignore[index]
    stranger = Browser(app)
    assert ask(stranger, 1, token=stranger.token("/admin/login")).status_code == 302
    for at in (PAGE, path, f"{PAGE}/requests/req_{'0' * 24}"):
        assert stranger.get(at).status_code == 302
    assert not parts.ledger.waiting


def test_the_page_knows_what_a_client_may_ask(signed_in: Browser, book: ClientBook) -> None:
    fields = {"default_model": "demo", "model_aliases": {"fast": "demo", "gpt-*": "demo"}}
    row, _ = book.create({"name": "shop", "system_prompt": "Be brief.", **fields})
    told = facts(signed_in, row.id)
    assert told["models"][:2] == ["demo", "demo-error-429"] and "fast" in told["models"]
    assert "gpt-*" not in told["models"]
    assert (told["state"], told["default_model"], told["models_problem"]) == (
        "active",
        "demo",
        None,
    )
    assert told["has_system_prompt"] and told["tools"] == []
    book.update(row.id, {"allowed_models": ["demo"], "is_active": False})
    told = facts(signed_in, row.id)
    assert (told["models"], told["state"]) == (["demo", "fast"], "disabled")


def test_models_that_cannot_be_listed_are_told_to_be(signed_in: Browser, book: ClientBook) -> None:
    address = {"provider_base_url": "http://127.0.0.1:9/v1", "provider_api_key": "theirs"}
    row, _ = book.create({"name": "x", "provider": "groq", "default_model": "llama", **address})
    told = facts(signed_in, row.id)
    assert told["models"] == ["llama"] and told["models_problem"]
    assert "theirs" not in str(told)


def test_the_gateways_own_tools_are_named(
    signed_in: Browser, parts: Gateway, book: ClientBook
) -> None:
    enabled = {"enabled": ["get_date", "calculate"]}
    row, _ = book.create({"name": "x", "tool_mode": "gateway", "server_tools": ["*"]})
    signed_in.client.put("/admin/api/tools", json=enabled)
    assert facts(signed_in, row.id)["tools"] == ["get_date", "calculate"]
    book.update(row.id, {"tool_mode": "pass-through"})
    assert facts(signed_in, row.id)["tools"] == []
    assert facts(signed_in, row.id)["model_to_try"] == "demo"


def test_what_a_call_came_to_is_told_once_it_is_known(signed_in: Browser, parts: Gateway) -> None:
    assert signed_in.get(f"{PAGE}/requests/req_{'0' * 24}").status_code == 204
    request_id = ask(signed_in, 1).headers["x-request-id"]
    assert signed_in.get(f"{PAGE}/requests/{request_id}").status_code == 204
    assert parts.ledger.flush()
    told = signed_in.get(f"{PAGE}/requests/{request_id}").json
    assert told is not None
    assert (told["status"], told["cost_usd"], told["estimated"]) == (200, 0, False)
    assert told["output_tokens"] > 0 and told["first_byte_ms"] <= told["total_ms"]


def test_without_a_client_it_says_what_to_do(signed_in: Browser, book: ClientBook) -> None:
    book.delete(1)
    page = signed_in.get(PAGE).text
    assert "There is no client yet." in page and 'href="/admin/clients/new"' in page
    assert 'id="send"' not in page


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert(signed_in: Browser, book: ClientBook, name: str) -> None:
    if name.isprintable():
        book.create({"name": name})
    page = signed_in.get(PAGE).text
    assert HOSTILE[0] not in page and "<img src=x" not in page
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)


def test_no_key_is_on_the_page(signed_in: Browser, book: ClientBook) -> None:
    row, key = book.create({"name": "x", "provider": "groq", "provider_api_key": "upstreams-own"})
    told = signed_in.get(f"{PAGE}?client={row.id}").text + str(facts(signed_in, row.id))
    assert key not in told and "upstreams-own" not in told


def ask(
    browser: Browser, client_id: int, body: Any = QUESTION, token: str | None = None
) -> TestResponse:
    headers = {"X-CSRFToken": token or browser.token("/admin/account")}
    answer = browser.client.post(f"{PAGE}/clients/{client_id}", json=body, headers=headers)
    answer.get_data()  # to its end
    return answer


def facts(browser: Browser, client_id: int) -> dict[str, Any]:
    told: dict[str, Any] | None = browser.get(f"{PAGE}/clients/{client_id}").json
    assert told is not None
    return told


def logged_call(parts: Gateway, answer: TestResponse) -> dict[str, Any]:
    assert parts.ledger.flush()
    row = find_request(parts.engine, answer.headers["x-request-id"])
    assert row is not None
    return row
