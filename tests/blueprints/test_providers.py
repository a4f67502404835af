"""Providers, by the API and as a person sees them: how each does, its models and prices."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import event

from gateway.context import Gateway
from gateway.store import admins
from tests.blueprints.browser import Browser
from tests.blueprints.person import Person
from tests.blueprints.test_dashboard import entered
from tests.blueprints.visitor import WITH_PASSWORD
from tests.running import PATIENCE, Running
from tests.upstream import Json, Upstream, completion, failure

SECRET = "sk-hunter2-hunter2"
OTHER = "another password"
MODELS = [f"vendor/model-{number}" for number in range(400)]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Running]:
    settings = {
        "demo": {"tokens_per_second": 0},
        "admin": {"sign_in_per_minute": 1000},
        "upstream": {"max_retries": 0},
        "breaker": {"failures": 2, "pause": 3600},
        "providers": {
            "openai": {"api_key": SECRET, "base_url": upstream.base_url},
            "groq": {"api_key": SECRET, "base_url": upstream.base_url},
        },
        "prices": {"openai": {"gpt-4o": {"input": 1.5, "output": "20"}, "mine-*": {"input": 1}}},
    }
    folder = tmp_path_factory.mktemp("providers")
    with Running(folder, settings, workers=2, environment=WITH_PASSWORD) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def fresh(upstream: Upstream) -> None:
    upstream.clear()


def told(gateway: Running, provider: str) -> dict[str, Any]:
    answer = gateway.admin("GET", "/providers")
    assert answer.status == 200
    return next(one for one in answer.json["items"] if one["id"] == provider)


def fail(gateway: Running, upstream: Upstream, model: str, **fields: Any) -> None:
    """Until every worker's breaker is open for the model."""
    upstream.script(model, failure(500, "no GPU is free"))
    key = gateway.client(provider="openai", **fields)
    question = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}

    def open_everywhere() -> bool:
        gateway.chat(key, question)
        found = told(gateway, "openai")["breaker"]
        return {"model": model, "workers": 2} in found

    gateway.wait_until(open_everywhere, "both workers' breakers")


def test_all_providers_are_told_and_whether_there_is_a_key(gateway: Running) -> None:
    answer = gateway.admin("GET", "/providers")
    found = {one["id"]: one for one in answer.json["items"]}
    assert len(found) == 16
    assert found["openai"]["credentials"] == {"key": "set", "configured": True}
    assert found["anthropic"]["credentials"] == {"key": "not set", "configured": False}
    assert found["demo"]["credentials"] == {"key": "not needed", "configured": True}
    assert found["demo"]["base_url"] is None
    assert found["openrouter"]["dialects"] == ["openai", "responses"]
    assert found["gemini"]["base_url"].startswith("https://generativelanguage.")
    assert SECRET.encode() not in answer.body


def test_clients_requests_and_failures_count(gateway: Running, upstream: Upstream) -> None:
    upstream.script("well", Json(completion()))
    upstream.script("ill", failure(503, "come back later"))
    before = told(gateway, "groq")
    key = gateway.client(provider="groq")
    for model, status in (("well", 200), ("ill", 503), ("well", 200)):
        question = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        last = gateway.chat(key, question)
        assert last.status == status
    gateway.rows(3, provider="groq")
    found = told(gateway, "groq")
    assert found["clients"] == before["clients"] + 1
    assert (found["last_hour"]["requests"], found["last_hour"]["errors"]) == (3, 1)
    assert found["last_hour"]["latency_ms"]["p50"] > 0
    error = found["last_error"]
    assert (error["model"], error["status"]) == ("ill", 503)
    assert "come back later" in error["message"]
    assert gateway.admin("GET", f"/requests/{error['request_id']}").json["model"] == "ill"


def test_a_caller_that_hangs_up_is_no_error_of_the_provider(
    signed_in: Browser, parts: Gateway
) -> None:
    began = round(time.time() * 1000) - 1000
    for number, status in enumerate((200, 499, 499, 499)):
        values = {"started_at": began, "status": status, "provider": "groq"}
        entered(parts, number, **values)
    assert parts.ledger.flush()
    listed = re.sub(r"\s+", " ", signed_in.get("/admin/providers").text)
    assert re.search(r'data-label="Errors"[^>]*>0 % <span class="meaning">3 hung up</span>', listed)
    page = signed_in.get("/admin/providers/groq").text
    assert '<dd data-figure="errors">0 %</dd>' in page and "3 hung up</dd>" in page
    assert "grave" not in page
    entered(parts, 9, started_at=began, status=502, provider="groq")
    assert parts.ledger.flush()
    page = signed_in.get("/admin/providers/groq").text
    assert '<dd data-figure="errors">50 %</dd>' in page and "grave" in page


