"""What administrators write about clients, and what is kept of it."""

import hashlib
import threading
import time
from typing import Any

import pytest
from sqlalchemy import event

from gateway.config import Settings
from gateway.errors import InvalidFields, NotFound, Unavailable
from gateway.store.client_book import LONGEST_GRACE, ClientBook, describe
from gateway.store.client_fields import ClientFields
from gateway.store.clients import ClientDirectory
from gateway.store.engine import open_engine
from gateway.store.vault import Vault
from tests.store.conftest import on_postgresql, on_sqlite

from .conftest import Clock

EVERY_FIELD = {
    "name": "shop",
    "description": "the web shop",
    "is_active": False,
    "key_prefix": "sk-",
    "provider": "azure-openai",
    "provider_base_url": "https://shop.openai.azure.example",
    "provider_api_version": "2024-10-21",
    "default_model": "gpt-4o",
    "allowed_models": ["gpt-4o", "o3"],
    "model_aliases": {"gpt-*": "gpt-4o"},
    "fallback_models": ["openai/gpt-4o"],
    "system_prompt": "Be kind.",
    "tool_mode": "gateway",
    "server_tools": ["*"],
    "strict_params": True,
    "allow_unpriced": True,
    "rate_limit_minute": 1,
    "rate_limit_hour": 2,
    "rate_limit_day": 3,
    "tokens_per_minute": 4,
    "max_concurrent": 5,
    "quota_requests_day": 6,
    "quota_input_tokens_day": 7,
    "quota_output_tokens_day": 8,
    "max_input_tokens": 9,
    "max_output_tokens": 10**15,
    "budget_usd_day": 1.5,
    "budget_usd_month": 20.0,
    "log_bodies": "redacted",
    "expires_at": "2030-01-31T12:00:00Z",
}


def test_every_field_comes_back_as_it_was_set(book: ClientBook) -> None:
    row, _ = book.create(EVERY_FIELD | {"provider_api_key": "azure-key"})
    told = describe(book.get(row.id))
    assert ClientFields.model_fields.keys() == EVERY_FIELD.keys() | {"provider_api_key"}
    assert {name: told[name] for name in EVERY_FIELD} == EVERY_FIELD
    assert told["has_provider_api_key"] is True
    assert "provider_api_key" not in told
    assert told["created_at"].endswith("Z")


def test_a_key_is_256_random_bits_behind_its_prefix(book: ClientBook) -> None:
    row, key = book.create({"name": "shop", "key_prefix": "sk-ant-"})
    _, another = book.create({"name": "other", "key_prefix": "sk-ant-"})
    assert key.startswith("sk-ant-") and len(key) == len("sk-ant-") + 43 and key != another
    assert [one.key_hash for one in row.keys] == [hashlib.sha256(key.encode()).hexdigest()]
    assert describe(row)["api_key_hint"] == f"{key[:7]}…{key[-4:]}"


@on_sqlite
def test_neither_key_is_in_the_files_of_the_database(book: ClientBook, settings: Settings) -> None:
    _, key = book.create({"name": "find me", "provider_api_key": "sk-upstream-key"})
    kept = b"".join(path.read_bytes() for path in settings.data_dir.glob("gateway.db*"))
    assert b"find me" in kept
    assert b"sk-upstream-key" not in kept
    assert key.removeprefix("gm_").encode() not in kept


def test_names_are_unique(book: ClientBook, changes: list[str]) -> None:
    book.create({"name": "shop"})
    other, _ = book.create({"name": "other"})
    changes.clear()
    for attempt in (
        lambda: book.create({"name": " shop "}),
        lambda: book.update(other.id, {"name": "shop"}),
    ):
        with pytest.raises(InvalidFields) as refused:
            attempt()
        assert refused.value.fields == {"name": "is the name of another client"}
    assert changes == []


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {}),
        ({"description": "x"}, {"description": "x"}),
        ({"allowed_models": []}, {"allowed_models": []}),
        ({"rate_limit_minute": None}, {"rate_limit_minute": None}),
        ({"provider_api_key": None}, {"has_provider_api_key": False}),
        (
            {"provider": "groq", "provider_api_key": "gsk-1", "provider_base_url": None},
            {"provider": "groq", "provider_base_url": None},
        ),
    ],
)
def test_a_change_is_of_what_it_names(
    book: ClientBook, payload: dict[str, Any], expected: dict[str, Any]
) -> None:
    row, _ = book.create(EVERY_FIELD | {"provider_api_key": "azure-key"})
    before = describe(row)
    after = describe(book.update(row.id, payload))
    assert after == describe(book.get(row.id))
    assert after == before | expected | {"updated_at": after["updated_at"]}


