"""No page jumps while it loads, or as what is live comes in, by what browsers measure of it."""

import pytest

from tests.blueprints.looks import SIZES
from tests.blueprints.person import Person
from tests.blueprints.test_looks import PAGES
from tests.failure.caller import QUESTION
from tests.running import Running

MOST = 0.02
_SEEN = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) {
      shifts.push([value, sources.map(({ node }) => node?.outerHTML?.slice(0, 80))]);
    }
  }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def addresses(gateway: Running) -> dict[str, str]:
    key = gateway.client(name="shop", model_aliases={"*": "demo"})
    request_id = gateway.chat(key, QUESTION).headers["x-request-id"]
    (row,) = gateway.rows(1, request_id=request_id)
    return {"request": request_id, "client": str(row["client_id"])}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_not_jump(person: Person, name: str, addresses: dict[str, str]) -> None:
    page, person.bears_refusals = person.page, name == "nothing"
    page.add_init_script(_SEEN)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        person.go(name.format(**addresses))
        page.wait_for_load_state("networkidle")
        if page.locator("[data-live-state]").count():
            person.is_live()
        page.wait_for_timeout(300)  # what would still come, to no test's harm if it is late
        shifts = page.evaluate("shifts")
        assert sum(value for value, _ in shifts) < MOST, (width, shifts)


def test_a_number_and_its_unit_stay_in_one_line(person: Person) -> None:
    """In the narrowest window that shows a table."""
    person.page.set_viewport_size({"width": 1200, "height": 1000})
    person.go("providers")
    row = person.page.locator("table.providers tbody tr").first
    cell = row.locator("td[data-label=Errors]")
    cell.evaluate("cell => (cell.textContent = '5.3 %')")
    row.locator("td").last.evaluate("cell => (cell.textContent = 'It was away. '.repeat(20))")
    lines = """cell => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return range.getClientRects().length;
    }"""
    assert cell.evaluate(lines) == 1
