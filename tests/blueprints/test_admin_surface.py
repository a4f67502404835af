"""Every route of the admin's, whichever there are: who may not is let in nowhere."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gateway.context import Gateway
from gateway.store import admins
from tests.blueprints.browser import DASHBOARD, LOGIN, LOGOUT, PASSWORD, Browser
from tests.blueprints.visitor import OpenPage, Visitor, refusal
from tests.running import Running

PATHS = ("/admin", "/docs", "/openapi.json")
READING = {"GET", "HEAD", "OPTIONS"}
OPEN = ("pages.session.", "pages.set_up.", "pages.oidc.")
"""For who has not signed in yet: looked at apart."""
OWN = ("pages.inside.account.", "pages.session.")
"""What a viewer may change: their own password and sessions."""
SEEN = (200, 204, 302, 404)
FORMS = (
    "pages.inside.clients.new",
    "pages.inside.clients.edit",
    "pages.inside.tools.new_server",
    "pages.inside.tools.edit_server",
)
"""Pages that only lead to a change."""
OTHER = "another good one"
EVIL = {"Origin": "https://evil.example"}
CROSS = {"Sec-Fetch-Site": "cross-site"}


@dataclass(frozen=True)
class Door:
    method: str
    path: str
    endpoint: str
    is_websocket: bool = False

    @property
    def writes(self) -> bool:
        return self.method not in READING


def doors(app: Flask) -> Iterator[Door]:
    """Each route with each of its methods; what a path has to name is the first of its kind."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(PATHS):
            path = re.sub(r"<[^>]*>", "1", rule.rule)
            for method in sorted(rule.methods or ()):
                yield Door(method, path, rule.endpoint, bool(rule.websocket))


def behind_the_sign_in(app: Flask) -> list[Door]:
    return [one for one in doors(app) if not one.endpoint.startswith(OPEN)]


def knock(browser: Browser, door: Door, token: str = "", **headers: str) -> TestResponse:
    data = None
    if door.writes:
        is_api = door.path.startswith("/admin/api/")
        data = b'{"name": "made by the walk"}' if is_api else {"csrf_token": token, "role": "admin"}
    if door.is_websocket:
        headers |= {"Connection": "Upgrade", "Upgrade": "websocket"}
    return browser.client.open(door.path, method=door.method, data=data, headers=headers)


def let_in(
    browser: Browser, wanted: list[Door], token: str = "", **headers: str
) -> list[tuple[Door, int]]:
    """Those that answered with anything but a refusal."""
    answered = [(door, knock(browser, door, token, **headers)) for door in wanted]
    return [(door, one.status_code) for door, one in answered if not is_refusal(one)]


def is_refusal(answer: TestResponse) -> bool:
    to_the_sign_in = answer.status_code == 302 and answer.location.startswith(LOGIN)
    return to_the_sign_in or answer.status_code in (401, 403)


@pytest.fixture
def kept(parts: Gateway) -> Iterator[None]:
    """Whatever the test does, nothing of this has changed in the end."""
    before = contents(parts.settings.data_dir)
    yield
    assert contents(parts.settings.data_dir) == before


def contents(data: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(data / "gateway.db", timeout=10)) as database:
        names = ("clients", "client_keys", "admins", "settings")
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in names}


# Strangers.


def test_there_is_something_to_walk(app: Flask) -> None:
    found = behind_the_sign_in(app)
    assert len({one.path for one in found}) > 25
    assert {one.method for one in found} == {*READING, "POST", "PUT", "PATCH", "DELETE"}


@pytest.mark.usefixtures("kept")
def test_a_stranger_is_let_in_nowhere(app: Flask, browser: Browser) -> None:
    assert let_in(browser, behind_the_sign_in(app)) == []
    assert let_in(browser, behind_the_sign_in(app), browser.token(LOGIN)) == []


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic YWRtaW46YWRtaW4="])
def test_made_up_credentials_let_in_nowhere(app: Flask, browser: Browser, header: str) -> None:
    every = behind_the_sign_in(app)
    answered = [(door, knock(browser, door, Authorization=header)) for door in every]
    wrong = [
        (door, one.status_code)
        for door, one in answered
        if not is_refusal(one) and one.status_code != 429
    ]
    assert wrong == []


@pytest.mark.usefixtures("kept")
def test_what_is_open_changes_nothing_without_a_token(app: Flask, browser: Browser) -> None:
    for door in doors(app):
        if door.endpoint.startswith(OPEN) and door.writes:
            assert knock(browser, door).status_code == 400, door


