"""Signing in to the admin pages, what the first of them shows, and signing out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import create_app
from gateway.config import Settings, load
from gateway.context import Gateway
from gateway.store import admins
from gateway.store.client_book import ClientBook
from gateway.store.first_run import prepare
from gateway.store.models import RequestLog
from gateway.store.stats import latest_requests

PASSWORD = "correct horse"
LOGIN, LOGOUT, HOME, DASHBOARD = "/admin/login", "/admin/logout", "/admin", "/admin/dashboard"
SCRIPT = "<script>alert('1')</script>"


def installed(folder: Path, path: Path | None = None) -> Settings:
    environ = {"GATEWAY_DATA_DIR": str(folder / "data"), "GATEWAY_ADMIN_PASSWORD": PASSWORD}
    settings = load(environ, path)
    prepare(settings, lambda text: None)
    return settings


@contextmanager
def running(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    yield app
    app.extensions["gateway"].stop()
    app.extensions["gateway"].engine.dispose()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with running(installed(tmp_path)) as app:
        yield app


@pytest.fixture
def gateway(app: Flask) -> Gateway:
    gateway: Gateway = app.extensions["gateway"]
    return gateway


@pytest.fixture
def book(gateway: Gateway) -> ClientBook:
    return ClientBook(gateway.engine, gateway.vault, gateway.settings, gateway.changed)


class Browser:
    """Fills forms in as a person would, with whatever token the page carries."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def sign_in(
        self, password: str = PASSWORD, *, username: str = "admin", at: str = LOGIN, **options: Any
    ) -> TestResponse:
        form = {"username": username, "password": password, "csrf_token": self.token(at)}
        return self.client.post(at, data=form, **options)

    def sign_out(self) -> TestResponse:
        return self.client.post(LOGOUT, data={"csrf_token": self.token(DASHBOARD)})

    def token(self, path: str) -> str:
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.get(path).text)
        assert found, f"{path} has no form"
        return found[1]

    @property
    def cookie(self) -> str | None:
        cookie = self.client.get_cookie("gateway_session")
        return cookie and cookie.value


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    assert browser.sign_in().status_code == 302
    return browser


def log(gateway: Gateway, number: int, **values: Any) -> None:
    row = {
        "request_id": f"req_{number}",
        "started_at": 1_790_000_000_000 + number * 1000,
        "client_id": 1,
        "client_name": "demo",
        "door": "openai",
        "model_asked": "asked-for",
        "provider": "demo",
        "model": f"model-{number}",
        "streamed": False,
        "status": 200,
        "attempts": 1,
        "total_ms": 1234.5,
        "input_tokens": 12_000,
        "output_tokens": 30,
        "estimated": False,
    }
    with Session(gateway.engine) as session, session.begin():
        session.add(RequestLog(**{**row, **values}))


# Coming in.


def test_the_right_password_leads_to_the_dashboard(browser: Browser) -> None:
    answer = browser.sign_in()
    assert (answer.status_code, answer.location) == (302, HOME)
    assert browser.get(HOME).location == DASHBOARD
    assert browser.get(DASHBOARD).status_code == 200


def test_the_front_door_leads_to_the_admin(browser: Browser) -> None:
    answer = browser.get("/")
    assert (answer.status_code, answer.location) == (302, HOME)


@pytest.mark.parametrize("path", [HOME, DASHBOARD])
def test_strangers_are_sent_to_the_sign_in(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert (answer.status_code, answer.location) == (302, LOGIN)


def test_where_a_stranger_wanted_to_go_is_kept(browser: Browser) -> None:
    asked = browser.get(f"{DASHBOARD}?page=2&since=x").location
    answer = browser.sign_in(at=asked)
    assert answer.location == f"{DASHBOARD}?page=2&since=x"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("admin", "wrong"),
        ("nobody", PASSWORD),
        ("admin", ""),
        ("", PASSWORD),
        ("ADMIN", PASSWORD),
        ("admin", PASSWORD + " "),
        ("a" * 101, PASSWORD),
        ("admin", "x" * 1001),
        ("admin\0", PASSWORD),
        (SCRIPT, "wrong"),
    ],
)
def test_anything_else_is_refused_in_the_same_words(
    browser: Browser, username: str, password: str
) -> None:
    answer = browser.sign_in(password, username=username)
    assert answer.status_code == 401
    assert "do not go together" in answer.text
    assert SCRIPT not in answer.text
    assert "wrong" not in answer.text
    assert browser.get(DASHBOARD).status_code == 302


