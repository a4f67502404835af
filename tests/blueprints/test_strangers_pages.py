"""What is seen before somebody has signed in: sign-in, its refusals, set-up, public documents."""

import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from tests.blueprints.looks import SIZES, THEMES, has_no_grave_fault, is_whole, looks_right
from tests.blueprints.visitor import WITH_PASSWORD
from tests.running import Running, free_port

CALLBACK = "/admin/login/oidc/callback"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    oidc = {
        "issuer": f"http://127.0.0.1:{free_port()}",
        "client_id": "x",
        "client_secret": "y",
        "name": "A company with quite a long name, Incorporated",
        "admins": ["boss@corp.example"],
    }
    settings = {"oidc": oidc, "docs": {"public": True}, "admin": {"sign_in_per_minute": 1000}}
    folder = tmp_path_factory.mktemp("gateway")
    with Running(folder, settings, environment=WITH_PASSWORD) as gateway:
        yield gateway


@pytest.fixture
def page(chrome: Chromium) -> Iterator[Page]:
    context = chrome.new_context(reduced_motion="reduce")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    yield page
    context.close()
    assert [text for text in problems if "status of" not in text] == []  # refusals are asked for


@pytest.mark.parametrize(
    "path",
    [
        "/admin/login",
        "/admin/login?next=/admin/clients",
        "/admin/login/oidc",
        f"{CALLBACK}?error=access_denied",
        f"{CALLBACK}?error=server_error&state=x",
        "/docs",
    ],
)
def test_a_page_looks_right(page: Page, gateway: Running, path: str) -> None:
    looks_right(page, gateway.origin + path)


def test_all_of_the_documentation_looks_right(page: Page, gateway: Running) -> None:
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{gateway.origin}/docs")
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            is_whole(page)
        has_no_grave_fault(page)


def test_a_refused_password_looks_right(page: Page, gateway: Running) -> None:
    page.goto(f"{gateway.origin}/admin/login")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    has_no_grave_fault(page)


def test_the_set_up_looks_right(page: Page, gateway: Running) -> None:
    """The last test here: it takes the admin away."""
    database = sqlite3.connect(gateway.data / "gateway.db", timeout=10)
    with database:
        database.execute("DELETE FROM admins")
    database.close()
    looks_right(page, f"{gateway.origin}/admin/login")
    expect(page.get_by_role("heading", name="Set-up")).to_be_visible()
    page.get_by_label("Set-up code").fill("AAAAA")
    page.get_by_label("New password").fill("a" * 20)
    page.get_by_label("The same again").fill("b" * 20)
    page.get_by_role("button", name="Make the first admin").click()
    expect(page.locator(".field-problem")).to_have_count(2)
    is_whole(page)
    has_no_grave_fault(page)
