"""Clients by key: from memory, anew after a change, and while the database is away."""

import threading
from decimal import Decimal

import pytest
from sqlalchemy import event

from gateway.config import Settings, load
from gateway.errors import NotFound, Unavailable
from gateway.store.client_book import ClientBook
from gateway.store.clients import RETRY_SECONDS, ClientDirectory
from gateway.store.vault import Vault, WrongSecretKey
from tests.postgres import allow_connections

from .conftest import Clock
from .test_client_book import EVERY_FIELD


def test_a_client_has_plain_values(book: ClientBook, directory: ClientDirectory) -> None:
    row, key = book.create(EVERY_FIELD | {"provider_api_key": "azure-key"})
    client = directory.by_key(key)
    assert client and client.id == row.id
    assert client.allowed_models == ("gpt-4o", "o3")
    assert client.model_aliases == {"gpt-*": "gpt-4o"}
    assert client.budget_usd_day == Decimal("1.5")
    assert client.expires_at == 1896091200.0
    assert client.provider_api_key == "azure-key"
    assert "azure-key" not in repr(client)


def test_a_client_without_a_key_of_its_own_has_none(
    book: ClientBook, directory: ClientDirectory
) -> None:
    _, key = book.create({"name": "shop"})
    client = directory.by_key(key)
    assert client and (client.provider_api_key, client.expires_at) == (None, None)


def test_a_client_by_its_id_is_the_one_by_its_key(
    book: ClientBook, directory: ClientDirectory
) -> None:
    row, key = book.create(EVERY_FIELD | {"provider_api_key": "azure-key"})
    assert directory.by_id(row.id) == directory.by_key(key)
    with pytest.raises(NotFound):
        directory.by_id(row.id + 1)


def test_a_known_client_costs_no_query(
    book: ClientBook, directory: ClientDirectory, statements: list[str]
) -> None:
    _, key = book.create({"name": "shop"})
    statements.clear()
    first, second = directory.by_key(key), directory.by_key(key)
    assert len(statements) == 1
    assert first is second


@pytest.mark.parametrize("key", ["", "gm_nobody", "schlüssel", "\udcff", "\0"])
def test_an_unknown_key_is_nobodys_and_is_not_kept(
    directory: ClientDirectory, statements: list[str], key: str
) -> None:
    assert [directory.by_key(key), directory.by_key(key)] == [None, None]
    assert len(statements) == 2


def test_a_key_is_taken_whole_and_as_it_is(book: ClientBook, directory: ClientDirectory) -> None:
    _, key = book.create({"name": "shop"})
    for other in (key[:-1], key + " ", key.upper(), key.removeprefix("gm_")):
        assert directory.by_key(other) is None


def test_a_change_shows_once_the_old_is_forgotten(
    book: ClientBook, directory: ClientDirectory
) -> None:
    row, key = book.create({"name": "shop"})
    assert directory.by_key(key)
    book.update(row.id, {"description": "changed"})
    directory.forget()
    client = directory.by_key(key)
    assert client and client.description == "changed"
    book.delete(row.id)
    directory.forget()
    assert directory.by_key(key) is None


def test_a_disabled_client_is_still_known(book: ClientBook, directory: ClientDirectory) -> None:
    _, key = book.create({"name": "shop", "is_active": False})
    client = directory.by_key(key)
    assert client and client.is_active is False


