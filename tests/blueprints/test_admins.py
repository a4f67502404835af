"""Several admins: who they are, what each may, their own passwords, and the very first."""

import logging
import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gateway.context import Gateway
from gateway.store import admins
from gateway.store.audit import entries
from tests.blueprints.browser import DASHBOARD, LOGIN, PASSWORD, Browser

ADMINS, ACCOUNT, SET_UP = "/admin/admins", "/admin/account", "/admin/set-up"
OTHER = "another good one"
NEW = {"username": "eve", "role": "viewer", "password": OTHER, "again": OTHER}


def test_another_admin_is_let_in_as_a_viewer(app: Flask, signed_in: Browser) -> None:
    assert post(signed_in, ADMINS, at=ADMINS, **NEW).location == ADMINS
    assert "eve may sign in now." in signed_in.get(ADMINS).text
    eve = Browser(app)
    assert eve.sign_in(OTHER, username="eve").status_code == 302
    page = eve.get(ADMINS).text
    assert "(viewer)" in page and "One more" not in page and "Delete …" not in page
    for path in (ADMINS, f"{ADMINS}/1/role", f"{ADMINS}/1/delete"):
        assert post(eve, path, at=ACCOUNT, **NEW).status_code == 403
    assert eve.client.post("/admin/api/clients", json={"name": "x"}).status_code == 403
    assert eve.get("/admin/api/clients").status_code == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"username": "admin"}, "is the name of another admin"),
        ({"username": " "}, "required"),
        ({"username": "token"}, "means something else"),
        ({"username": "a\u202eb"}, "1 to 100 characters"),
        ({"password": "short", "again": "short"}, "At least 12 characters"),
        ({"password": "a" * 20, "again": "a" * 20}, "too easy"),
        ({"again": "something else"}, "not the same"),
        ({"role": "owner"}, "Not a valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_nobody_made(
    signed_in: Browser, parts: Gateway, wrong: dict[str, str], said: str
) -> None:
    answer = post(signed_in, ADMINS, at=ADMINS, **{**NEW, **wrong})
    assert answer.status_code == 422
    assert said in answer.text and OTHER not in answer.text
    assert admins.usernames(parts.engine) == ["admin"]


def test_the_last_admin_stays(signed_in: Browser, parts: Gateway) -> None:
    admins.create(parts.engine, "test", "eve", OTHER, "viewer")
    for path, data in ((f"{ADMINS}/1/role", {"role": "viewer"}), (f"{ADMINS}/1/delete", {})):
        assert post(signed_in, path, at=ADMINS, **data).status_code == 302
        assert "cannot go from the last admin" in signed_in.get(ADMINS).text
    assert [one.role for one in admins.everybody(parts.engine)] == ["admin", "viewer"]


def test_a_role_changes_and_an_admin_goes(app: Flask, signed_in: Browser, parts: Gateway) -> None:
    admins.create(parts.engine, "test", "eve", OTHER, "viewer")
    eve = Browser(app)
    eve.sign_in(OTHER, username="eve")
    post(signed_in, f"{ADMINS}/2/role", at=ADMINS, role="admin")
    assert eve.get(DASHBOARD).status_code == 302
    eve.sign_in(OTHER, username="eve")
    assert eve.client.post("/admin/api/clients", json={"name": "x"}).status_code == 201
    assert post(signed_in, f"{ADMINS}/2/role", at=ADMINS, role="owner").status_code == 422
    post(signed_in, f"{ADMINS}/2/delete", at=ADMINS)
    assert eve.get(DASHBOARD).status_code == 302
    assert post(signed_in, f"{ADMINS}/2/delete", at=ADMINS).status_code == 404
    told = [(one.actor, one.action, one.subject) for one in entries(parts.engine, 10)[0]]
    assert ("admin", "admin.delete", "eve") in told
    assert ("admin", "admin.change", "eve") in told
    assert ("eve", "client.create", "x") in told
    assert ("eve", "admin.sign-in", "eve") in told


