"""A client's connection as a person sees it: tests it, fetches models, copies settings."""

import json
import re

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, expect

from gateway.probes import PROBES
from tests.blueprints.browser import PASSWORD
from tests.blueprints.looks import has_no_grave_fault
from tests.blueprints.person import Person
from tests.probes.scripted import ABLE, MODEL, client_of, play
from tests.running import Running
from tests.upstream import Json, Upstream, failure, model_list

DEMO = dict.fromkeys(PROBES, "ok") | {"models": "not_supported", "image": "unclear"}


def line(person: Person, probe: str) -> Locator:
    return person.page.locator(f'[data-piece="{probe}"]')


def shown(person: Person) -> dict[str, str | None]:
    return {probe: line(person, probe).get_attribute("data-status") for probe in PROBES}


def test_a_test_with_the_demo_provider_and_what_stays_of_it(
    person: Person, gateway: Running
) -> None:
    client_id = gateway.new_client()["client"]["id"]
    person.go(f"clients/{client_id}")
    expect(person.page.get_by_text("It has not been tested yet.")).to_be_visible()
    expect(person.page.get_by_label("Model", exact=True)).to_have_value("demo")
    person.press("Test connection")
    expect(line(person, "image")).to_have_attribute("data-status", "unclear")
    assert shown(person) == DEMO
    expect(person.page.get_by_role("button", name="Test connection")).to_be_enabled()
    person.page.reload()
    assert shown(person) == DEMO
    expect(person.page.get_by_text("by admin: demo, model demo")).to_be_visible()
    moved = {"provider": "ollama", "provider_base_url": "http://127.0.0.1:9/v1"}
    assert gateway.admin("PATCH", f"/clients/{client_id}", moved).status == 200
    person.page.reload()
    expect(person.page.get_by_text("another provider or address since")).to_be_visible()
    line(person, "whole").get_by_role("link").click()
    expect(person.page.get_by_text("connection_test")).to_be_visible()


def test_each_result_appears_as_it_comes_also_to_others(
    person: Person, chrome: Chromium, gateway: Running, upstream: Upstream
) -> None:
    """The pages are served by two workers, of which one alone runs the test."""
    play(upstream, tools=Json(ABLE["tools"].body, hang=0))  # type: ignore[attr-defined]
    client_id = client_of(gateway, upstream)
    person.go(f"clients/{client_id}")
    person.press("Test connection")
    expect(line(person, "stream_usage")).to_have_attribute("data-status", "ok")
    expect(line(person, "tools")).to_contain_text("asking …")
    expect(line(person, "image")).to_contain_text("waiting")
    expect(person.page.get_by_text("Testing: 4 of 8 are known.")).to_be_visible()
    expect(person.page.get_by_role("button", name="Test connection")).to_be_disabled()
    context = chrome.new_context()
    other = Person(context.new_page(), gateway)
    other.go(f"clients/{client_id}")
    expect(line(other, "tools")).to_contain_text("asking …")
    person.go("clients")  # it can be left
    upstream.release()
    expect(line(other, "image")).to_have_attribute("data-status", "ok")
    person.go(f"clients/{client_id}")
    assert shown(person) == dict.fromkeys(PROBES, "ok")
    assert other.problems == []
    context.close()


def test_what_a_test_cannot_begin_with_is_told(person: Person, gateway: Running) -> None:
    person.bears_refusals = True
    client_id = gateway.new_client()["client"]["id"]
    person.go(f"clients/{client_id}")
    gateway.admin("DELETE", f"/clients/{client_id}")
    person.press("Test connection")
    expect(person.page.get_by_role("alert")).to_have_text("There is no such client.")


def test_models_are_fetched_and_chosen(
    person: Person, gateway: Running, upstream: Upstream
) -> None:
    page = person.page
    page.on("dialog", lambda dialog: dialog.accept())
    names = [f"vendor/model-{number:03}" for number in range(400)]
    upstream.models([*names, "<b>bold</b>"])
    client_id = client_of(gateway, upstream, allowed_models=["own", "vendor/model-007"])
    person.go(f"clients/{client_id}/edit")
    person.press("Fetch models")
    expect(page.locator("[data-counts]")).to_have_text("401 of 401 shown, 1 allowed")
    expect(page.get_by_label("vendor/model-007")).to_be_checked()
    has_no_grave_fault(page)
    page.get_by_label("Search in them").fill("39 model")
    expect(page.locator("[data-counts]")).to_have_text("14 of 401 shown, 1 allowed")
    page.get_by_label("vendor/model-039").check()
    page.keyboard.press("Enter")
    page.get_by_label("Search in them").fill("bold")
    page.get_by_label("<b>bold</b>").check()
    page.get_by_label("Search in them").fill("model-007")
    page.get_by_label("vendor/model-007").uncheck()
    expect(page.get_by_label("Allowed models")).to_have_value("own\nvendor/model-039\n<b>bold</b>")
    page.get_by_label("Default model").fill("vendor/model-039")
    assert page.get_by_label("Default model").get_attribute("list") == "provider-models"
    page.get_by_label("Search in them").press("Enter")
    person.press("Save")
    expect(page.get_by_role("status").first).to_contain_text("is changed")
    stored = gateway.admin("GET", f"/clients/{client_id}").json
    assert stored["allowed_models"] == ["own", "vendor/model-039", "<b>bold</b>"]
    assert stored["default_model"] == "vendor/model-039"