def test_what_is_no_form_is_refused(browser: Browser) -> None:
    token = {"X-CSRFToken": browser.token(LOGIN)}
    answer = browser.client.post(LOGIN, json={"password": PASSWORD}, headers=token)
    assert answer.status_code == 401


def test_who_is_signed_in_needs_no_form(signed_in: Browser) -> None:
    assert signed_in.get(LOGIN).location == HOME


def test_a_first_admin_may_have_another_name(browser: Browser, gateway: Gateway) -> None:
    with gateway.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE admins SET username = '<b>Zoë</b>'")
    assert browser.sign_in(username="<b>Zoë</b>").status_code == 302
    assert "&lt;b&gt;Zoë&lt;/b&gt;" in browser.get(DASHBOARD).text


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "/\n/evil.example/",
        "\t//evil.example/",
        " //evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "",
    ],
)
def test_the_sign_in_leads_to_no_other_site(browser: Browser, target: str) -> None:
    browser.get(LOGIN)
    token = browser.token(LOGIN)
    form = {"username": "admin", "password": PASSWORD, "csrf_token": token}
    answer = browser.client.post(LOGIN, query_string={"next": target}, data=form)
    assert (answer.status_code, answer.location) == (302, HOME)
    assert browser.client.get(LOGIN, query_string={"next": target}).location == HOME


# Guessing.


def test_attempts_are_throttled_by_address(browser: Browser) -> None:
    def status(password: str, address: str) -> int:
        where = {"REMOTE_ADDR": address}
        return browser.sign_in(password, environ_overrides=where).status_code

    assert [status("wrong", "192.0.2.1") for _ in range(11)] == [401] * 10 + [429]
    assert status(PASSWORD, "192.0.2.1") == 429
    assert browser.get(DASHBOARD).status_code == 302
    assert status(PASSWORD, "192.0.2.2") == 302


def test_the_throttled_are_told_when_to_try_again(browser: Browser) -> None:
    for _ in range(11):
        answer = browser.sign_in("wrong")
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert f"Try again in {wait} s" in answer.text


# Forms of other sites.


@pytest.mark.parametrize("token", [None, "", "made-up"])
def test_a_sign_in_without_the_pages_token_is_refused(browser: Browser, token: str | None) -> None:
    browser.get(LOGIN)
    form = {"username": "admin", "password": PASSWORD}
    answer = browser.client.post(
        LOGIN, data=form if token is None else form | {"csrf_token": token}
    )
    assert answer.status_code == 400
    assert "Please try again" in answer.text
    assert browser.get(DASHBOARD).status_code == 302


def test_a_token_of_another_session_is_refused(app: Flask, browser: Browser) -> None:
    browser.get(LOGIN)
    foreign = Browser(app).token(LOGIN)
    form = {"username": "admin", "password": PASSWORD, "csrf_token": foreign}
    assert browser.client.post(LOGIN, data=form).status_code == 400


def test_a_sign_out_without_the_pages_token_is_refused(signed_in: Browser) -> None:
    assert signed_in.client.post(LOGOUT).status_code == 400
    assert signed_in.get(LOGOUT).status_code == 405
    assert signed_in.get(DASHBOARD).status_code == 200


def test_a_form_over_tls_needs_no_referrer(browser: Browser) -> None:
    assert browser.sign_in(base_url="https://localhost").status_code == 302


# The session.


def test_nothing_of_the_session_before_is_carried_over(browser: Browser) -> None:
    token, before = browser.token(LOGIN), browser.cookie
    with browser.client.session_transaction(LOGIN) as session:
        session["planted"] = "by somebody else"
    browser.sign_in()
    assert browser.cookie != before
    with browser.client.session_transaction(LOGIN) as session:
        assert "planted" not in session
    assert browser.token(DASHBOARD) != token
    browser.client.set_cookie("gateway_session", before or "")
    assert browser.get(DASHBOARD).status_code == 302


