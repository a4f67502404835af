"""The pages of clients: what is listed, asked for, refused, and kept from being lost."""

import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gateway.blueprints.admin.client_form import FIELDS, GROUPS, KINDS, ClientForm
from gateway.context import Gateway
from gateway.store.client_book import ClientBook, describe
from gateway.store.client_fields import ClientFields, new_fields
from gateway.store.client_list import PAGE
from tests.blueprints.browser import Browser
from tests.blueprints.form_reader import form_values

LIST, NEW = "/admin/clients", "/admin/clients/new"
HOSTILE = ["<script>alert(1)</script>", "\"'><img src=x>", "\u202egnp.exe", "🦊" * 20, "{{ 7*7 }}"]
FULL: dict[str, Any] = {
    "name": "shop",
    "description": "First line\nsecond",
    "is_active": False,
    "key_prefix": "sk-",
    "provider": "groq",
    "provider_base_url": "http://127.0.0.1:9/v1",
    "provider_api_version": "2024-10-21",
    "default_model": "llama",
    "allowed_models": ["llama", "groq/other"],
    "model_aliases": {"gpt-*": "llama", "*": "other"},
    "fallback_models": ["other"],
    "system_prompt": "\nBe brief.\n",
    "tool_mode": "gateway",
    "server_tools": ["*"],
    "strict_params": True,
    "allow_unpriced": True,
    "rate_limit_minute": 1,
    "rate_limit_hour": 2,
    "rate_limit_day": 3,
    "tokens_per_minute": 4000,
    "max_concurrent": 5,
    "quota_requests_day": 6,
    "quota_input_tokens_day": 10**15,
    "quota_output_tokens_day": 8,
    "max_input_tokens": 9,
    "max_output_tokens": 10,
    "budget_usd_day": 0.000001,
    "budget_usd_month": 1200.5,
    "log_bodies": "redacted",
    "expires_at": "2030-01-31T12:00:01Z",
}


def test_the_form_asks_for_every_field_once() -> None:
    asked = [one.name for group in GROUPS for one in group.fields]
    assert sorted(asked) == sorted(ClientFields.model_fields)
    assert {one.kind for one in FIELDS.values()} <= set(KINDS)


def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(parts: Gateway) -> None:
    fields = new_fields(FULL, parts.settings)
    shown = ClientForm.of(dict(fields))
    sent = ClientForm.sent(shown.typed)
    assert new_fields(sent.payload(None), parts.settings) == fields


def test_a_client_is_made_and_its_key_shown_once(signed_in: Browser, book: ClientBook) -> None:
    answer = send(signed_in, NEW, name="shop")
    assert answer.status_code == 302
    page = signed_in.get(answer.location).text
    key = re.search(r'id="key">(gm_[^<]+)<', page)
    assert key and "Client shop is made." in page
    assert describe(book.find("shop"))["api_key_hint"] == f"{key[1][:7]}…{key[1][-4:]}"
    again = signed_in.get(answer.location).text
    assert key[1] not in again and 'id="key"' not in again


def test_the_key_is_in_no_cookie(signed_in: Browser) -> None:
    answer = send(signed_in, NEW, name="shop")
    cookie = signed_in.cookie or ""
    page = signed_in.get(answer.location).text
    key = re.search(r'id="key">(gm_[^<]+)<', page)
    assert key and key[1] not in cookie
    assert "new_key" not in session_of(signed_in)


def test_a_key_is_shown_on_its_own_clients_page_alone(signed_in: Browser) -> None:
    send(signed_in, NEW, name="shop")
    assert 'id="key"' not in signed_in.get(f"{LIST}/1").text


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(
    signed_in: Browser, book: ClientBook
) -> None:
    typed = {
        "name": "",
        "description": "mine\r\nstill",
        "provider": "groq",
        "provider_api_key": "gsk-typed",
        "provider_base_url": "ftp://x",
        "model_aliases": "one = two\nthree",
        "rate_limit_minute": "many",
        "budget_usd_day": "1.23",
        "expires_at": "2030-01-31T12:00",
        "is_active": "on",
        "system_prompt": "<b>\n",
    }
    answer = send(signed_in, NEW, **typed)
    page = answer.text.replace("\r\n", "\n")
    assert answer.status_code == 422
    wrong = re.findall(r'id="(\w+)-problem"', page)
    assert wrong == ["name", "provider_base_url", "model_aliases", "rate_limit_minute"]
    assert re.search(r'aria-describedby="name-help name-problem" aria-invalid="true"', page)
    for kept in ("mine\nstill", "ftp://x", "one = two\nthree", "many", "1.23", "&lt;b&gt;\n"):
        assert kept in page
    assert 'value="2030-01-31T12:00"' in page
    assert re.search(r'<option value="groq"[^>]* selected>', page)
    assert "gsk-typed" not in page
    fixed = form_of(page) | {
        "name": "shop",
        "provider_base_url": "",
        "model_aliases": "one = two",
        "rate_limit_minute": "1,000",
    }
    assert signed_in.client.post(NEW, data=fixed).status_code == 302
    row = book.find("shop")
    assert row.rate_limit_minute == 1000 and row.sealed_api_key
    assert book.vault.decrypt(row.sealed_api_key) == "gsk-typed"