def test_what_keeps_models_from_being_fetched_is_told(
    person: Person, gateway: Running, upstream: Upstream
) -> None:
    page = person.page
    page.on("dialog", lambda dialog: dialog.accept())
    upstream.always(failure(401, "no such key"))
    client_id = client_of(gateway, upstream)
    person.go(f"clients/{client_id}/edit")
    person.press("Fetch models")
    expect(page.get_by_role("alert")).to_contain_text("does not accept the gateway's key")
    assert [one for one in person.problems if "status of 502" not in one] == []
    person.problems.clear()  # browsers complain of each
    upstream.script("/models", Json(model_list([MODEL])))
    person.press("Fetch models")
    expect(page.get_by_role("alert")).not_to_be_visible()
    expect(page.get_by_label(MODEL)).to_be_visible()
    asked = len(upstream.requests)
    page.locator("#provider_base_url").fill("http://127.0.0.1:9/v1")
    expect(page.get_by_role("button", name="Fetch models")).to_be_disabled()
    expect(page.get_by_text("Save the provider first")).to_be_visible()
    page.locator("#provider_base_url").fill(upstream.base_url)
    expect(page.get_by_role("button", name="Fetch models")).to_be_enabled()
    assert len(upstream.requests) == asked
    person.go("clients/new")
    expect(page.get_by_role("button", name="Fetch models")).to_have_count(0)


def test_settings_of_each_program_and_the_new_key_in_them(person: Person) -> None:
    page = person.page
    person.go("clients/new")
    page.get_by_label("Name").fill("connected")
    person.press("Make the client")
    page.wait_for_url(re.compile(r"/clients/\d+$"))  # with its scripts
    key = page.locator("#key").inner_text()
    pane = page.get_by_role("tabpanel")
    expect(pane).to_contain_text(f"Authorization: Bearer {key}")
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="OpenAI, Python")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(pane).to_contain_text(f'api_key="{key}"')
    page.get_by_role("tab", name="opencode").click()
    settings = json.loads(pane.locator("code").inner_text())
    assert settings["provider"]["gateway"]["options"]["apiKey"] == key
    copy = pane.get_by_role("button", name="Copy")
    copy.click()
    expect(pane.locator("[data-copy]")).to_have_text(re.compile("Copied|Selected"))
    page.reload()
    expect(page.get_by_role("tabpanel")).to_contain_text("YOUR_GATEWAY_KEY")
    assert key not in page.content()


def test_a_viewer_sees_the_results_and_starts_nothing(
    person: Person, chrome: Chromium, gateway: Running
) -> None:
    client_id = gateway.new_client()["client"]["id"]
    person.go(f"clients/{client_id}")
    person.press("Test connection")
    expect(line(person, "image")).to_have_attribute("data-status", "unclear")
    person.go("admins")
    page = person.page
    page.get_by_label("User name").fill("looker")
    for field in page.locator('input[type="password"]').all():
        field.fill(PASSWORD)
    page.get_by_label("Role").select_option("viewer")
    person.press("Let them in")
    expect(page.get_by_role("rowheader", name="looker")).to_be_visible()
    person.page.context.clear_cookies()
    person.sign_in("looker", PASSWORD)
    person.go(f"clients/{client_id}")
    assert shown(person) == DEMO
    expect(page.get_by_role("button", name="Test connection")).to_have_count(0)
    for path in ("test", "fetch-models"):
        address = f"{gateway.origin}/admin/api/clients/{client_id}/{path}"
        refused = page.request.post(address)
        assert (refused.status, refused.json()["error"]["code"]) == (403, "admin_role_required")
    assert page.request.get(f"{gateway.origin}/admin/api/clients/{client_id}/test").status == 200