def test_signing_out_ends_the_session(signed_in: Browser) -> None:
    answer = signed_in.sign_out()
    assert (answer.status_code, answer.location) == (302, LOGIN)
    assert signed_in.cookie is None
    assert signed_in.get(DASHBOARD).status_code == 302


def test_a_session_that_was_not_used_for_its_hours_is_over(app: Flask, signed_in: Browser) -> None:
    assert signed_in.get(DASHBOARD).status_code == 200
    app.permanent_session_lifetime = timedelta(seconds=-1)
    assert signed_in.get(DASHBOARD).status_code == 302


def test_a_new_password_ends_the_session(gateway: Gateway, signed_in: Browser) -> None:
    admins.set_password(gateway.engine, "admin", "another")
    assert signed_in.get(DASHBOARD).status_code == 302
    assert signed_in.sign_in(PASSWORD).status_code == 401
    assert signed_in.sign_in("another").status_code == 302


def test_an_admin_who_is_gone_is_signed_out(gateway: Gateway, signed_in: Browser) -> None:
    with gateway.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM admins")
    assert signed_in.get(DASHBOARD).status_code == 302


def test_a_tampered_cookie_is_no_session(signed_in: Browser) -> None:
    value = signed_in.cookie or ""
    signed_in.client.set_cookie(
        "gateway_session", value[:-2] + ("aa" if value[-2:] != "aa" else "bb")
    )
    assert signed_in.get(DASHBOARD).status_code == 302


def test_scripts_and_other_sites_do_not_get_the_cookie(browser: Browser) -> None:
    cookie = browser.sign_in().headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


# The pages.


@pytest.mark.parametrize("path", ["/", HOME, DASHBOARD, LOGIN, "/admin/nothing"])
def test_pages_are_kept_by_no_cache_and_run_only_our_scripts(signed_in: Browser, path: str) -> None:
    for answer in (signed_in.get(path), Browser(signed_in.client.application).get(path)):
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        if path != "/admin/nothing":
            assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [DASHBOARD, LOGIN, "/admin/nothing"])
def test_all_that_a_page_loads_is_a_file_of_ours(
    browser: Browser, gateway: Gateway, path: str
) -> None:
    log(gateway, 1)
    if path != LOGIN:
        browser.sign_in()
    page = browser.get(path).text
    loaded = re.findall(r'<(?:link|script|img)\b[^>]*?(?:href|src)="([^"]+)"', page)
    assert loaded
    for address in loaded:
        with browser.get(address) as answer:
            assert (address[:8], answer.status_code) == ("/static/", 200)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)


def test_the_dashboard_tells_where_the_gateway_is(signed_in: Browser) -> None:
    page = signed_in.get(DASHBOARD).text
    assert "<code>http://localhost/v1</code>" in page
    assert 'href="/health/ready"' in page and 'href="/metrics"' in page
    assert re.search(r"<dt>Version</dt><dd>\d+\.\d+\.\d+</dd>", page)


def test_clients_are_listed_with_their_state(signed_in: Browser, book: ClientBook) -> None:
    key = book.create({"name": "shop", "provider": "groq", "default_model": "llama"})[1]
    book.create({"name": "old", "expires_at": "2020-01-01T00:00:00Z"})
    book.create({"name": "off", "is_active": False})
    rows = table(signed_in.get(DASHBOARD).text, "clients")
    assert rows[0][:4] == ["demo", "demo", "demo", "active"]
    assert rows[1] == ["shop", "groq", "llama", "active", f"{key[:7]}…{key[-4:]}"]
    assert [row[3] for row in rows[2:]] == ["expired", "disabled"]


def test_no_key_is_on_the_page(signed_in: Browser, book: ClientBook) -> None:
    key = book.create({"name": "shop", "provider": "groq", "provider_api_key": "upstreams-own"})[1]
    page = signed_in.get(DASHBOARD).text
    assert key not in page and "upstreams-own" not in page