def test_a_seal_of_another_kind_is_no_key(signed_in: Browser, book: ClientBook) -> None:
    stored = book.create({"name": "one", "provider": "groq", "provider_api_key": "theirs"})[0]
    sent = {"name": "two", "provider": "groq", "sealed_provider_api_key": stored.sealed_api_key}
    assert send(signed_in, NEW, **sent).status_code == 302
    assert book.find("two").sealed_api_key is None
    sent |= {"name": "three", "sealed_provider_api_key": "né"}
    assert send(signed_in, NEW, **sent).status_code == 302


def test_a_client_is_changed_and_keeps_its_providers_key(
    signed_in: Browser, book: ClientBook
) -> None:
    row = book.create({**FULL, "provider_api_key": "theirs"})[0]
    path = f"{LIST}/{row.id}/edit"
    page = signed_in.get(path).text
    assert "theirs" not in page
    before = describe(row)
    assert signed_in.client.post(path, data=form_of(page)).status_code == 302
    after = describe(book.get(row.id))
    assert after | {"updated_at": ""} == before | {"updated_at": ""}
    data = form_of(page) | {"name": "store", "is_active": "on", "rate_limit_minute": ""}
    assert signed_in.client.post(path, data=data).location == f"{LIST}/{row.id}"
    row = book.get(row.id)
    assert (row.name, row.is_active, row.rate_limit_minute) == ("store", True, None)
    assert row.sealed_api_key and book.vault.decrypt(row.sealed_api_key) == "theirs"
    data["without_provider_api_key"] = "on"
    signed_in.client.post(path, data=data)
    assert book.get(row.id).sealed_api_key is None


def test_another_address_wants_the_key_again(signed_in: Browser, book: ClientBook) -> None:
    row = book.create({"name": "x", "provider": "groq", "provider_api_key": "theirs"})[0]
    path = f"{LIST}/{row.id}/edit"
    data = form_of(signed_in.get(path).text) | {"provider": "openai"}
    answer = signed_in.client.post(path, data=data)
    assert answer.status_code == 422
    assert "is needed again when provider changes" in answer.text
    assert book.get(row.id).provider == "groq"


def test_a_duplicate_begins_with_all_but_name_and_keys(
    signed_in: Browser, book: ClientBook
) -> None:
    row = book.create({**FULL, "provider_api_key": "theirs"})[0]
    page = signed_in.get(f"{NEW}?copy={row.id}").text
    answer = signed_in.client.post(NEW, data=form_of(page) | {"name": "twin"})
    assert answer.status_code == 302
    twin = book.find("twin")
    own = {"id", "name", "created_at", "updated_at", "api_key_hint", "has_provider_api_key"}
    assert {k: v for k, v in describe(twin).items() if k not in own} == {
        k: v for k, v in describe(row).items() if k not in own
    }
    assert twin.sealed_api_key and book.vault.decrypt(twin.sealed_api_key) == "theirs"


def test_a_duplicates_key_is_in_no_page(signed_in: Browser, book: ClientBook) -> None:
    row = book.create({**FULL, "provider_api_key": "theirs"})[0]
    page = signed_in.get(f"{NEW}?copy={row.id}").text
    wrong = signed_in.client.post(NEW, data=form_of(page) | {"name": ""})
    assert wrong.status_code == 422
    for shown in (page, wrong.text):
        assert "theirs" not in shown and (row.sealed_api_key or "") not in shown
        assert "<span data-key-stays>" in shown and "<span data-key-asked hidden>" in shown
    data = form_of(wrong.text) | {"name": "twin"}
    assert signed_in.client.post(NEW, data=data).status_code == 302
    assert book.find("twin").sealed_api_key


