"""The audit log, as a page and in the admin API."""

from pathlib import Path

from gateway.store.client_book import ClientBook
from tests.blueprints.browser import Browser, installed, running

API, PAGE = "/admin/api/audit", "/admin/audit"
CLIENTS = "/admin/api/clients"
TOKEN = "a-token-of-thirty-two-characters-or-more"


def test_who_did_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"admin: {{token: {TOKEN}}}")
    with running(installed(tmp_path, path=tmp_path / "config.yaml")) as app:
        browser = Browser(app)
        browser.sign_in()
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        browser.client.post(CLIENTS, json={"name": "by-token"}, headers=bearer)
        browser.client.post(CLIENTS, json={"name": "by-session"})
        browser.client.put("/admin/api/tools", json={"enabled": ["calculate"]}, headers=bearer)
        items = browser.get(API).get_json()["items"]
    told = [(one["actor"], one["action"], one["subject"]) for one in items]
    assert told[:3] == [
        ("token", "setting.change", "enabled_tools"),
        ("admin", "client.create", "by-session"),
        ("token", "client.create", "by-token"),
    ]
    assert items[0]["changes"] == {"enabled_tools": {"from": None, "to": ["calculate"]}}
    assert items[2]["at"].endswith("Z")


def test_the_api_gives_pages(signed_in: Browser, book: ClientBook) -> None:
    for number in range(3):
        book.create({"name": f"c{number}"})
    first = signed_in.get(f"{API}?limit=2").get_json()
    second = signed_in.get(f"{API}?limit=2&cursor={first['next_cursor']}").get_json()
    subjects = [one["subject"] for one in first["items"] + second["items"]]
    assert subjects[:3] == ["c2", "c1", "c0"]
    assert signed_in.get(f"{API}?cursor=x").status_code == 422
    assert signed_in.get(f"{API}?nothing=x").status_code == 422


def test_the_page_tells_from_what_to_what(signed_in: Browser, book: ClientBook) -> None:
    book.update(1, {"description": "<script>x</script>", "provider_api_key": "theirs"})
    page = " ".join(signed_in.get(PAGE).text.split())
    assert "&lt;script&gt;x&lt;/script&gt;" in page and "<script>x" not in page
    assert "theirs" not in page and "(not shown)" in page
    assert "<code>client.change</code>" in page and "<bdi>command</bdi>" in page


def test_numbers_are_grouped_and_moments_are_in_the_readers_zone(
    signed_in: Browser, book: ClientBook
) -> None:
    limits = {"quota_input_tokens_day": 2000000, "budget_usd_day": 1234567.5}
    book.update(1, {**limits, "expires_at": "2031-09-14T18:30:00Z", "strict_params": True})
    book.update(1, {"description": "2031-09-14T18:30:00Z"})
    page = " ".join(signed_in.get(PAGE).text.split())
    assert "2,000,000" in page and "1,234,567.5" in page
    assert "2000000" not in page and "1234567" not in page
    shown = '<time datetime="2031-09-14T18:30:00.000Z" data-zone>2031-09-14 18:30:00 UTC</time>'
    assert page.count(shown) == 1
    assert "<bdi>2031-09-14T18:30:00Z</bdi>" in page and "<bdi>true</bdi>" in page


def test_an_older_page_is_linked(signed_in: Browser, book: ClientBook) -> None:
    for number in range(52):
        book.update(1, {"description": f"turn {number}"})
    page = signed_in.get(PAGE).text
    assert "turn 51" in page and "turn 0<" not in page
    older = page.partition('rel="next"')[2].partition('href="')[2].partition('"')[0]
    assert "turn 0<" in signed_in.get(older).text