# Viewers.


@pytest.fixture
def viewer(app: Flask, parts: Gateway) -> Browser:
    admins.create(parts.engine, "test", "eve", OTHER, "viewer")
    eve = Browser(app)
    assert eve.sign_in(OTHER, username="eve").status_code == 302
    return eve


def test_a_viewer_changes_nothing(app: Flask, viewer: Browser, parts: Gateway) -> None:
    before = contents(parts.settings.data_dir)
    token = viewer.token(DASHBOARD)
    writes = [one for one in behind_the_sign_in(app) if one.writes]
    others = [one for one in writes if not one.endpoint.startswith(OWN)]
    statuses = {knock(viewer, door, token).status_code for door in others}
    assert len(others) > 10 and statuses == {403}
    assert contents(parts.settings.data_dir) == before


def test_an_admin_sees_every_page(app: Flask, signed_in: Browser) -> None:
    for door in behind_the_sign_in(app):
        if not door.writes and not door.is_websocket:
            assert knock(signed_in, door).status_code in (200, 204, 302, 404), door


def test_a_viewer_sees_every_page_but_forms_that_are_of_no_use(app: Flask, viewer: Browser) -> None:
    for door in behind_the_sign_in(app):
        if not door.writes and not door.is_websocket:
            answer = knock(viewer, door)
            if door.endpoint in FORMS and door.method != "OPTIONS":
                assert answer.status_code == 403, door
            else:
                assert answer.status_code in SEEN, door


def test_a_viewer_is_offered_no_form_that_changes_anything(app: Flask, viewer: Browser) -> None:
    own = (LOGOUT, "/admin/account/")
    for door in behind_the_sign_in(app):
        if door.method == "GET" and not door.is_websocket:
            page = knock(viewer, door).text if not door.path.startswith("/admin/api/") else ""
            offered = re.findall(r'<form[^>]*method="post"[^>]*>', page)
            actions = [re.findall(r'action="([^"]*)"', form) for form in offered]
            assert all(one and one[0].startswith(own) for one in actions), (door, offered)


# Other sites' pages.


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    "headers",
    [EVIL, CROSS, {"Origin": "null"}, {**CROSS, "Origin": "http://localhost"}],
    ids=["origin", "cross-site", "null", "both"],
)
def test_another_sites_page_changes_nothing(
    app: Flask, signed_in: Browser, headers: dict[str, str]
) -> None:
    token = signed_in.token(DASHBOARD)
    for door in behind_the_sign_in(app):
        if door.writes or door.is_websocket:
            assert knock(signed_in, door, token, **headers).status_code == 403, door


@pytest.mark.usefixtures("kept")
def test_a_form_without_the_pages_token_changes_nothing(app: Flask, signed_in: Browser) -> None:
    for door in behind_the_sign_in(app):
        if door.writes and not door.path.startswith("/admin/api/"):
            assert knock(signed_in, door).status_code == 400, door


# Sessions that are over.


def signs_out(app: Flask, browser: Browser, parts: Gateway) -> None:
    assert browser.sign_out().status_code == 302


def signs_out_everywhere(app: Flask, browser: Browser, parts: Gateway) -> None:
    elsewhere = Browser(app)
    elsewhere.sign_in(OTHER, username="eve")
    form = {"csrf_token": elsewhere.token(DASHBOARD)}
    elsewhere.client.post("/admin/account/sign-out-everywhere", data=form)


def has_another_password(app: Flask, browser: Browser, parts: Gateway) -> None:
    elsewhere = Browser(app)
    elsewhere.sign_in(OTHER, username="eve")
    form = {"current": OTHER, "password": PASSWORD, "again": PASSWORD}
    form["csrf_token"] = elsewhere.token(DASHBOARD)
    assert elsewhere.client.post("/admin/account/password", data=form).status_code == 302


def changes_the_password_here(app: Flask, browser: Browser, parts: Gateway) -> None:
    form = {"current": OTHER, "password": PASSWORD, "again": PASSWORD}
    form["csrf_token"] = browser.token(DASHBOARD)
    assert browser.client.post("/admin/account/password", data=form).status_code == 302
    assert browser.get(DASHBOARD).status_code == 200  # with the new cookie


def gets_a_password_by_command(app: Flask, browser: Browser, parts: Gateway) -> None:
    admins.set_password(parts.engine, "eve", PASSWORD)