def test_a_refused_change_changes_nothing(book: ClientBook, changes: list[str]) -> None:
    row, _ = book.create(EVERY_FIELD)
    changes.clear()
    with pytest.raises(InvalidFields):
        book.update(row.id, {"description": "x", "rate_limit_minute": 0})
    assert describe(book.get(row.id))["description"] == "the web shop"
    assert changes == []


def test_a_key_is_needed_again_for_another_host(book: ClientBook, vault: Vault) -> None:
    row, _ = book.create({"name": "shop", "provider": "openai", "provider_api_key": "sk-1"})
    with pytest.raises(InvalidFields, match="no key goes to another host"):
        book.update(row.id, {"provider_base_url": "https://evil.example/v1"})
    changed = book.update(row.id, {"provider": "groq", "provider_api_key": "gsk-1"})
    assert vault.decrypt(changed.sealed_api_key or "") == "gsk-1"


def test_each_change_is_announced_after_its_commit(book: ClientBook, settings: Settings) -> None:
    seen: list[str] = []

    def look() -> None:
        with_own_connection = open_engine(settings)
        reader = ClientBook(with_own_connection, book.vault, settings, lambda: None)
        seen.append(",".join(row.description for row in reader.page()[0]))
        with_own_connection.dispose()

    watched = ClientBook(book.engine, book.vault, settings, look)
    row, _ = watched.create({"name": "shop", "description": "new"})
    watched.update(row.id, {"description": "changed"})
    watched.rotate_key(row.id)
    watched.delete(row.id)
    assert seen == ["new", "changed", "changed", ""]


class TestRotation:
    @pytest.fixture
    def shop(self, book: ClientBook) -> tuple[int, str]:
        row, key = book.create({"name": "shop"})
        return row.id, key

    def test_without_grace_the_old_key_ends_at_once(
        self, book: ClientBook, shop: tuple[int, str], directory: ClientDirectory
    ) -> None:
        new = book.rotate_key(shop[0])
        assert directory.by_key(shop[1]) is None
        assert directory.by_key(new) is not None

    def test_within_its_grace_the_old_key_works(
        self, book: ClientBook, shop: tuple[int, str], directory: ClientDirectory, clock: Clock
    ) -> None:
        new = book.rotate_key(shop[0], 60)
        clock.now = time.time() + 59
        assert directory.by_key(shop[1]) == directory.by_key(new) is not None
        clock.now = time.time() + 61
        assert directory.by_key(shop[1]) is None
        assert directory.by_key(new) is not None

    def test_a_further_rotation_prolongs_no_grace(
        self, book: ClientBook, shop: tuple[int, str], directory: ClientDirectory, clock: Clock
    ) -> None:
        second = book.rotate_key(shop[0], 60)
        third = book.rotate_key(shop[0], 3600)
        clock.now = time.time() + 1800
        works = [directory.by_key(key) is not None for key in (shop[1], second, third)]
        assert works == [False, True, True]

    def test_a_rotation_without_grace_ends_every_older_key(
        self, book: ClientBook, shop: tuple[int, str]
    ) -> None:
        book.rotate_key(shop[0], 3600)
        new = book.rotate_key(shop[0])
        kept = [key.key_hash for key in book.get(shop[0]).keys]
        assert kept == [hashlib.sha256(new.encode()).hexdigest()]

    def test_the_shown_hint_is_the_current_keys(
        self, book: ClientBook, shop: tuple[int, str]
    ) -> None:
        new = book.rotate_key(shop[0], 60)
        assert describe(book.get(shop[0]))["api_key_hint"] == f"{new[:7]}…{new[-4:]}"

    def test_a_new_prefix_is_for_the_next_key(
        self, book: ClientBook, shop: tuple[int, str], directory: ClientDirectory
    ) -> None:
        book.update(shop[0], {"key_prefix": "sk-"})
        assert directory.by_key(shop[1]) is not None
        assert book.rotate_key(shop[0]).startswith("sk-")

    def test_keys_past_their_grace_are_swept_away(
        self, book: ClientBook, shop: tuple[int, str]
    ) -> None:
        book.rotate_key(shop[0], LONGEST_GRACE)
        book.rotate_key(shop[0], 1)
        assert len(book.get(shop[0]).keys) == 3
        book.rotate_key(shop[0], 0)
        assert len(book.get(shop[0]).keys) == 1

    @pytest.mark.parametrize("grace", [-1, LONGEST_GRACE + 1, 1.5, "60", None, True])
    def test_a_grace_is_a_number_of_seconds(
        self, book: ClientBook, shop: tuple[int, str], grace: Any
    ) -> None:
        with pytest.raises(InvalidFields) as refused:
            book.rotate_key(shop[0], grace)
        assert refused.value.fields.keys() == {"grace_seconds"}