def test_ones_own_password_is_changed_and_other_sessions_end(
    app: Flask, signed_in: Browser
) -> None:
    elsewhere = Browser(app)
    elsewhere.sign_in()
    form = {"current": PASSWORD, "password": OTHER, "again": OTHER}
    answer = post(signed_in, f"{ACCOUNT}/password", at=ACCOUNT, **form)
    assert answer.location == ACCOUNT
    assert signed_in.get(DASHBOARD).status_code == 200
    assert elsewhere.get(DASHBOARD).status_code == 302
    assert elsewhere.sign_in(PASSWORD).status_code == 401
    assert elsewhere.sign_in(OTHER).status_code == 302


@pytest.mark.parametrize("current", ["wrong", ""])
def test_the_password_of_now_is_wanted(app: Flask, signed_in: Browser, current: str) -> None:
    form = {"current": current, "password": OTHER, "again": OTHER}
    answer = post(signed_in, f"{ACCOUNT}/password", at=ACCOUNT, **form)
    assert answer.status_code == 422
    assert Browser(app).sign_in(PASSWORD).status_code == 302


def test_guesses_of_the_password_of_now_are_throttled(signed_in: Browser) -> None:
    form = {"current": "wrong", "password": OTHER, "again": OTHER}
    tries = [post(signed_in, f"{ACCOUNT}/password", at=ACCOUNT, **form) for _ in range(11)]
    assert [one.status_code for one in tries] == [422] * 10 + [429]


def test_a_viewer_has_a_password_and_sessions_too(app: Flask, parts: Gateway) -> None:
    admins.create(parts.engine, "test", "eve", OTHER, "viewer")
    here, there = Browser(app), Browser(app)
    for browser in (here, there):
        browser.sign_in(OTHER, username="eve")
    form = {"current": OTHER, "password": PASSWORD, "again": PASSWORD}
    assert post(here, f"{ACCOUNT}/password", at=ACCOUNT, **form).status_code == 302
    there.sign_in(PASSWORD, username="eve")
    assert post(here, f"{ACCOUNT}/sign-out-everywhere", at=ACCOUNT).location == LOGIN
    assert here.get(DASHBOARD).status_code == there.get(DASHBOARD).status_code == 302


# The very first.


def test_who_reads_the_log_makes_the_first_admin(
    browser: Browser, parts: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    nobody(parts)
    assert browser.get(LOGIN).location == SET_UP
    with caplog.at_level(logging.WARNING):
        browser.get(SET_UP)
        browser.get(SET_UP)
    (code,) = re.findall(r"[A-Z2-9]{5}(?:-[A-Z2-9]{5}){3}", caplog.text)
    form = {"username": "zoe", "password": OTHER, "again": OTHER}
    assert post(browser, SET_UP, at=SET_UP, **form, code="AAAAA").status_code == 422
    reserved = {**form, "username": "token", "code": code}
    assert post(browser, SET_UP, at=SET_UP, **reserved).status_code == 422
    assert admins.usernames(parts.engine) == []
    assert post(browser, SET_UP, at=SET_UP, **form, code=code.lower()).location == LOGIN
    assert browser.sign_in(OTHER, username="zoe").status_code == 302
    assert admins.everybody(parts.engine)[0].role == "admin"
    nobody(parts)
    assert post(browser, SET_UP, at=SET_UP, **form, code=code).status_code == 422
    assert admins.usernames(parts.engine) == []


def test_there_is_no_set_up_where_there_is_an_admin(browser: Browser, parts: Gateway) -> None:
    assert browser.get(SET_UP).location == LOGIN
    form = {"username": "zoe", "password": OTHER, "again": OTHER, "code": "x"}
    assert post(browser, SET_UP, at=LOGIN, **form).status_code == 422
    assert admins.usernames(parts.engine) == ["admin"]


def nobody(parts: Gateway) -> None:
    with parts.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM admins")


def post(browser: Browser, path: str, *, at: str, **data: str) -> TestResponse:
    return browser.client.post(path, data={"csrf_token": browser.token(at), **data})
