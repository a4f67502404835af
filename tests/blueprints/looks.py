"""What a page has to look like: whole in both sizes, and nothing that axe calls serious."""

import time
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

SIZES = ((360, 780), (1600, 1000))
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

_STANDS_OUT = """() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth === clientWidth) return null;
  const wide = [...document.querySelectorAll("body *")].filter(
    (one) => one.getBoundingClientRect().right > clientWidth + 1,
  );
  return `${scrollWidth} px of ${clientWidth}: ${wide.at(-1)?.outerHTML.slice(0, 300)}`;
}"""


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
    """Nothing stands out of it sideways, once charts have taken their size."""
    deadline = time.monotonic() + 5
    while (told := page.evaluate(_STANDS_OUT)) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert told is None, told


def has_no_grave_fault(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    assert grave == [], [(one["id"], one["nodes"][0]["html"]) for one in grave]