def test_a_deleted_client_and_its_keys_are_gone(
    book: ClientBook, directory: ClientDirectory
) -> None:
    row, key = book.create({"name": "shop"})
    book.delete(row.id)
    assert directory.by_key(key) is None
    with pytest.raises(NotFound):
        book.get(row.id)


@pytest.mark.parametrize("client_id", [0, 77, 2**31, 10**30])
def test_a_client_that_is_not_there_is_not_found(book: ClientBook, client_id: int) -> None:
    for attempt in (
        lambda: book.get(client_id),
        lambda: book.update(client_id, {}),
        lambda: book.rotate_key(client_id),
        lambda: book.delete(client_id),
    ):
        with pytest.raises(NotFound) as missing:
            attempt()
        assert missing.value.code == "client_not_found"


def test_a_client_is_found_by_name_first_and_then_by_id(book: ClientBook) -> None:
    one, _ = book.create({"name": "shop"})
    two, _ = book.create({"name": str(one.id)})
    assert book.find("shop").id == one.id
    assert book.find(str(one.id)).id == two.id
    assert book.find(str(two.id)).id == two.id
    for missing in ("SHOP", "77", "-1", ""):
        with pytest.raises(NotFound):
            book.find(missing)


def test_pages_follow_each_other_without_gap_or_repeat(book: ClientBook) -> None:
    made = [book.create({"name": f"client {number}"})[0].id for number in range(5)]
    first, after = book.page(limit=2)
    second, further = book.page(after or 0, limit=3)
    assert [row.id for row in first + second] == made
    assert further is None
    assert book.page(after=made[-1]) == ([], None)


@on_sqlite
def test_a_change_in_the_midst_of_another_has_to_wait(book: ClientBook) -> None:
    """Else one could give the client a key while the other sends its calls to a new host."""
    row, _ = book.create({"name": "shop", "provider": "openai"})
    others: list[str] = []

    def give_it_a_key() -> None:
        try:
            book.update(row.id, {"provider_api_key": "sk-1"})
            others.append("went through")
        except Unavailable:
            others.append("was told to try again")

    @event.listens_for(book.engine, "after_cursor_execute")
    def cut_in(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("SELECT clients") and not others:
            other = threading.Thread(target=give_it_a_key)
            other.start()
            other.join()

    after = book.update(row.id, {"provider_base_url": "https://elsewhere.example/v1"})
    assert others == ["was told to try again"]
    assert (after.provider_base_url, after.sealed_api_key) == ("https://elsewhere.example/v1", None)
    assert book.get(row.id).sealed_api_key is None


@on_postgresql
def test_a_change_in_the_midst_of_another_waits(book: ClientBook) -> None:
    row, _ = book.create({"name": "shop", "provider": "openai"})
    others: list[threading.Thread] = []

    @event.listens_for(book.engine, "after_cursor_execute")
    def cut_in(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("SELECT clients") and not others:
            given = {"provider_api_key": "sk-1"}
            others.append(threading.Thread(target=book.update, args=[row.id, given]))
            others[0].start()
            others[0].join(0.2)
            assert others[0].is_alive()

    after = book.update(row.id, {"provider_base_url": "https://elsewhere.example/v1"})
    assert after.sealed_api_key is None
    others[0].join()
    assert book.get(row.id).sealed_api_key is not None


@on_sqlite
def test_a_database_that_is_away_is_told(book: ClientBook, settings: Settings) -> None:
    book.engine.dispose()
    settings.data_dir.rename(settings.data_dir.with_name("elsewhere"))
    with pytest.raises(Unavailable, match="unable to open database file"):
        book.create({"name": "shop"})
