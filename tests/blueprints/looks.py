"""What a page has to look like: whole in both sizes, and nothing that axe calls serious."""

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

SIZES = ((360, 780), (1600, 1000))
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def looks_right(page: Page, address: str) -> None:
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.goto(address)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            is_whole(page)
        has_no_grave_fault(page)


def is_whole(page: Page) -> None:
    """Nothing stands out of it sideways."""
    width = page.evaluate("document.documentElement.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def has_no_grave_fault(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in grave] == []
