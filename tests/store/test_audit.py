"""What the audit log keeps of a change."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.errors import InvalidFields, NotFound
from gateway.store.audit import STRUCK_OUT, Entry, differences, entries, note
from gateway.store.client_book import ClientBook


def test_only_what_differs_is_told_and_no_secret() -> None:
    at = datetime(2030, 1, 31, tzinfo=UTC)
    before = {"a": 1, "same": 2, "provider_api_key": None, "long": "", "money": Decimal("1.5")}
    after = {"a": 3, "same": 2, "provider_api_key": "sealed", "long": "x" * 2000, "at": at}
    assert differences(before, after) == {
        "a": [1, 3],
        "provider_api_key": [None, STRUCK_OUT],
        "long": [None, "x" * 1000 + "… (2,000 characters)"],
        "money": [1.5, None],
        "at": [None, "2030-01-31T00:00:00Z"],
    }


def test_each_change_of_a_client_is_told(book: ClientBook) -> None:
    row, key = book.create({"name": "shop", "provider": "groq", "provider_api_key": "secret-1"})
    book.update(row.id, {"rate_limit_minute": 5, "provider_api_key": "secret-2"})
    book.update(row.id, {"rate_limit_minute": 5})
    new = book.rotate_key(row.id, 60)
    book.delete(row.id)
    hints = [f"{one[:7]}…{one[-4:]}" for one in (key, new)]
    told = [(one.actor, one.action, one.subject, one.changes) for one in all_of(book)]
    mine = ("command", "client.{}", "shop")
    assert told == [
        (*named(mine, "create"), {"provider": ["demo", "groq"], **hidden(None), **name(None)}),
        (*named(mine, "change"), {"rate_limit_minute": [None, 5], **hidden(STRUCK_OUT)}),
        (*named(mine, "rotate-key"), {"key": hints, "grace_seconds": [None, 60]}),
        (
            *named(mine, "delete"),
            {
                "name": ["shop", None],
                "provider": ["groq", "demo"],
                "rate_limit_minute": [5, None],
                "provider_api_key": [STRUCK_OUT, None],
            },
        ),
    ]
    assert "secret" not in repr(told)


@pytest.mark.parametrize(
    "refused",
    [
        lambda book: book.create({"name": ""}),
        lambda book: book.create({"name": "twice"}),
        lambda book: book.update(99, {"name": "x"}),
        lambda book: book.delete(99),
    ],
)
def test_what_did_not_happen_is_not_told(
    book: ClientBook, refused: Callable[[ClientBook], object]
) -> None:
    book.create({"name": "twice"})
    with pytest.raises((InvalidFields, NotFound)):
        refused(book)
    assert len(all_of(book)) == 1


def test_the_log_is_read_in_pages(book: ClientBook) -> None:
    for number in range(5):
        note(book.engine, "me", "tool.run", str(number))
    first, following = entries(book.engine, 3)
    second, end = entries(book.engine, 3, following)
    assert [one.subject for one in first + second] == ["4", "3", "2", "1", "0"]
    assert end is None


def all_of(book: ClientBook) -> list[Entry]:
    return entries(book.engine, 100)[0][::-1]


def named(mine: tuple[str, str, str], action: str) -> tuple[str, str, str]:
    return mine[0], mine[1].format(action), mine[2]


def hidden(before: str | None) -> dict[str, list[str | None]]:
    return {"provider_api_key": [before, STRUCK_OUT]}


def name(before: str | None) -> dict[str, list[str | None]]:
    return {"name": [before, "shop"]}
