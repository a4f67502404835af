"""Every page: whole on a phone and on a wide screen, and nothing that axe calls serious."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.blueprints.person import Person
from tests.failure.caller import QUESTION
from tests.probes.scripted import outcome
from tests.running import Running

SIZES = ((360, 780), (1600, 1000))
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PAGES = (
    "dashboard",
    "clients",
    "clients/new",
    "clients/1",
    "clients/1/edit",
    "clients/{client}",
    "requests",
    "requests/{request}",
    "tools",
    "tools/tool/unit_convert",
    "tools/servers/new",
    "providers",
    "providers/openai",
    "settings",
    "audit",
    "admins",
    "account",
    "nothing",
)
"""Below /admin/. `{client}` has a long name, is tested, and has made the request `{request}`."""


@pytest.fixture(scope="module")
def addresses(gateway: Running) -> dict[str, str]:
    key = gateway.client(name="x" * 70 + " y", model_aliases={"*": "demo"})
    request_id = gateway.chat(key, QUESTION).headers["x-request-id"]
    (row,) = gateway.rows(1, request_id=request_id)
    outcome(gateway, row["client_id"], {"model": "x"})
    return {"request": request_id, "client": str(row["client_id"])}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_right(person: Person, name: str, addresses: dict[str, str]) -> None:
    page, person.bears_refusals = person.page, name == "nothing"
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            person.go(name.format(**addresses))
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == width
        found = Axe().run(page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], one["nodes"][0]["html"]) for one in grave] == []
