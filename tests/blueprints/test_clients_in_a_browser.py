"""Clients, the audit log and admins as a person sees them, on a gateway of two workers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.blueprints.browser import PASSWORD
from tests.blueprints.chromium import chromium
from tests.running import PATIENCE, Running

SIZES = ((360, 780), (1600, 1000))
PAGES = (
    "clients",
    "clients/new",
    "clients/1",
    "clients/1/edit",
    "audit",
    "admins",
    "account",
    "nothing",
)
QUESTION = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {"demo": {"tokens_per_second": 0}, "admin": {"sign_in_per_minute": 1000}}
    password = {"GATEWAY_ADMIN_PASSWORD": PASSWORD}
    folder = tmp_path_factory.mktemp("browser")
    with Running(folder, settings, workers=2, environment=password) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Admin:
    """Somebody signed in, and what their browser complained of or asked other hosts."""

    def __init__(self, page: Page, gateway: Running) -> None:
        self.page, self.gateway = page, gateway
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._see)
        self.go("login")
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/admin/dashboard")

    def go(self, name: str) -> None:
        self.page.goto(f"{self.gateway.origin}/admin/{name}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def _hear(self, message: ConsoleMessage) -> None:
        # A status that is an answer to the reader is told there, too.
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.problems.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.gateway.origin, "data:")):
            self.problems.append(request.url)


@pytest.fixture
def admin(chrome: Browser, gateway: Running) -> Iterator[Admin]:
    context = chrome.new_context()
    admin = Admin(context.new_page(), gateway)
    yield admin
    context.close()
    assert admin.problems == []


def test_a_client_from_its_first_field_to_its_end(admin: Admin) -> None:
    page = admin.page
    admin.go("clients/new")
    page.get_by_label("Name").fill("shop")
    page.locator("#provider").select_option("groq")
    expect(page.locator("#provider_base_url-help")).to_contain_text("api.groq.com")
    page.locator("#provider").select_option("demo")
    page.locator("#rate_limit_day").fill("lots")
    admin.press("Make the client")
    expect(page.locator("#rate_limit_day-problem")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("shop")
    page.locator("#rate_limit_day").fill("1,000")
    admin.press("Make the client")
    key = page.locator("#key").inner_text()
    admin.press("Copy")
    expect(page.locator("[data-copy]")).to_have_text(re.compile("Copied|Selected"))
    assert ask(admin, key) == 200
    page.reload()
    expect(page.locator("#key")).to_have_count(0)
    expect(page.get_by_text("1 of 1,000")).to_be_visible()
    admin.press("Make a new key")
    newer = page.locator("#key").inner_text()
    wait_for(admin, key, 401)
    assert ask(admin, newer) == 200
    admin.press("Disable")
    wait_for(admin, newer, 403)
    page.get_by_label("Type its name to confirm").fill("shop")
    admin.press("Delete this client")
    expect(page.get_by_role("status")).to_have_text("Client shop is deleted.")
    admin.go("audit")
    for action in ("create", "rotate-key", "change", "delete"):
        expect(page.get_by_text(f"client.{action}", exact=True)).to_have_count(1)


def test_colours_are_chosen_and_kept(admin: Admin) -> None:
    root = admin.page.locator("html")
    button = admin.page.locator("#theme")
    for name, theme in (("Light", "light"), ("Dark", "dark")):
        button.click()
        expect(button).to_contain_text(name)
        expect(root).to_have_attribute("data-bs-theme", theme)
    admin.page.reload()
    expect(root).to_have_attribute("data-bs-theme", "dark")


def test_on_a_phone_the_menu_opens_by_keyboard(admin: Admin) -> None:
    page = admin.page
    page.set_viewport_size({"width": 360, "height": 780})
    link = page.get_by_role("link", name="Audit log")
    expect(link).not_to_be_visible()
    page.get_by_role("button", name="Menu").focus()
    page.keyboard.press("Enter")
    link.click()
    page.wait_for_url("**/admin/audit")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_at_every_width(admin: Admin, name: str, size: tuple[int, int]) -> None:
    admin.page.set_viewport_size({"width": size[0], "height": size[1]})
    admin.go(name)
    expect(admin.page.get_by_role("heading", level=1)).to_be_visible()
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert admin.page.evaluate(wide) == 0


def ask(admin: Admin, key: str) -> int:
    headers: dict[str, Any] = {"Authorization": f"Bearer {key}"}
    path = f"{admin.gateway.origin}/v1/chat/completions"
    return admin.page.request.post(path, data=QUESTION, headers=headers).status


def wait_for(admin: Admin, key: str, status: int) -> None:
    """Other workers look within half a second."""
    admin.gateway.wait_until(lambda: ask(admin, key) == status, f"a {status}")