def gets_another_role(app: Flask, browser: Browser, parts: Gateway) -> None:
    admins.set_role(parts.engine, "test", 2, "viewer")


def is_deleted(app: Flask, browser: Browser, parts: Gateway) -> None:
    admins.delete(parts.engine, "test", 2)


def was_away_for_long(app: Flask, browser: Browser, parts: Gateway) -> None:
    app.permanent_session_lifetime = timedelta(seconds=-1)


@pytest.mark.parametrize(
    "ends",
    [
        signs_out,
        signs_out_everywhere,
        has_another_password,
        changes_the_password_here,
        gets_a_password_by_command,
        gets_another_role,
        is_deleted,
        was_away_for_long,
    ],
)
def test_a_session_that_is_over_lets_in_nowhere(
    app: Flask, parts: Gateway, ends: Callable[[Flask, Browser, Gateway], None]
) -> None:
    admins.create(parts.engine, "test", "eve", OTHER, "admin")
    eve = Browser(app)
    eve.sign_in(OTHER, username="eve")
    token, cookie = eve.token(DASHBOARD), eve.cookie
    ends(app, eve, parts)
    before = contents(parts.settings.data_dir)
    for door in behind_the_sign_in(app):
        thief = Browser(app)
        thief.client.set_cookie("gateway_session", cookie or "")
        assert is_refusal(knock(thief, door, token)), door
    assert contents(parts.settings.data_dir) == before


# Pages that are open.


@pytest.fixture
def boss(gateway: Running) -> Visitor:
    return Visitor(gateway)


@pytest.fixture
def eve(boss: Visitor) -> Iterator[Visitor]:
    """An admin who is made for each test, and whose number is `number`."""
    form = {"username": "eve", "role": "admin", "password": OTHER, "again": OTHER}
    assert boss.post("/admin/admins", **form).status_code == 302
    yield Visitor(boss.gateway, "eve", OTHER)
    boss.post(f"/admin/admins/{number_of(boss)}/delete")


def number_of(boss: Visitor) -> str:
    page = boss.get("/admin/admins").text
    numbers: list[str] = re.findall(r"/admin/admins/(\d+)/delete", page)
    return max(numbers, key=int)


def pages_of(visitor: Visitor) -> list[OpenPage]:
    """Enough to be open at both workers."""
    pages = [visitor.open() for _ in range(6)]
    for page in pages:
        page.read_until(lambda parts: "figures" in parts)
    return pages


def test_a_new_password_of_ones_own_closes_what_is_open(gateway: Running, eve: Visitor) -> None:
    elsewhere = pages_of(Visitor(gateway, "eve", OTHER))
    here, cookie = pages_of(eve), eve.cookie
    form = {"current": OTHER, "password": PASSWORD, "again": PASSWORD}
    assert eve.post("/admin/account/password", **form).status_code == 302
    assert [page.read_to_the_end() for page in (*here, *elsewhere)] == [4401] * 12
    assert refusal(gateway, {"Cookie": cookie}) == 302
    assert eve.refusal() == 101


def test_another_role_closes_what_is_open(gateway: Running, boss: Visitor, eve: Visitor) -> None:
    pages, cookie = pages_of(eve), eve.cookie
    (own,) = [boss.open()]
    assert boss.post(f"/admin/admins/{number_of(boss)}/role", role="viewer").status_code == 302
    assert [page.read_to_the_end() for page in pages] == [4401] * 6
    assert refusal(gateway, {"Cookie": cookie}) == 302
    own.read_until(lambda parts: "figures" in parts)
    own.close()


def test_a_deletion_closes_what_is_open(gateway: Running, boss: Visitor, eve: Visitor) -> None:
    pages = pages_of(eve)
    boss.post(f"/admin/admins/{number_of(boss)}/delete")
    assert [page.read_to_the_end() for page in pages] == [4401] * 6
    assert eve.refusal() == 302
    boss.post("/admin/admins", username="eve", role="viewer", password=OTHER, again=OTHER)


def test_signing_out_everywhere_closes_what_is_open(gateway: Running, eve: Visitor) -> None:
    elsewhere = pages_of(Visitor(gateway, "eve", OTHER))
    assert eve.post("/admin/account/sign-out-everywhere").status_code == 302
    assert [page.read_to_the_end() for page in elsewhere] == [4401] * 6
