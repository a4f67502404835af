"""The dashboard and the requests as a person sees them, on a gateway of two workers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.blueprints.browser import PASSWORD
from tests.blueprints.chromium import chromium
from tests.blueprints.visitor import WITH_PASSWORD
from tests.failure.caller import QUESTION
from tests.running import PATIENCE, Running

SIZES = ((360, 780), (1600, 1000))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("browser")
    settings = {"demo": {"tokens_per_second": 0}, "admin": {"sign_in_per_minute": 1000}}
    with Running(folder, settings, workers=2, environment=WITH_PASSWORD) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Person:
    """Signed in; what the browser complained of, and which other hosts it asked, is kept."""

    def __init__(self, page: Page, gateway: Running) -> None:
        self.page, self.gateway = page, gateway
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._see)
        page.goto(f"{gateway.origin}/admin/login")
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/admin/dashboard")

    def go(self, path: str) -> None:
        self.page.goto(self.gateway.origin + path)

    def figure(self, name: str) -> Any:
        return self.page.locator(f'[data-figure="{name}"]')

    def is_live(self) -> None:
        expect(self.page.locator("[data-live-state]")).to_have_text("Live", timeout=PATIENCE * 1000)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.gateway.origin, "data:")):
            self.problems.append(f"asked {request.url}")


@pytest.fixture
def person(chrome: Browser, gateway: Running) -> Iterator[Person]:
    context = chrome.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    person = Person(context.new_page(), gateway)
    yield person
    context.close()
    assert person.problems == []


def test_the_counters_and_the_list_move_without_a_reload(person: Person, gateway: Running) -> None:
    key = gateway.client(name="seen live", model_aliases={"*": "demo"})
    person.go("/admin/dashboard?range=1h")
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
    person.go("/admin/dashboard")
    person.is_live()
    routed[0].close(code=1011)
    expect(person.page.locator("[data-live-state]")).to_have_attribute("data-live-state", "lost")
    person.is_live()
    assert len(routed) == 2


def test_without_a_websocket_it_polls(person: Person, gateway: Running) -> None:
    person.page.route_web_socket(re.compile("/admin/ws"), lambda route: route.close(code=1011))
    person.go("/admin/dashboard?range=1h")
    state = person.page.locator("[data-live-state]")
    expect(state).to_have_attribute("data-live-state", "polling", timeout=PATIENCE * 1000)
    before = int(person.figure("requests").inner_text())
    assert gateway.chat(None, QUESTION).status == 401
    expect(person.figure("requests")).to_have_text(str(before + 1), timeout=PATIENCE * 1000)


def test_signing_out_elsewhere_leads_to_the_sign_in(person: Person) -> None:
    person.go("/admin/dashboard")
    person.is_live()
    other = person.page.context.new_page()
    other.goto(f"{person.gateway.origin}/admin/requests")
    other.get_by_role("button", name="Sign out").click()
    person.page.wait_for_url("**/admin/login*")


def test_requests_are_filtered_by_time_of_the_readers_zone(
    person: Person, gateway: Running
) -> None:
    assert gateway.chat(None, QUESTION).status == 401
    gateway.rows(1, status=401)
    person.go("/admin/requests?since=2026-06-01T12:00:00Z&status=401")
    since = person.page.get_by_label("From")
    expect(since).to_have_value("2026-06-01T21:00")
    person.page.get_by_role("button", name="Show").click()
    person.page.wait_for_url("**since=2026-06-01T12%3A00%3A00.000Z*")
    assert "model=" not in person.page.url
    person.page.locator("tbody a").first.click()
    expect(person.page.get_by_role("heading", name="How it went")).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_whole_at_every_width(
    person: Person, gateway: Running, size: tuple[int, int], scheme: Any
) -> None:
    key = gateway.client(name=scheme + str(size[0]) + "x" * 70, model_aliases={"*": "demo"})
    request_id = gateway.chat(key, QUESTION).headers["x-request-id"]
    gateway.rows(1, request_id=request_id)
    person.page.set_viewport_size({"width": size[0], "height": size[1]})
    person.page.emulate_media(color_scheme=scheme)
    for path in ("/admin/dashboard", "/admin/requests", f"/admin/requests/{request_id}"):
        person.go(path)
        expect(person.page.locator("main")).to_be_visible()
        assert person.page.evaluate("document.documentElement.scrollWidth") == size[0], path
