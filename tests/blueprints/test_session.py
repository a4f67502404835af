"""Signing in to the admin pages, and out again."""

from datetime import timedelta
from pathlib import Path

import gevent
import pytest
from flask import Flask

from gateway.context import Gateway
from gateway.store import admins
from tests.blueprints.browser import DASHBOARD, HOME, LOGIN, LOGOUT, PASSWORD, Browser
from tests.running import Running

SCRIPT = "<script>alert('1')</script>"


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


def test_a_first_admin_may_have_another_name(browser: Browser, parts: Gateway) -> None:
    with parts.engine.begin() as connection:
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
    assert 1 <= wait <= 120
    assert f"Try again in {wait} s" in answer.text


def test_who_is_right_is_never_counted(browser: Browser) -> None:
    def status(password: str) -> int:
        where = {"REMOTE_ADDR": "192.0.2.3"}
        answer = browser.sign_in(password, environ_overrides=where).status_code
        browser.client.delete_cookie("gateway_session")
        return answer

    assert [status(PASSWORD) for _ in range(12)] == [302] * 12
    assert [status("wrong") for _ in range(11)] == [401] * 10 + [429]


def test_failures_are_counted_over_all_workers(tmp_path: Path) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    with Running(tmp_path, workers=2) as gateway:
        one, other = gateway.worker_pids()

        def tried(asleep: int) -> list[int]:
            with gateway.asleep(asleep):
                answers = [
                    gateway.call("GET", "/admin/api/clients", headers=wrong) for _ in range(6)
                ]
                assert gateway.admin("GET", "/clients").status == 200
            return [answer.status for answer in answers]

        assert tried(one) == [401] * 6
        assert tried(other) == [401] * 4 + [429] * 2


def test_who_lost_the_password_is_told_a_command_that_works(browser: Browser) -> None:
    page = browser.get(LOGIN).text
    assert "<code>.venv/bin/flask --app app reset-password</code>" in page


# Forms of other sites.


@pytest.mark.parametrize("token", [None, "made-up"])
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


def test_a_stranger_who_signs_out_tells_no_worker(parts: Gateway, browser: Browser) -> None:
    before = parts.shared.sequence()
    answer = browser.client.post(LOGOUT, data={"csrf_token": browser.token(LOGIN)})
    assert (answer.status_code, answer.location) == (302, LOGIN)
    assert parts.shared.sequence() == before


def test_a_session_is_ended_once(parts: Gateway, signed_in: Browser) -> None:
    token, copied = signed_in.token(DASHBOARD), signed_in.cookie
    before = parts.shared.sequence()
    signed_in.sign_out()
    ended = parts.shared.sequence()
    assert ended != before
    signed_in.client.set_cookie("gateway_session", copied or "")
    assert signed_in.client.post(LOGOUT, data={"csrf_token": token}).status_code == 302
    assert parts.shared.sequence() == ended


def test_a_session_that_was_not_used_for_its_hours_is_over(app: Flask, signed_in: Browser) -> None:
    assert signed_in.get(DASHBOARD).status_code == 200
    app.permanent_session_lifetime = timedelta(seconds=-1)
    assert signed_in.get(DASHBOARD).status_code == 302


def test_a_new_password_ends_the_session(parts: Gateway, signed_in: Browser) -> None:
    admins.set_password(parts.engine, "admin", "another")
    assert signed_in.get(DASHBOARD).status_code == 302
    assert signed_in.sign_in(PASSWORD).status_code == 401
    assert signed_in.sign_in("another").status_code == 302


def test_an_admin_who_is_gone_is_signed_out(parts: Gateway, signed_in: Browser) -> None:
    with parts.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM admins")
    assert signed_in.get(DASHBOARD).status_code == 302


def test_a_tampered_cookie_is_no_session(signed_in: Browser) -> None:
    payload, _, signature = (signed_in.cookie or "").rpartition(".")
    signed_in.client.set_cookie("gateway_session", f"{payload}.{signature.swapcase()}")
    assert signed_in.get(DASHBOARD).status_code == 302


def test_scripts_and_other_sites_do_not_get_the_cookie(browser: Browser) -> None:
    cookie = browser.sign_in().headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_over_tls_the_cookie_stays_on_tls(browser: Browser, scheme: str, secure: bool) -> None:
    page = browser.client.get(LOGIN, base_url=f"{scheme}://localhost")
    assert ("Secure" in page.headers["Set-Cookie"].split("; ")) is secure


def test_others_are_answered_while_a_password_is_checked(app: Flask, browser: Browser) -> None:
    browser.get(LOGIN)
    answered: list[str] = []

    def sign_in() -> None:
        browser.sign_in()
        answered.append("sign-in")

    def other() -> None:
        app.test_client().get("/health/live")
        answered.append("other")

    gevent.joinall([gevent.spawn(sign_in), gevent.spawn(other)], raise_error=True)
    assert answered == ["other", "sign-in"]