@pytest.mark.parametrize(
    "moved",
    [{"provider": "openai"}, {"provider_base_url": "https://elsewhere.example/v1"}],
    ids=["provider", "base URL"],
)
def test_a_duplicate_that_goes_elsewhere_wants_a_key(
    signed_in: Browser, book: ClientBook, moved: dict[str, str]
) -> None:
    row = book.create({"name": "x", "provider": "groq", "provider_api_key": "theirs"})[0]
    data = form_of(signed_in.get(f"{NEW}?copy={row.id}").text) | {"name": "twin"} | moved
    answer = signed_in.client.post(NEW, data=data)
    assert answer.status_code == 422
    assert f"is needed again when {next(iter(moved))} changes" in answer.text
    assert "<span data-key-asked>" in answer.text and "<span data-key-stays hidden>" in answer.text
    typed = form_of(answer.text) | {"provider_api_key": "mine"}
    assert signed_in.client.post(NEW, data=typed).status_code == 302
    assert book.vault.decrypt(book.find("twin").sealed_api_key or "") == "mine"
    bare = data | {"name": "bare", "without_provider_api_key": "on"}
    assert signed_in.client.post(NEW, data=bare).status_code == 302
    assert book.find("bare").sealed_api_key is None


def test_a_duplicate_of_what_is_gone_wants_a_key(signed_in: Browser, book: ClientBook) -> None:
    row = book.create({"name": "x", "provider": "groq", "provider_api_key": "theirs"})[0]
    data = form_of(signed_in.get(f"{NEW}?copy={row.id}").text) | {"name": "twin"}
    book.delete(row.id)
    answer = signed_in.client.post(NEW, data=data)
    assert answer.status_code == 422 and "the client that had it is gone" in answer.text
    again = form_of(answer.text) | {"provider_api_key": "mine"}
    assert signed_in.client.post(NEW, data=again).status_code == 302


def test_a_duplicate_of_a_client_without_a_key_has_none(
    signed_in: Browser, book: ClientBook
) -> None:
    page = signed_in.get(f"{NEW}?copy=1").text
    assert "data-key-of" not in page
    data = form_of(page) | {"name": "twin", "provider": "groq"}
    assert signed_in.client.post(NEW, data=data).status_code == 302
    assert book.find("twin").sealed_api_key is None


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("foo", "should say what &#39;foo&#39; stands for: alias = target"),
        ("foo =", "should say what &#39;foo&#39; stands for: alias = target"),
        ("= bar", "should have a name before each target: alias = target"),
    ],
)
def test_half_an_alias_is_told_what_it_lacks(signed_in: Browser, typed: str, told: str) -> None:
    answer = send(signed_in, NEW, name="shop", model_aliases=typed)
    assert answer.status_code == 422 and told in answer.text


def test_a_key_is_rotated_with_a_grace(signed_in: Browser, book: ClientBook) -> None:
    row, old = book.create({"name": "shop"})
    path = f"{LIST}/{row.id}"
    answer = post(signed_in, f"{path}/rotate-key", at=path, grace_seconds="3600")
    assert answer.location == path
    page = signed_in.get(path).text
    assert re.search(r'id="key">gm_', page)
    assert f"{old[:7]}…{old[-4:]}</code> goes on until" in page
    for wrong in ("", "-1", "a", "9" * 30, "٣"):
        answer = post(signed_in, f"{path}/rotate-key", at=path, grace_seconds=wrong)
        assert answer.status_code == 422


def test_a_client_is_disabled_and_enabled(signed_in: Browser, book: ClientBook) -> None:
    for active, word in (("no", "Enable"), ("yes", "Disable")):
        answer = post(signed_in, f"{LIST}/1/active", at=f"{LIST}/1", active=active)
        assert answer.status_code == 302
        assert book.get(1).is_active is (active == "yes")
        assert f">{word}</button>" in signed_in.get(f"{LIST}/1").text


def test_only_its_name_deletes_a_client(signed_in: Browser, book: ClientBook) -> None:
    path = f"{LIST}/1"
    assert post(signed_in, f"{path}/delete", at=path, name="Demo").status_code == 422
    assert book.get(1).name == "demo"
    answer = post(signed_in, f"{path}/delete", at=path, name="demo")
    assert answer.location == LIST
    assert "Client demo is deleted." in signed_in.get(LIST).text
    assert "There is no client yet" in signed_in.get(LIST).text
    assert signed_in.get(path).status_code == 404


# The list.


def test_the_list_is_searched_sorted_and_filtered(signed_in: Browser, book: ClientBook) -> None:
    book.create({"name": "100%", "provider": "groq", "description": "Shop"})
    book.create({"name": "Alpha", "is_active": False})
    book.create({"name": "gone", "expires_at": "2020-01-01T00:00:00Z"})
    assert names(signed_in, "") == ["100%", "Alpha", "demo", "gone"]
    assert names(signed_in, "?order=desc") == ["gone", "demo", "Alpha", "100%"]
    assert names(signed_in, "?sort=provider&order=desc")[0] == "100%"
    assert names(signed_in, "?q=sHOP") == ["100%"]
    assert names(signed_in, "?q=%25") == ["100%"]
    assert names(signed_in, "?q=GROQ") == ["100%"]
    assert names(signed_in, "?state=disabled") == ["Alpha"]
    assert names(signed_in, "?state=expired") == ["gone"]
    assert names(signed_in, "?state=active") == ["100%", "demo"]
    assert names(signed_in, "?sort=nothing&state=nothing&q=%00") != []
    assert "No client fits" in signed_in.get(f"{LIST}?q=zzz").text
    assert signed_in.get(f"{LIST}?page=x").status_code == 422