def test_a_read_that_was_overtaken_by_a_change_is_not_kept(
    book: ClientBook, directory: ClientDirectory
) -> None:
    row, key = book.create({"name": "shop", "description": "old"})
    overtaken: list[bool] = []

    @event.listens_for(book.engine, "after_cursor_execute")
    def overtake(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("SELECT clients") and not overtaken:
            overtaken.append(True)
            change = threading.Thread(target=book.update, args=[row.id, {"description": "new"}])
            change.start()
            change.join()
            directory.forget()

    read_before = directory.by_key(key)
    read_after = directory.by_key(key)
    assert overtaken == [True]
    assert read_before and read_before.description == "old"
    assert read_after and read_after.description == "new"


class TestWhileTheDatabaseIsAway:
    @pytest.fixture
    def key(self, book: ClientBook, directory: ClientDirectory) -> str:
        """Of a client that has called before."""
        _, key = book.create({"name": "shop"})
        assert directory.by_key(key)
        return key

    @staticmethod
    def away(book: ClientBook, settings: Settings) -> None:
        book.engine.dispose()
        settings.data_dir.rename(settings.data_dir.with_name("elsewhere"))
        if settings.database.url:
            allow_connections(settings.database.url, "false")

    @staticmethod
    def back(settings: Settings) -> None:
        settings.data_dir.with_name("elsewhere").rename(settings.data_dir)
        if settings.database.url:
            allow_connections(settings.database.url, "true")

    def test_known_clients_go_on(
        self, book: ClientBook, directory: ClientDirectory, settings: Settings, key: str
    ) -> None:
        before = directory.by_key(key)
        self.away(book, settings)
        assert directory.by_key(key) is before
        for _ in range(3):
            directory.forget()
            assert directory.by_key(key) is before

    def test_those_that_were_foreseen_go_on_too(
        self, book: ClientBook, directory: ClientDirectory, settings: Settings
    ) -> None:
        _, first = book.create({"name": "never called here"})
        _, second = book.create({"name": "deleted since"})
        directory.foresee()
        book.delete(book.find("deleted since").id)
        assert directory.by_key(second) is None
        self.away(book, settings)
        client = directory.by_key(first)
        assert client is not None and client.name == "never called here"
        with pytest.raises(Unavailable):
            directory.by_key(second)

    def test_others_are_told_to_try_again(
        self, book: ClientBook, directory: ClientDirectory, settings: Settings, key: str
    ) -> None:
        self.away(book, settings)
        for _ in range(2):
            with pytest.raises(Unavailable, match="Try again") as failure:
                directory.by_key("gm_unknown")
        assert failure.value.headers == {"retry-after": "2"}

    def test_it_is_asked_again_after_a_moment(
        self,
        book: ClientBook,
        directory: ClientDirectory,
        settings: Settings,
        clock: Clock,
        key: str,
    ) -> None:
        before = directory.by_key(key)
        self.away(book, settings)
        directory.forget()
        assert directory.by_key(key) is before
        self.back(settings)
        book.update(1, {"description": "changed"})
        assert directory.by_key(key) is before
        clock.now += RETRY_SECONDS
        after = directory.by_key(key)
        assert after and after.description == "changed"

    def test_who_was_deleted_meanwhile_is_not_remembered_again(
        self,
        book: ClientBook,
        directory: ClientDirectory,
        settings: Settings,
        clock: Clock,
        key: str,
    ) -> None:
        book.delete(1)
        directory.forget()
        assert directory.by_key(key) is None
        self.away(book, settings)
        with pytest.raises(Unavailable):
            directory.by_key(key)

    def test_a_grace_still_ends(
        self,
        book: ClientBook,
        directory: ClientDirectory,
        settings: Settings,
        clock: Clock,
        key: str,
    ) -> None:
        book.rotate_key(1, 60)
        directory.forget()
        assert directory.by_key(key)
        self.away(book, settings)
        directory.forget()
        assert directory.by_key(key)
        clock.now += 120
        assert directory.by_key(key) is None


def test_a_provider_key_of_another_secret_is_told(
    book: ClientBook, settings: Settings, clock: Clock
) -> None:
    _, with_key = book.create({"name": "shop", "provider_api_key": "sk-1"})
    _, without = book.create({"name": "other"})
    other = Vault(load({"GATEWAY_SECRET_KEY": "another"}))
    directory = ClientDirectory(book.engine, other, clock)
    assert directory.by_key(without)
    with pytest.raises(WrongSecretKey):
        directory.by_key(with_key)
