"""In which zone a time is, and how exact a number, is clear to who reads it (in Tokyo, here)."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.blueprints.person import Person
from tests.running import Running

_POINT_AT = """([name, last]) => {
  const root = document.getElementById("charts");
  const series = JSON.parse(root.dataset.series);
  for (const [column, value] of Object.entries(last)) series[column][series.at.length - 1] = value;
  document.dispatchEvent(new CustomEvent("part", { detail: { name: "series", value: series } }));
  const chart = Chart.getChart(document.querySelector(`[data-chart="${name}"]`));
  chart.tooltip.setActiveElements([{ datasetIndex: 0, index: series.at.length - 1 }]);
  chart.tooltip.update();
  const { title, body } = chart.tooltip;
  return {
    title: title[0],
    told: body.flatMap(({ lines }) => lines),
    axis: chart.scales.y.ticks.at(-1).label,
    below: chart.options.scales.x.title,
  };
}"""


def pointed_at(page: Page, name: str, **last: float) -> dict[str, Any]:
    """What a chart tells of its last column, with these values in it."""
    found: dict[str, Any] = page.evaluate(_POINT_AT, [name, last])
    return found


def test_the_end_of_a_client_names_its_zone(person: Person, gateway: Running) -> None:
    made = gateway.new_client(expires_at="2031-09-14T18:30:00Z")
    address = f"clients/{made['client']['id']}"
    person.go(address)
    expires = person.page.locator("dd time[data-zone]")
    expect(expires).to_have_text("15 Sept 2031, 03:30:00 GMT+9")
    person.go(f"{address}/edit")
    field = person.page.get_by_label("Expires at (UTC)")
    expect(field).to_have_value("2031-09-14T18:30")
    told = person.page.locator("#expires_at-help")
    expect(told).to_contain_text("In your zone: 15 Sept 2031, 03:30:00 GMT+9.")
    field.fill("2031-09-14T20:00:00")
    expect(told).to_contain_text("05:00:00 GMT+9.")
    field.fill("")
    expect(told).not_to_contain_text("In your zone")


def test_charts_are_exact_where_they_are_pointed_at(person: Person) -> None:
    person.go("dashboard?range=24h")
    tokens = pointed_at(person.page, "tokens", input_tokens=1234567)
    assert tokens["told"] == ["in: 1,234,567"]
    assert tokens["axis"].endswith("M")
    assert not tokens["title"].endswith("UTC") and not tokens["below"]["display"]
    assert pointed_at(person.page, "cost", cost_usd=1234.56789)["told"] == ["cost: $1,234.56789"]
    assert pointed_at(person.page, "latency", latency_p50=12345)["told"] == ["median: 12,345 ms"]


def test_days_are_told_to_be_those_of_utc(person: Person) -> None:
    person.go("dashboard?range=30d")
    found = pointed_at(person.page, "requests", requests=5)
    assert found["title"].endswith(", UTC")
    assert found["below"]["display"] and found["below"]["text"] == "Days of UTC"