def test_a_long_list_has_pages(signed_in: Browser, book: ClientBook) -> None:
    for number in range(PAGE):
        book.create({"name": f"c{number:02}"})
    first, second = names(signed_in, "?q=&sort=name"), names(signed_in, "?page=2")
    assert (len(first), second) == (PAGE, ["demo"])
    assert names(signed_in, "?page=99") == second
    page = signed_in.get(LIST).text
    assert "26 clients, page 1 of 2" in page and 'rel="next"' in page and 'rel="prev"' not in page


def test_use_stands_beside_its_limit(signed_in: Browser, book: ClientBook) -> None:
    fields = {"provider": "demo", "rate_limit_day": 2000, "budget_usd_day": 1.5}
    _, key = book.create({"name": "shop", **fields, "allow_unpriced": True})
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
    auth = {"Authorization": f"Bearer {key}"}
    assert signed_in.client.post("/v1/chat/completions", json=body, headers=auth).status_code == 200
    for path in (LIST, f"{LIST}/2"):
        page = " ".join(signed_in.get(path).text.split())
        assert "<span>1 of 2,000</span>" in page
        assert '<progress max="2000" value="1"' in page
        assert "of $1.50</span>" in page
        assert "Calls without a known price count no dollars." in page


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert(signed_in: Browser, book: ClientBook, name: str) -> None:
    if name.isprintable():
        row = book.create({"name": name, "description": name, "default_model": name})[0]
    else:
        row = book.create({"name": "x", "description": name})[0]
    for path in (LIST, f"{LIST}/{row.id}", f"{LIST}/{row.id}/edit", f"{LIST}?q={HOSTILE[0]}"):
        page = signed_in.get(path).text
        assert HOSTILE[0] not in page and "<img src=x" not in page
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)


# Who may.


def test_a_viewer_sees_and_changes_nothing(
    signed_in: Browser, book: ClientBook, parts: Gateway
) -> None:
    token = signed_in.token(f"{LIST}/1")
    with parts.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE admins SET role = 'viewer'")
    before = describe(book.get(1))
    assert "<form" not in main_of(signed_in.get(f"{LIST}/1").text)
    assert "New client" not in signed_in.get(LIST).text
    for path in writes():
        answer = signed_in.client.post(path, data={"csrf_token": token, "name": "demo"})
        assert answer.status_code == 403, path
    assert describe(book.get(1)) == before


def test_no_write_without_the_pages_token_or_from_elsewhere(
    signed_in: Browser, app: Flask, book: ClientBook
) -> None:
    token = signed_in.token(f"{LIST}/1")
    for path in writes():
        assert signed_in.client.post(path, data={"name": "demo"}).status_code == 400, path
        answer = signed_in.client.post(
            path,
            data={"csrf_token": token, "name": "demo"},
            headers={"Origin": "https://evil.example"},
        )
        assert answer.status_code == 403, path
        assert app.test_client().post(path, data={"name": "demo"}).status_code in (302, 400), path
    assert book.get(1).name == "demo"


def writes() -> list[str]:
    return [NEW, *(f"{LIST}/1/{what}" for what in ("edit", "rotate-key", "active", "delete"))]


def names(browser: Browser, query: str) -> list[str]:
    page = browser.get(LIST + query).text
    return re.findall(r'<th role="rowheader".*?<bdi>(.*?)</bdi>', page, re.S)


def main_of(page: str) -> str:
    return page.partition("<main")[2]


def send(browser: Browser, path: str, **typed: Any) -> TestResponse:
    """The form at this path with these values in it."""
    return browser.client.post(path, data=form_of(browser.get(path).text) | typed)


def post(browser: Browser, path: str, *, at: str, **data: str) -> TestResponse:
    return browser.client.post(path, data={"csrf_token": browser.token(at), **data})


def session_of(browser: Browser) -> dict[str, Any]:
    with browser.client.session_transaction(LIST) as session:
        return dict(session)


def form_of(page: str) -> dict[str, str]:
    """What a browser would send of the page's form."""
    return form_values(page, "client-form")
