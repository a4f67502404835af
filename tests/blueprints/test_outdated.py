"""Forms of a session that has ended: nothing is done, and nothing that was typed is lost."""

import re

import pytest
from flask import Flask

from gateway.context import Gateway
from gateway.store.client_book import ClientBook
from tests.blueprints.browser import LOGIN, Browser
from tests.blueprints.form_reader import form_values

SECRET = "their-own-key-of-the-provider"
NEW = "/admin/clients/new"
STANDING = "/admin/session"


@pytest.fixture
def outdated(signed_in: Browser) -> str:
    """The token of a form that was open while its session ended and another began."""
    token = signed_in.token(NEW)
    assert signed_in.sign_out().status_code == 302
    assert signed_in.sign_in().status_code == 302
    return token


def test_what_was_typed_is_sent_again(
    signed_in: Browser, outdated: str, book: ClientBook, parts: Gateway
) -> None:
    prompt = "Be kind.\r\n\r\n</form> Really."
    form = form_values(signed_in.get(NEW).text, "client-form") | {"csrf_token": outdated}
    form |= {"name": "shop", "provider": "groq", "provider_api_key": SECRET}
    answer = signed_in.client.post(NEW, data=form | {"system_prompt": prompt})
    assert answer.status_code == 400
    assert "Nothing was done yet" in answer.text
    assert SECRET not in answer.text and outdated not in answer.text
    assert [one.name for one in book.page(limit=10)[0]] == ["demo"]
    again = form_values(answer.text, "again")
    assert signed_in.client.post(NEW, data=again).status_code == 302
    row = next(one for one in book.page(limit=10)[0] if one.name == "shop")
    assert row.system_prompt == prompt.replace("\r\n", "\n")
    assert parts.vault.decrypt(row.sealed_api_key or "") == SECRET


def test_a_key_that_was_sealed_before_stays(
    signed_in: Browser, outdated: str, book: ClientBook, parts: Gateway
) -> None:
    """A mistake first, then a session that ends."""
    wrong = form_values(signed_in.get(NEW).text, "client-form")
    wrong |= {"name": "", "provider": "groq", "provider_api_key": SECRET}
    page = signed_in.client.post(NEW, data=wrong).text
    form = form_values(page, "client-form") | {"name": "shop", "csrf_token": outdated}
    page = signed_in.client.post(NEW, data=form).text
    again = form_values(page, "again")
    assert signed_in.client.post(NEW, data=again).status_code == 302
    row = next(one for one in book.page(limit=10)[0] if one.name == "shop")
    assert parts.vault.decrypt(row.sealed_api_key or "") == SECRET


def test_headers_of_a_server_go_along_sealed(
    signed_in: Browser, outdated: str, parts: Gateway
) -> None:
    form = {"name": "tools", "url": "http://127.0.0.1:9/mcp", "header_name_0": "X-Key"}
    sent = form | {"header_value_0": SECRET, "csrf_token": outdated}
    page = signed_in.client.post("/admin/tools/servers/new", data=sent).text
    assert SECRET not in page
    again = form_values(page, "again")
    assert signed_in.client.post("/admin/tools/servers/new", data=again).status_code == 302
    parts.toolbox.look_again()
    (server,) = parts.toolbox.servers
    assert server.settings.headers["X-Key"].get_secret_value() == SECRET


def test_passwords_have_to_be_typed_again(signed_in: Browser, outdated: str) -> None:
    form = {"username": "eve", "role": "viewer", "password": SECRET, "again": SECRET}
    page = signed_in.client.post("/admin/admins", data=form | {"csrf_token": outdated}).text
    assert SECRET not in page and "but for passwords" in page
    answer = signed_in.client.post("/admin/admins", data=form_values(page, "again"))
    assert answer.status_code == 422
    assert re.search(r'id="username"[^>]* value="eve"', answer.text)


def test_a_page_can_ask_whether_its_session_stands(app: Flask, signed_in: Browser) -> None:
    told = signed_in.get(STANDING).json
    assert told
    data = {"csrf_token": told["csrf_token"], "active": "no"}
    assert signed_in.client.post("/admin/clients/1/active", data=data).status_code == 302
    assert Browser(app).get(STANDING).json == {"csrf_token": None}
    signed_in.sign_out()
    answer = signed_in.get(STANDING)
    assert answer.json == {"csrf_token": None}
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_sign_out_is_in_the_audit_log_once(signed_in: Browser) -> None:
    token = signed_in.token("/admin/audit")
    assert signed_in.sign_out().location == LOGIN
    signed_in.client.post("/admin/logout", data={"csrf_token": token})
    signed_in.sign_in()
    assert signed_in.get("/admin/audit").text.count("admin.sign-out") == 1
