"""MCP servers that administrators add: checked, encrypted, audited."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from gateway.config import Settings
from gateway.errors import InvalidFields, NotFound
from gateway.store.audit import entries
from gateway.store.mcp_servers import McpBook, added_names, added_servers
from gateway.store.models import SettingRow
from gateway.store.vault import Vault

WIKI = {
    "name": "wiki",
    "url": "http://10.0.0.7/mcp?key=hunter2",
    "headers": {"Authorization": "Bearer hunter2"},
    "allowed_tools": ["read"],
}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(Settings(data_dir=tmp_path))


@pytest.fixture
def changes() -> list[int]:
    return []


@pytest.fixture
def book(engine: Engine, vault: Vault, changes: list[int]) -> McpBook:
    return McpBook(engine, vault, ["Config"], lambda: changes.append(1), "eve")


def test_one_is_added_kept_and_read(
    book: McpBook, engine: Engine, vault: Vault, changes: list[int]
) -> None:
    book.add(WIKI)
    (server,) = added_servers(engine, vault)
    assert (server.name, server.url, server.allowed_tools) == ("wiki", WIKI["url"], ["read"])
    assert server.headers["Authorization"].get_secret_value() == "Bearer hunter2"
    assert (added_names(engine), len(changes)) == (["wiki"], 1)


def test_no_secret_is_stored_as_it_is_or_told(book: McpBook, engine: Engine) -> None:
    book.add(WIKI)
    book.change("wiki", {"headers": {"Authorization": "Bearer hunter3"}})
    with Session(engine) as session:
        rows = [str(row.value) for row in session.scalars(select(SettingRow))]
    found, _ = entries(engine, 10)
    told = str(rows) + str(found)
    assert "hunter" not in told
    assert [(one.action, one.subject, one.actor) for one in found] == [
        ("mcp-server.change", "wiki", "eve"),
        ("mcp-server.add", "wiki", "eve"),
    ]
    assert found[0].changes == {"header_values": ["(not shown)", "(not shown)"]}
    assert found[1].changes["url"] == [None, "http://10.0.0.7/mcp"]


def test_what_is_not_given_stays(book: McpBook) -> None:
    book.add(WIKI)
    server = book.change("wiki", {"allowed_tools": []})
    assert (server.url, server.allowed_tools) == (WIKI["url"], [])
    server = book.change("WIKI", {"headers": {"Authorization": None, "X-New": "1"}})
    assert server.headers["Authorization"].get_secret_value() == "Bearer hunter2"
    assert set(server.headers) == {"Authorization", "X-New"}
    assert book.change("wiki", {"headers": {}}).headers == {}


@pytest.mark.parametrize(
    "url", ["https://10.0.0.7/mcp", "http://10.0.0.7:81/mcp", "http://evil.example/mcp"]
)
def test_a_secret_does_not_go_to_another_host(book: McpBook, url: str) -> None:
    book.add(WIKI)
    with pytest.raises(InvalidFields) as caught:
        book.change("wiki", {"url": url})
    assert caught.value.fields == {"headers": "have to be typed again for another address"}
    assert book.get("wiki").url == WIKI["url"]
    assert book.change("wiki", {"url": url, "headers": {"Authorization": "new"}}).url == url
    assert book.change("wiki", {"url": url + "/other"}).url == url + "/other"


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, {"name": "is required", "url": "is required"}),
        ({"name": "a b"}, {"name": "should be 1 to 30 letters, digits and -"}),
        (
            {"url": "ftp://x"},
            {"url": "should be an http:// or https:// address without a user"},
        ),
        (
            {"url": "http://me:hunter2@x/"},
            {"url": "should be an http:// or https:// address without a user"},
        ),
        (
            {"headers": {"A B": "1"}},
            {"headers": "should be names of letters, digits and -, with values in ASCII"},
        ),
        (
            {"headers": {"A": "x\nB: 1"}},
            {"headers": "should be names of letters, digits and -, with values in ASCII"},
        ),
        ({"allowed_tools": "read"}, {"allowed_tools": "should be a list of names"}),
        ({"other": 1}, {"other": "is not a field here"}),
        ({"name": "CONFIG"}, {"name": "is taken by another server"}),
    ],
)
def test_what_is_wrong_is_named(
    book: McpBook, fields: dict[str, Any], problems: dict[str, str]
) -> None:
    with pytest.raises(InvalidFields) as caught:
        book.add({**WIKI, **fields} if fields else {})
    assert caught.value.fields == problems
    assert "hunter2" not in str(caught.value)


def test_a_name_is_given_once_and_stays(book: McpBook) -> None:
    book.add(WIKI)
    for wrong in ({**WIKI, "name": "Wiki"},):
        with pytest.raises(InvalidFields):
            book.add(wrong)
    with pytest.raises(InvalidFields) as caught:
        book.change("wiki", {"name": "other"})
    assert list(caught.value.fields) == ["name"]


def test_one_is_removed(book: McpBook, engine: Engine, vault: Vault) -> None:
    book.add(WIKI)
    book.remove("wiki")
    assert added_servers(engine, vault) == []
    for refused in (book.get, book.remove, lambda name: book.change(name, {})):
        with pytest.raises(NotFound):
            refused("wiki")


def test_one_of_another_secret_key_is_left_out_and_can_be_removed(
    book: McpBook, engine: Engine, tmp_path: Path
) -> None:
    book.add(WIKI)
    other = Vault(Settings(data_dir=tmp_path / "other"))
    assert added_servers(engine, other) == []
    assert added_names(engine) == ["wiki"]
    McpBook(engine, other, [], lambda: None, "eve").remove("wiki")
    assert added_names(engine) == []


def test_of_two_who_add_one_name_at_once_the_second_is_told(engine: Engine, vault: Vault) -> None:
    def add(number: int) -> str:
        try:
            book = McpBook(engine, vault, [], lambda: None, "eve")
            return book.add({**WIKI, "url": f"http://{number}.example/"}).name
        except InvalidFields as error:
            return error.fields["name"]

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(add, range(8)))
    assert told == ["is taken by another server"] * 7 + ["wiki"]
