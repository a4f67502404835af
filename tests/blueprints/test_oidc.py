"""Signing in by an OpenID Connect provider: a real one, in a process of its own."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect
from pydantic import SecretStr
from werkzeug.test import TestResponse

from gateway.blueprints.admin.oidc_provider import _NAME as NAME
from gateway.context import Gateway
from gateway.store import admins
from gateway.store.audit import entries
from tests.blueprints.browser import DASHBOARD, HOME, LOGIN, PASSWORD, Browser, installed, running
from tests.blueprints.visitor import WITH_PASSWORD
from tests.oidc.provider import SECRET, Provider, provider, with_parameters
from tests.running import Running, free_port

BEGIN, CALLBACK = f"{LOGIN}/oidc", f"{LOGIN}/oidc/callback"
LISTS = {
    "allowed_domains": ["corp.example"],
    "allowed_emails": ["zoe@elsewhere.example"],
    "admins": ["boss@corp.example"],
}


@pytest.fixture(scope="module", params=[True, False], ids=["userinfo", "id-token"])
def there(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with provider([f"http://localhost{CALLBACK}"], userinfo=request.param) as running:
        yield running


@pytest.fixture
def issuer(there: Provider) -> str:
    return there.issuer


@pytest.fixture
def app(tmp_path: Path, issuer: str) -> Iterator[Flask]:
    oidc = {"issuer": issuer, "client_id": "gateway", "client_secret": SECRET, **LISTS}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"oidc": oidc, "admin": {"sign_in_per_minute": 1000}}))
    with running(installed(tmp_path, file)) as app:
        yield app


def configure(parts: Gateway, **changed: Any) -> None:
    """As after a restart with other settings."""
    oidc = parts.settings.oidc.model_copy(update=changed)
    parts.settings = parts.settings.model_copy(update={"oidc": oidc})


def come(browser: Browser, there: Provider, login: str | None, **changed: str) -> TestResponse:
    begun = browser.get(BEGIN)
    assert begun.status_code == 302, begun.text
    return browser.get(path_of(there.walk(begun.location, login, **changed)))


def path_of(address: str) -> str:
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("http", "localhost")
    return f"{parts.path}?{parts.query}"


def is_refused(answer: TestResponse, status: int, said: str) -> None:
    assert answer.status_code == status
    assert said in re.sub(r"\s+", " ", answer.text)
    assert "Sign in with" in answer.text and 'name="password"' in answer.text
    assert f'action="{LOGIN}' in answer.text


# Who comes in.


@pytest.mark.parametrize(
    ("login", "role"),
    [
        ("eve@corp.example", "viewer"),
        ("Eve@CORP.example", "viewer"),
        ("zoe@elsewhere.example", "viewer"),
        ("boss@corp.example", "admin"),
    ],
)
def test_who_is_listed_comes_in(
    browser: Browser, parts: Gateway, there: Provider, login: str, role: str
) -> None:
    answer = come(browser, there, login)
    assert (answer.status_code, answer.location) == (302, HOME)
    page = browser.get(DASHBOARD)
    assert page.status_code == 200 and f"<bdi>{login.lower()}</bdi>" in page.text
    made = browser.client.post("/admin/api/clients", json={"name": "x"})
    assert made.status_code == (201 if role == "admin" else 403)
    row = admins.everybody(parts.engine)[-1]
    assert (row.username, row.role, row.by_provider) == (login.lower(), role, True)
    told = [(one.actor, one.action, one.changes) for one in entries(parts.engine, 10)[0]]
    assert (row.username, "admin.create", {"role": [None, role]}) in told
    assert (row.username, "admin.sign-in", {}) in told


def test_they_are_the_same_the_second_time(
    app: Flask, browser: Browser, parts: Gateway, there: Provider
) -> None:
    for who in (browser, Browser(app)):
        assert come(who, there, "eve@corp.example").location == HOME
    assert admins.usernames(parts.engine) == ["admin", "eve@corp.example"]


def test_the_button_is_there_and_leads_to_where_one_wanted(
    browser: Browser, there: Provider
) -> None:
    asked = browser.get("/admin/clients?page=2").location
    page = browser.get(asked).text
    found = re.search(r'href="([^"]+)">Sign in with <bdi>127.0.0.1</bdi>', page)
    assert found
    begun = browser.get(found[1])
    back = browser.get(path_of(there.walk(begun.location, "eve@corp.example")))
    assert back.location == "/admin/clients?page=2"


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_it_leads_to_no_other_site(browser: Browser, there: Provider, target: str) -> None:
    begun = browser.client.get(BEGIN, query_string={"next": target})
    back = browser.get(path_of(there.walk(begun.location, "eve@corp.example")))
    assert back.location == HOME


def test_what_is_asked_has_state_nonce_and_a_challenge(browser: Browser) -> None:
    asked = parse_qs(urlsplit(browser.get(BEGIN).location).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"http://localhost{CALLBACK}"]
    again = parse_qs(urlsplit(browser.get(BEGIN).location).query)
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 20 and asked[name] != again[name]


def test_the_public_address_wins_over_what_is_asked(browser: Browser, parts: Gateway) -> None:
    configure(parts, public_url="https://gateway.example")
    asked = parse_qs(urlsplit(browser.get(BEGIN).location).query)
    assert asked["redirect_uri"] == [f"https://gateway.example{CALLBACK}"]


def test_the_session_is_a_new_one(browser: Browser, there: Provider) -> None:
    begun = browser.get(BEGIN).location
    with browser.client.session_transaction(LOGIN) as session:
        session["planted"] = "by somebody else"
    before = browser.cookie
    browser.get(path_of(there.walk(begun, "eve@corp.example")))
    with browser.client.session_transaction(DASHBOARD) as session:
        assert set(session) == {"_permanent", "admin_id", "epoch", "id"}
    browser.client.set_cookie("gateway_session", before or "")
    assert browser.get(DASHBOARD).status_code == 302


def test_to_begin_many_times_does_not_fill_the_cookie(browser: Browser, there: Provider) -> None:
    for _ in range(10):
        begun = browser.get(BEGIN).location
    assert len(browser.cookie or "") < 2000
    assert browser.get(path_of(there.walk(begun, "eve@corp.example"))).location == HOME


def test_passwords_go_on(browser: Browser) -> None:
    assert browser.sign_in().location == HOME


# Who does not.


@pytest.mark.parametrize(
    "login",
    [
        "eve@evil.example",
        "eve@corp.example.evil.example",
        "eve@sub.corp.example",
        "eve@corp.example@evil.example",
        "eve@evil.example,eve@corp.example",
        "boss@\u212aorp.example",
        "<b>eve</b>@evil.example",
    ],
)
def test_who_is_not_listed_stays_out(
    browser: Browser, parts: Gateway, there: Provider, login: str
) -> None:
    configure(parts, allowed_domains=["corp.example", "korp.example"])
    is_refused(come(browser, there, login), 403, "may not sign in here. Whoever runs the gateway")
    assert browser.get(DASHBOARD).status_code == 302
    assert admins.usernames(parts.engine) == ["admin"]


def test_an_address_is_to_be_verified(browser: Browser, parts: Gateway, there: Provider) -> None:
    answer = come(browser, there, "unverified.eve@corp.example")
    is_refused(answer, 403, "not verified at the provider")
    assert admins.usernames(parts.engine) == ["admin"]


def test_an_address_is_to_be_told(browser: Browser, there: Provider) -> None:
    is_refused(come(browser, there, "nobody"), 403, "told no e-mail address")


def test_who_says_no_there_is_told_what_to_do(browser: Browser, there: Provider) -> None:
    is_refused(come(browser, there, None), 403, "told not to let you in. Try again, or sign in by")


def test_the_name_of_who_has_a_password_is_not_taken(
    browser: Browser, parts: Gateway, there: Provider
) -> None:
    admins.create(parts.engine, "test", "eve@corp.example", PASSWORD, "admin")
    is_refused(come(browser, there, "eve@corp.example"), 403, "who signs in by password")


def test_an_address_of_another_person_is_not_the_same(
    browser: Browser, parts: Gateway, there: Provider
) -> None:
    assert come(browser, there, "eve@corp.example").location == HOME
    browser.sign_out()
    answer = come(browser, there, "eve@corp.example#another")
    is_refused(answer, 403, "by another identity than before")


def test_who_comes_by_the_provider_has_no_password(
    app: Flask, browser: Browser, parts: Gateway, there: Provider
) -> None:
    come(browser, there, "eve@corp.example")
    with parts.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT password_hash FROM admins").scalars().all()[-1]
    for password in (kept, "", kept.partition(":")[2]):
        assert Browser(app).sign_in(password, username="eve@corp.example").status_code == 401
    assert "no password here to change" in browser.get("/admin/account").text


# Those taken off the list.


@pytest.mark.parametrize(
    "changed",
    [{"allowed_domains": []}, {"admins": ["eve@corp.example"]}, {"issuer": None}],
    ids=["off the list", "another role", "switched off"],
)
def test_what_the_list_says_now_ends_the_session(
    browser: Browser, parts: Gateway, there: Provider, changed: dict[str, Any]
) -> None:
    come(browser, there, "eve@corp.example")
    assert browser.get(DASHBOARD).status_code == 200
    configure(parts, **changed)
    assert browser.get(DASHBOARD).status_code == 302
    assert browser.get("/admin/api/clients").status_code == 401


def test_who_is_taken_off_the_list_stays_out(
    browser: Browser, parts: Gateway, there: Provider
) -> None:
    come(browser, there, "eve@corp.example")
    configure(parts, allowed_domains=[])
    is_refused(come(browser, there, "eve@corp.example"), 403, "may not sign in here")


def test_another_role_is_given_with_the_next_sign_in(
    browser: Browser, parts: Gateway, there: Provider
) -> None:
    come(browser, there, "eve@corp.example")
    configure(parts, admins=["eve@corp.example"])
    assert come(browser, there, "eve@corp.example").location == HOME
    assert browser.client.post("/admin/api/clients", json={"name": "x"}).status_code == 201
    told = [one for one in entries(parts.engine, 10)[0] if one.action == "admin.change"]
    assert [(one.actor, one.changes) for one in told] == [
        ("configuration", {"role": ["viewer", "admin"]})
    ]


def test_the_role_is_the_configurations_alone(
    browser: Browser, parts: Gateway, there: Provider
) -> None:
    come(browser, there, "eve@corp.example")
    browser.sign_out()
    browser.sign_in()
    page = browser.get("/admin/admins").text
    assert "The role is set in the configuration" in page
    form = {"csrf_token": browser.token(DASHBOARD), "role": "admin"}
    browser.client.post("/admin/admins/2/role", data=form)
    assert "The role is given by oidc.admins" in browser.get("/admin/admins").text
    assert [one.role for one in admins.everybody(parts.engine)] == ["admin", "viewer"]


# Tricks.


@pytest.mark.parametrize("state", ["made-up", ""])
def test_a_state_that_was_altered_is_refused(browser: Browser, there: Provider, state: str) -> None:
    back = path_of(there.walk(browser.get(BEGIN).location, "eve@corp.example"))
    is_refused(browser.get(with_parameters(back, state=state)), 400, "Please begin anew")


def test_an_answer_to_another_browser_is_refused(
    app: Flask, browser: Browser, there: Provider
) -> None:
    back = path_of(there.walk(browser.get(BEGIN).location, "eve@corp.example"))
    victim = Browser(app)
    victim.get(BEGIN)
    is_refused(victim.get(back), 400, "was not begun here")
    assert victim.get(DASHBOARD).status_code == 302


def test_a_callback_works_once(app: Flask, browser: Browser, there: Provider) -> None:
    begun = browser.get(BEGIN).location
    kept = browser.cookie
    back = path_of(there.walk(begun, "eve@corp.example"))
    assert browser.get(back).location == HOME
    is_refused(browser.get(back), 400, "or is used up")
    thief = Browser(app)
    thief.client.set_cookie("gateway_session", kept or "")
    is_refused(thief.get(back), 400, "or is used up")
    assert thief.get(DASHBOARD).status_code == 302


def test_a_token_for_another_nonce_is_refused(
    browser: Browser, there: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    answer = come(browser, there, "eve@corp.example", nonce="n" * 20)
    is_refused(answer, 502, "cannot be trusted")
    assert "nonce" in caplog.text


def test_another_challenge_is_refused(browser: Browser, there: Provider) -> None:
    is_refused(come(browser, there, "eve@corp.example", code_challenge="c" * 43), 400, "begin anew")


def test_what_is_said_in_an_address_is_not_said_on_the_page(browser: Browser) -> None:
    told = {"error": "<script>", "error_description": "call 555-1234"}
    answer = browser.client.get(CALLBACK, query_string=told)
    is_refused(answer, 502, "refused: an error without a name")
    assert "555" not in answer.text and "&lt;script" not in answer.text


def test_tries_are_throttled(browser: Browser, parts: Gateway) -> None:
    admin = parts.settings.admin.model_copy(update={"sign_in_per_minute": 3})
    parts.settings = parts.settings.model_copy(update={"admin": admin})
    where = {"REMOTE_ADDR": "192.0.2.7"}
    address = f"{CALLBACK}?state=x&code=y"
    answers = [browser.client.get(address, environ_overrides=where) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]


# A provider in trouble.


def test_a_wrong_secret_is_told_without_it(
    browser: Browser, parts: Gateway, there: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    configure(parts, client_secret=SecretStr("quite another secret"))
    with caplog.at_level(logging.DEBUG, logger="gateway"):
        is_refused(come(browser, there, "eve@corp.example"), 502, "oidc.client_secret")
    assert "invalid_client" in caplog.text
    assert "quite another secret" not in caplog.text and "code=" not in caplog.text


def test_a_provider_that_is_away_is_told_and_may_come_back(
    browser: Browser, parts: Gateway, there: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    configure(parts, issuer=f"http://127.0.0.1:{free_port()}")
    is_refused(browser.get(BEGIN), 503, "cannot be reached")
    assert "does not answer" in caplog.text
    configure(parts, issuer=there.issuer)
    assert come(browser, there, "eve@corp.example").location == HOME


def test_a_provider_that_goes_away_in_between_is_told(
    app: Flask, browser: Browser, there: Provider
) -> None:
    back = path_of(there.walk(browser.get(BEGIN).location, "eve@corp.example"))
    app.extensions[NAME].server_metadata["token_endpoint"] = f"http://127.0.0.1:{free_port()}/"
    is_refused(browser.get(back), 503, "cannot be reached")


def test_a_provider_of_another_name_is_refused(
    browser: Browser, parts: Gateway, there: Provider
) -> None:
    configure(parts, issuer=there.issuer.replace("127.0.0.1", "localhost"))
    is_refused(browser.get(BEGIN), 502, "cannot be trusted")


def test_without_a_provider_there_is_no_button(browser: Browser, parts: Gateway) -> None:
    configure(parts, issuer=None)
    assert "Sign in with" not in browser.get(LOGIN).text
    assert browser.get(BEGIN).status_code == browser.get(CALLBACK).status_code == 404


# At a real gateway, by a real browser.


def test_a_person_signs_in(tmp_path: Path, chrome: Chromium) -> None:
    gateway = Running(tmp_path, workers=2, environment=WITH_PASSWORD)
    with provider([f"{gateway.origin}{CALLBACK}"]) as there:
        oidc = {"issuer": there.issuer, "client_id": "gateway", "client_secret": SECRET}
        gateway.settings["oidc"] = {**oidc, **LISTS, "name": "Corp"}
        with gateway:
            page = chrome.new_page()
            page.goto(f"{gateway.origin}/admin/requests")
            page.get_by_role("link", name="Sign in with Corp").click()
            page.get_by_placeholder("Enter any login").fill("boss@corp.example")
            page.get_by_placeholder("and password").fill("x")
            page.get_by_role("button", name="Sign-in").click()
            page.get_by_role("button", name="Continue").click()
            page.wait_for_url("**/admin/requests")
            expect(page.get_by_text("boss@corp.example")).to_be_visible()
            page.close()
        assert SECRET not in gateway.output
