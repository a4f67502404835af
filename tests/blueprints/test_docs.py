"""The documentation of the API: OpenAPI that is held to the routes and to the answers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.sync_api import expect

from gateway.blueprints.admin.requests_api import FILTERS
from gateway.blueprints.docs.document import document, is_documented
from gateway.blueprints.docs.operations import OPERATIONS
from gateway.context import Gateway
from gateway.store import admins
from tests.blueprints.browser import PASSWORD, Browser
from tests.blueprints.person import Person
from tests.failure.caller import QUESTION
from tests.running import TOKEN, Running

OPENAPI, PAGE = "/openapi.json", "/docs"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
HEAVIEST = 400_000
DOORS = (
    "post_v1_chat_completions",
    "post_v1_responses",
    "post_v1_messages",
    "post_v1_messages_count_tokens",
    "post_v1_models_model_generateContent",
    "post_v1_models_model_streamGenerateContent",
    "post_v1_models_model_countTokens",
    "get_v1_models",
    "get_v1_models_model",
    "get_v1_usage",
    "get_health",
    "get_health_ready",
    "get_metrics",
    "get_admin_api_clients",
    "post_admin_api_clients",
    "post_admin_api_clients_client_id_preview",
    "post_admin_api_tools_name_run",
    "get_admin_api_requests_csv",
)
"""Those whose examples work on a new gateway as they stand there."""
CHECKS = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
"""No answer is a 500, since no 500 is in the document."""


@pytest.fixture
def told(app: Flask) -> dict[str, Any]:
    return document(app)


def operations(told: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


# The document.


def test_it_is_openapi(told: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(told).iter_errors()) == []


def test_it_names_every_route_with_every_method_and_nothing_else(
    app: Flask, told: dict[str, Any]
) -> None:
    wanted = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        if is_documented(rule)
        for method in (rule.methods or set()) & METHODS
    }
    find = app.url_map.bind("localhost")
    named = set()
    for path, method, _ in operations(told):
        filled = re.sub(r"{(\w+)}", "1", path)
        rule, _ = find.match(filled, method, return_rule=True)
        named.add((rule.rule, method))
    assert named == wanted


def test_pages_alone_are_left_out(app: Flask) -> None:
    left_out = {rule.endpoint for rule in app.url_map.iter_rules() if not is_documented(rule)}
    assert {name for name in left_out if not name.startswith("pages.")} == {"static"}


def test_the_table_names_no_view_that_is_not_there(app: Flask) -> None:
    assert OPERATIONS.keys() <= app.view_functions.keys()


def test_a_view_that_the_table_does_not_know_is_there_by_its_docstring(app: Flask) -> None:
    def show_things(thing_id: int) -> str:
        """The things of a day.

        There are many.
        """
        return ""

    app.add_url_rule("/admin/api/things/<int:thing_id>", "admin_api.things.show", show_things)
    told = document(app)["paths"]["/admin/api/things/{thing_id}"]["get"]
    assert (told["summary"], told["description"]) == ("The things of a day", "There are many.")
    assert told["parameters"][0]["schema"]["type"] == "integer"
    assert {"2XX", "401", "403", "404"} <= told["responses"].keys()


def test_the_log_is_asked_by_the_filters_that_there_are(told: dict[str, Any]) -> None:
    for path, more in (("requests", {"cursor", "limit"}), ("requests.csv", set[str]())):
        asked = told["paths"][f"/admin/api/{path}"]["get"]["parameters"]
        assert {one["name"] for one in asked} == {*FILTERS, *more}


def test_each_operation_has_a_name_of_its_own_and_says_what_it_is(told: dict[str, Any]) -> None:
    every = list(operations(told))
    assert len({one["operationId"] for _, _, one in every}) == len(every)
    assert all(one["summary"] and one["responses"] for _, _, one in every)
    assert not any({"500", "5XX", "default"} & one["responses"].keys() for _, _, one in every)


def test_a_client_of_the_document_is_one_of_the_api(told: dict[str, Any], signed_in: Any) -> None:
    made = signed_in.client.post("/admin/api/clients", json={"name": "x"}).json["client"]
    shape = told["components"]["schemas"]["Client"]
    assert shape["properties"].keys() == set(shape["required"]) == made.keys()


# Who may see it.


def test_strangers_are_sent_to_the_sign_in(browser: Browser) -> None:
    assert browser.get(PAGE).location == "/admin/login?next=/docs"
    assert browser.get(OPENAPI).status_code == 401


def test_who_has_signed_in_sees_it(app: Flask, signed_in: Browser, parts: Gateway) -> None:
    admins.create(parts.engine, "test", "eve", PASSWORD, "viewer")
    eve = Browser(app)
    eve.sign_in(username="eve")
    for browser in (signed_in, eve):
        assert json.loads(browser.get(OPENAPI).data)["openapi"] == "3.1.1"
        page = browser.get(PAGE)
        assert page.status_code == 200 and 'aria-current="page">API<' in page.text
        assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [PAGE, OPENAPI])
def test_it_may_be_public(browser: Browser, parts: Gateway, path: str) -> None:
    docs = parts.settings.docs.model_copy(update={"public": True})
    parts.settings = parts.settings.model_copy(update={"docs": docs})
    answer = browser.get(path)
    assert answer.status_code == 200
    assert "Sign out" not in answer.text


def test_a_strange_host_is_inert_on_the_page(signed_in: Browser) -> None:
    page = signed_in.client.get(PAGE, headers={"Host": 'x"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text


# The page.


def test_the_page_shows_every_path_and_its_links_lead_somewhere(
    signed_in: Browser, told: dict[str, Any]
) -> None:
    page = signed_in.get(PAGE).text
    for path in told["paths"]:
        assert f"<code>{path}</code>" in page
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids


def test_it_weighs_little_finds_and_leads(person: Person) -> None:
    page, weights = person.page, []
    page.on("requestfinished", lambda one: weights.append(one.sizes()["responseBodySize"]))
    page.goto(f"{person.gateway.origin}{PAGE}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert 0 < sum(weights) < HEAVIEST
    page.get_by_label("Find").fill("post rotate")
    expect(page.locator(".call:visible")).to_have_count(1)
    page.locator(".call:visible summary").click()
    page.get_by_role("link", name="KeyRotation").click()
    expect(page.locator("#shape-KeyRotation")).to_contain_text("grace_seconds")
    expect(page.get_by_label("Find")).to_have_value("")


def test_its_examples_work(person: Person) -> None:
    gateway = person.gateway
    key = gateway.client(name="of the examples")
    person.page.goto(f"{gateway.origin}{PAGE}")
    environment = {**os.environ, "GATEWAY_KEY": key, "GATEWAY_ADMIN_TOKEN": TOKEN}
    for name in DOORS:
        line = person.page.locator(f"#example-{name}").text_content()
        told = ["sh", "-c", f"{line} -s -o /dev/null -w '%{{http_code}}'"]
        ran = subprocess.run(told, env=environment, capture_output=True, text=True, check=True)
        assert ran.stdout in ("200", "201"), f"{line}: {ran.stdout}"


# The answers.


def test_the_admin_api_answers_as_it_says(tmp_path: Path) -> None:
    """Schemathesis asks whatever the document allows, and some that it does not."""
    # Whatever a client made up is asked for leads nowhere.
    settings = {"demo": {"tokens_per_second": 0}, "upstream": {"proxy": "http://127.0.0.1:9"}}
    with Running(tmp_path / "gateway", settings) as gateway:
        key = gateway.client(name="one", model_aliases={"*": "demo"})
        assert gateway.chat(key, QUESTION).status == 200
        gateway.rows(1)
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", gateway.origin + OPENAPI),
                *("--header", f"Authorization: Bearer {TOKEN}"),
                *("--include-path-regex", "^/admin/api"),
                *("--checks", ",".join(CHECKS)),
                *("--phases", "examples,coverage,fuzzing"),
                *("--max-examples", "10", "--seed", "1", "--generation-database", "none"),
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-6000:]
        assert "Traceback" not in gateway.output
        answered = gateway.call("GET", OPENAPI, headers={"Authorization": f"Bearer {TOKEN}"})
        asked = re.search(r"Tested: (\d+)", ran.stdout)
        below = [path for path in json.loads(answered.body)["paths"] if "/admin/api" in path]
        assert asked and int(asked[1]) >= len(below)


def test_receipts_and_models_answer_as_the_document_says(
    app: Flask, person: Person, told: dict[str, Any]
) -> None:
    gateway = person.gateway
    key = gateway.client(name="of receipts", model_aliases={"*": "demo"}, rate_limit_day=10)
    request_id = gateway.chat(key, QUESTION).headers["x-request-id"]
    for path, name in (
        (f"/v1/requests/{request_id}", "Receipt"),
        ("/v1/usage", "Usage"),
        ("/v1/models", "ModelList"),
        ("/v1/nothing", "OpenAIError"),
    ):
        found = requests.get(gateway.origin + path, headers={"Authorization": f"Bearer {key}"})
        whole = {**told["components"]["schemas"][name], "components": told["components"]}
        jsonschema.validate(found.json(), whole)
