"""The dashboard and the requests as a person sees them, on a gateway of two workers."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.blueprints.person import Person
from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import client_of
from tests.running import PATIENCE, Running
from tests.upstream import Sse, Upstream, chunks


def test_the_counters_and_the_list_move_without_a_reload(person: Person, gateway: Running) -> None:
    key = gateway.client(name="seen live", model_aliases={"*": "demo"})
    person.go("dashboard?range=1h")
    person.is_live()
    before = int(person.figure("requests").inner_text())
    assert gateway.chat(key, QUESTION).status == 200
    expect(person.figure("requests")).to_have_text(str(before + 1), timeout=PATIENCE * 1000)
    row = person.page.locator("[data-part=recent] tbody tr").first
    expect(row).to_contain_text("seen live")
    shown = row.locator("time")
    expect(shown).to_have_attribute("title", re.compile("UTC$"))
    assert shown.inner_text() != shown.get_attribute("title")
    assert (
        person.page.evaluate("Chart.getChart(document.querySelector('canvas')).data.labels.length")
        == 60
    )


def test_a_lost_connection_is_told_and_comes_back(person: Person, gateway: Running) -> None:
    routed: list[Any] = []

    def pass_on(route: Any) -> None:
        routed.append(route)
        route.connect_to_server()

    person.page.route_web_socket(re.compile("/admin/ws"), pass_on)
    person.go("dashboard")
    person.is_live()
    routed[0].close(code=1011)
    expect(person.page.locator("[data-live-state]")).to_have_attribute("data-live-state", "lost")
    person.is_live()
    assert len(routed) == 2


def test_without_a_websocket_it_polls(person: Person, gateway: Running) -> None:
    person.page.route_web_socket(re.compile("/admin/ws"), lambda route: route.close(code=1011))
    person.go("dashboard?range=1h")
    state = person.page.locator("[data-live-state]")
    expect(state).to_have_attribute("data-live-state", "polling", timeout=PATIENCE * 1000)
    before = int(person.figure("requests").inner_text())
    assert gateway.chat(None, QUESTION).status == 401
    expect(person.figure("requests")).to_have_text(str(before + 1), timeout=PATIENCE * 1000)


def test_a_poll_that_fails_late_is_not_told_over_a_live_connection(person: Person) -> None:
    polls: list[Any] = []
    held_back = "**/parts?*"

    def pass_on(route: Any) -> None:
        if polls:
            route.connect_to_server()
        else:
            route.close(code=1011)

    person.page.route_web_socket(re.compile("/admin/ws"), pass_on)
    person.page.route(held_back, lambda route: polls.append(route))
    person.go("dashboard")
    person.is_live()
    with person.page.expect_event("requestfinished", lambda one: "/parts?" in one.url):
        polls[0].fulfill(status=200, content_type="application/json", body="not JSON")
    person.page.evaluate("fetch('/health').then((answer) => answer.text())")
    state = person.page.locator("[data-live-state]")
    assert state.get_attribute("data-live-state") == "live"


def test_signing_out_elsewhere_leads_to_the_sign_in(person: Person) -> None:
    person.go("dashboard")
    person.is_live()
    other = person.page.context.new_page()
    other.goto(f"{person.gateway.origin}/admin/requests")
    other.get_by_role("button", name="Sign out").click()
    person.page.wait_for_url("**/admin/login*")


def test_a_running_stream_is_watched_and_cancelled(
    person: Person, gateway: Running, upstream: Upstream
) -> None:
    upstream.always(Sse(chunks(["Hello", " my", " friend"])).but(hang=[3, 4]))
    key = client_of(gateway, upstream, name="slow one")
    person.go("requests")
    person.is_live()
    with Caller(gateway) as caller:
        caller.send(request(key, STREAMED))
        _, headers = caller.head()
        row = person.page.locator(".calls tbody tr").filter(has_text="slow one")
        age, tokens = row.locator("[data-cell=age]"), row.locator("[data-cell=tokens]")
        expect(tokens).to_have_text("2", timeout=PATIENCE * 1000)
        expect(row.locator("[data-about]")).to_be_visible()
        expect(age).not_to_have_text(age.inner_text())
        upstream.requests[0].release()
        expect(tokens).to_have_text("4")
        button = row.get_by_role("button", name="Cancel the call of slow one")
        button.click()
        row.get_by_role("button", name="Sure?").click()
        *_, last = caller.blocks(headers)
        assert b"cancelled_by_administrator" in last
    expect(row).to_have_count(0)
    ended = person.page.locator("[data-newest] tbody tr").first
    expect(ended).to_contain_text("slow one", timeout=PATIENCE * 1000)
    expect(ended).to_contain_text("499 cancelled_by_administrator")
    assert upstream.requests[0].hung_up.wait(2)


def test_new_requests_do_not_move_who_reads(person: Person, gateway: Running) -> None:
    key = gateway.client(name="of many", model_aliases={"*": "demo"})
    for _ in range(30):
        assert gateway.chat(key, QUESTION).status == 200
    gateway.rows(30, client_name="of many")
    person.page.emulate_media(reduced_motion="reduce")  # scrolling takes no time
    person.go("requests")
    person.is_live()
    rows = person.page.locator("[data-newest] tbody tr")
    read = rows.nth(20).locator("th a")
    address = read.get_attribute("href")
    read.focus()
    place = read.bounding_box()
    shown = rows.first.locator("th a").get_attribute("href") or ""
    assert gateway.chat(key, QUESTION).status == 200
    expect(rows.first.locator("th a")).not_to_have_attribute("href", shown, timeout=PATIENCE * 1000)
    moved = person.page.locator(f'[data-newest] a[href="{address}"]')
    expect(moved).to_be_focused()
    assert moved.bounding_box() == place


def test_requests_are_filtered_by_time_of_the_readers_zone(
    person: Person, gateway: Running
) -> None:
    assert gateway.chat(None, QUESTION).status == 401
    gateway.rows(1, status=401)
    person.go("requests?since=2026-06-01T12:00:00Z&status=401")
    since = person.page.get_by_label("From")
    expect(since).to_have_value("2026-06-01T21:00")
    person.page.get_by_role("button", name="Show").click()
    person.page.wait_for_url("**since=2026-06-01T12%3A00%3A00.000Z*")
    assert "model=" not in person.page.url
    person.page.locator("tbody a").first.click()
    expect(person.page.get_by_role("heading", name="How it went")).to_be_visible()


@pytest.mark.parametrize("name", ["dashboard", "playground", "settings", "../docs"])
def test_a_first_visit_weighs_little(person: Person, name: str) -> None:
    """Everything that comes over the wire when nothing is cached, compressed as it comes."""
    network = person.page.context.new_cdp_session(person.page)
    weights: list[int] = []
    network.on("Network.loadingFinished", lambda told: weights.append(told["encodedDataLength"]))
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    person.go(name)
    person.page.wait_for_load_state("networkidle")
    assert len(weights) > 3 and max(weights) > 20_000  # the style sheet is among them
    assert sum(weights) < 400_000