def test_hostile_names_are_only_text(
    signed_in: Browser, book: ClientBook, gateway: Gateway
) -> None:
    book.create({"name": SCRIPT, "default_model": '"><img src=x onerror=alert(1)>'})
    log(gateway, 1, client_name=SCRIPT, model=SCRIPT, error_code='"><b>', status=500)
    page = signed_in.get(DASHBOARD).text
    assert SCRIPT not in page and "<img src=x" not in page and "<b>" not in page
    assert page.count("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;") == 3


def test_the_newest_requests_come_first(signed_in: Browser, gateway: Gateway) -> None:
    for number in (3, 1, 2):
        log(gateway, number)
    log(gateway, 4, status=429, error_code="rate_limit_exceeded", model=None, client_name=None)
    log(gateway, 5, input_tokens=None, output_tokens=7, estimated=True)
    page = signed_in.get(DASHBOARD).text
    assert [row[2:] for row in table(page, "requests")] == [
        ["model-5", "200", "1,234 ms", "–", "about ≈ 7"],
        ["asked-for", "429 rate_limit_exceeded", "1,234 ms", "12,000", "30"],
        ["model-3", "200", "1,234 ms", "12,000", "30"],
        ["model-2", "200", "1,234 ms", "12,000", "30"],
        ["model-1", "200", "1,234 ms", "12,000", "30"],
    ]
    assert '<time datetime="2026-09-21T14:13:21Z">2026-09-21 14:13:21 UTC</time>' in page


def test_a_long_log_is_not_read_to_its_end(signed_in: Browser, gateway: Gateway) -> None:
    for number in range(30):
        log(gateway, number)
    assert len(table(signed_in.get(DASHBOARD).text, "requests")) == 20
    plans = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters)
        plans.extend(row[3] for row in cursor.fetchall())

    event.listen(gateway.engine, "before_cursor_execute", explain)
    assert [one.model for one in latest_requests(gateway.engine, 2)] == ["model-29", "model-28"]
    assert plans == ["SCAN request_logs USING INDEX ix_request_logs_started_at"]


def test_a_newcomer_is_told_what_to_do(signed_in: Browser, book: ClientBook) -> None:
    page = signed_in.get(DASHBOARD).text
    assert "curl http://localhost/v1/chat/completions" in page
    assert "Bearer $GATEWAY_KEY" in page
    book.delete(book.find("demo").id)
    page = signed_in.get(DASHBOARD).text
    assert "flask --app app create-client try" in page
    assert "curl" not in page


def test_many_clients_are_not_all_listed(signed_in: Browser, book: ClientBook) -> None:
    for number in range(100):
        book.create({"name": f"client {number}"})
    page = signed_in.get(DASHBOARD).text
    assert len(table(page, "clients")) == 100
    assert "flask --app app list-clients" in page


def test_metrics_that_are_off_are_not_linked(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("metrics: {enabled: false}")
    with running(installed(tmp_path, path=tmp_path / "config.yaml")) as app:
        browser = Browser(app)
        browser.sign_in()
        assert 'href="/metrics"' not in browser.get(DASHBOARD).text


def test_a_missing_page_is_told_in_html(signed_in: Browser) -> None:
    answer = signed_in.get("/admin/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "<h1>Not Found</h1>" in answer.text


def test_a_database_that_is_away_is_told_in_html(signed_in: Browser, gateway: Gateway) -> None:
    with gateway.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE admins")
    answer = signed_in.get(DASHBOARD)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "<h1>Service Unavailable</h1>" in answer.text


def table(page: str, name: str) -> list[list[str]]:
    """The words in the cells of a table's body."""
    body = re.search(rf'<table[^>]*"{name}".*?<tbody[^>]*>(.*?)</tbody>', page, re.S)
    assert body, f"there is no table {name}"
    rows = re.findall(r"<tr\b.*?</tr>", body[1], re.S)
    return [
        [_words(cell) for cell in re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.S)] for row in rows
    ]


def _words(cell: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", cell).split())
