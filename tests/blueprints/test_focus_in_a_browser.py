"""Who reads or stands somewhere with the keyboard stays there, whatever comes in meanwhile."""

import os

import pytest
from playwright.sync_api import Locator, expect

from tests.blueprints.person import Person
from tests.failure.caller import QUESTION
from tests.running import PATIENCE, Running

SHOWN = 20


@pytest.fixture
def rows(person: Person, gateway: Running) -> Locator:
    """The latest requests of the dashboard, all of the client that has made one more."""
    key = gateway.client(name=f"of many {os.urandom(3).hex()}", model_aliases={"*": "demo"})
    asked = [gateway.chat(key, QUESTION).headers["x-request-id"] for _ in range(SHOWN)]
    for request_id in asked:
        gateway.rows(1, request_id=request_id)
    person.go("dashboard")
    person.is_live()
    rows = person.page.locator("[data-part=recent] tbody tr")
    expect(rows.filter(has_text="of many")).to_have_count(SHOWN, timeout=PATIENCE * 1000)
    return rows


def address_of(row: Locator) -> str:
    return row.locator("th a").get_attribute("href") or ""


def height_of(row: Locator) -> float:
    """Where on the screen it begins."""
    box = row.bounding_box()
    assert box
    return box["y"]


def one_more_comes(rows: Locator, gateway: Running) -> None:
    before = address_of(rows.first)
    assert gateway.chat(None, QUESTION).status == 401
    newest = rows.first.locator("th a")
    expect(newest).not_to_have_attribute("href", before, timeout=PATIENCE * 1000)


def test_a_link_that_many_rows_have_keeps_the_focus_in_its_row(
    rows: Locator, gateway: Running
) -> None:
    read = rows.nth(10)
    address = address_of(read)
    client = read.get_by_role("link", name="of many")
    client.focus()
    place = height_of(read)
    one_more_comes(rows, gateway)
    moved = rows.filter(has=rows.page.locator(f'a[href="{address}"]'))
    expect(moved.get_by_role("link", name="of many")).to_be_focused()
    assert height_of(moved) == pytest.approx(place, abs=1)


def test_the_focus_of_a_row_that_goes_stays_at_its_place_in_the_list(
    rows: Locator, gateway: Running
) -> None:
    last = rows.nth(SHOWN - 1).locator("th a")
    last.focus()
    gone = last.get_attribute("href") or ""
    one_more_comes(rows, gateway)
    expect(rows.page.locator(f'[data-part=recent] a[href="{gone}"]')).to_have_count(0)
    expect(rows).to_have_count(SHOWN)
    expect(rows.nth(SHOWN - 1).locator("th a")).to_be_focused()


@pytest.mark.parametrize(
    ("part", "refuge"), [("shares", "[data-part=shares]"), ("figures", "main")]
)
def test_the_focus_of_what_is_in_no_list_goes_to_what_is_around_it(
    person: Person, gateway: Running, part: str, refuge: str
) -> None:
    person.go("dashboard")
    person.is_live()
    place = person.page.locator(f"[data-part={part}]")
    place.evaluate("place => place.insertAdjacentHTML('beforeend', '<a href=/gone>Gone soon</a>')")
    link = place.get_by_role("link", name="Gone soon")
    link.focus()
    assert gateway.chat(None, QUESTION).status == 401
    expect(link).to_have_count(0, timeout=PATIENCE * 1000)
    expect(person.page.locator(refuge)).to_be_focused()