def test_a_failure_that_a_fallback_hides_is_told_all_the_same(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.script("weak", failure(500, "out of memory"))
    before = told(gateway, "openai")
    key = gateway.client(provider="openai", fallback_models=["demo/demo"])
    question = {"model": "weak", "messages": [{"role": "user", "content": "Hi"}]}
    answer = gateway.chat(key, question)
    assert (answer.status, answer.headers["x-gateway-provider"]) == (200, "demo")
    gateway.rows(1, request_id=answer.headers["x-request-id"])
    found = told(gateway, "openai")
    assert found["last_hour"]["errors"] == before["last_hour"]["errors"]
    assert found["failed_tries"] == before["failed_tries"] + 1
    assert found["last_error"]["request_id"] == answer.headers["x-request-id"]


def test_open_breakers_of_all_workers_are_told(gateway: Running, upstream: Upstream) -> None:
    fail(gateway, upstream, "broken")
    models = gateway.admin("GET", "/providers/openai").json["models"]
    assert next(one for one in models if one["id"] == "broken")["breaker_open"]
    assert told(gateway, "groq")["breaker"] == []


def test_a_list_that_is_fetched_is_known_to_all_workers(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.models(MODELS)
    answer = gateway.admin("POST", "/providers/openai/fetch-models")
    assert answer.status == 200
    assert upstream.requests[-1].keys == {SECRET}
    for _ in range(10):  # whichever worker is asked
        found = gateway.admin("GET", "/providers/openai").json
        names = [one["id"] for one in found["models"]]
        assert names[-400:] == MODELS and found["models_fetched_at"]
    assert SECRET.encode() not in answer.body
    entries = gateway.admin("GET", "/audit").json["items"]
    assert ("provider.fetch-models", "openai") in [(e["action"], e["subject"]) for e in entries]


def test_prices_are_told_and_which_are_our_own(gateway: Running) -> None:
    models = {one["id"]: one for one in gateway.admin("GET", "/providers/openai").json["models"]}
    price = models["gpt-4o"]["price"]
    assert price["source"] == "config.yaml"
    assert price["usd_per_million"] == {"input": "1.5", "output": "20"}
    assert "mine-*" not in models


def test_what_cannot_be_fetched_is_told(gateway: Running, upstream: Upstream) -> None:
    upstream.always(failure(401, f"Incorrect API key provided: {SECRET}"))
    answer = gateway.admin("POST", "/providers/groq/fetch-models")
    assert answer.status >= 400
    assert SECRET not in answer.body.decode() + gateway.output
    answer = gateway.admin("POST", "/providers/anthropic/fetch-models")
    assert (answer.status, answer.error["code"]) == (400, "no_credentials")
    assert gateway.admin("GET", "/providers/nothing").status == 404
    assert gateway.admin("POST", "/providers/nothing/fetch-models").status == 404


def test_a_person_sees_a_breaker_open_and_finds_a_model(
    person: Person, gateway: Running, upstream: Upstream
) -> None:
    page = person.page
    person.go("providers")
    person.is_live()
    row = page.locator('[data-provider="openai"]')
    expect(row).not_to_contain_text("seen-live")
    fail(gateway, upstream, "seen-live")
    expect(row).to_contain_text("seen-live", timeout=PATIENCE * 1000)
    expect(row).to_contain_text("in 2 of 2 workers")
    expect(row).to_contain_text("no GPU is free")
    row.get_by_role("link", name="OpenAI").click()
    person.is_live()
    upstream.models(MODELS)
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_text("OpenAI lists 400 models.")).to_be_visible()
    page.get_by_label("Search").fill("model-399")
    expect(page.locator("[data-filter-row]:visible")).to_have_count(1)
    page.get_by_label("Search").fill("gpt-4o")
    expect(page.locator("[data-filter-row]:visible")).to_contain_text("$20.00")
    assert SECRET not in page.content()


def test_a_fetch_that_fails_says_why(person: Person, upstream: Upstream) -> None:
    upstream.always(failure(401, "Incorrect API key provided"))
    person.go("providers/groq")
    person.press("Fetch")
    notice = person.page.get_by_role("status").filter(has_text="was not fetched")
    expect(notice).to_contain_text("Incorrect API key")
    person.go("providers/azure-openai")
    expect(person.page.get_by_text("No model is known yet.")).to_be_visible()
    expect(person.page.get_by_role("button", name="Fetch")).to_have_count(0)


def test_a_viewer_looks_and_fetches_nothing(app: Any, parts: Gateway) -> None:
    admins.create(parts.engine, "test", "eve", OTHER, "viewer")
    viewer = Browser(app)
    viewer.sign_in(OTHER, username="eve")
    page = viewer.get("/admin/providers/ollama")
    assert page.status_code == 200 and "Fetch the list" not in page.text
    form = {"csrf_token": viewer.token("/admin/providers")}
    path = "/admin/providers/ollama/fetch-models"
    assert viewer.client.post(path, data=form).status_code == 403
    assert viewer.client.post("/admin/api/providers/ollama/fetch-models").status_code == 403
    assert viewer.get("/admin/api/providers").status_code == 200


@pytest.mark.parametrize("path", ["/admin/providers", "/admin/providers/openai"])
def test_a_page_asks_the_database_a_few_times(
    signed_in: Browser, parts: Gateway, path: str
) -> None:
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(parts.engine, "before_cursor_execute", note)
    assert signed_in.get(path).status_code == 200
    assert 0 < len(asked) <= 10


def test_a_page_without_traffic_says_what_to_do(signed_in: Browser) -> None:
    page = signed_in.get("/admin/providers/openai").text
    assert "Only clients with a key of their own reach it." in page
    assert "No model is known yet." in page
