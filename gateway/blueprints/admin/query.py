"""Query strings of the admin API, checked; InvalidFields names what is wrong."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

from flask import request

from gateway.errors import InvalidFields


def only(names: Collection[str]) -> None:
    """Raises InvalidFields for what is not asked for here: a filter misspelt would filter none."""
    unknown = request.args.keys() - set(names)
    if unknown:
        raise InvalidFields(dict.fromkeys(sorted(unknown), "is not a parameter here"))


def whole_number(
    name: str, *, default: int, lowest: int, highest: int, others: Collection[str] = ()
) -> int:
    """`others`: what else may stand there; whoever asks looks for them first."""
    text = request.args.get(name, str(default))
    if not (re.fullmatch("[0-9]{1,10}", text) and lowest <= int(text) <= highest):
        also = "".join(f", or {one}" for one in others)
        raise InvalidFields({name: f"should be a whole number, {lowest} to {highest}{also}"})
    return int(text)


def moment(name: str) -> int | None:
    """Milliseconds since the epoch, of an ISO 8601 text; without a zone it is UTC."""
    text = request.args.get(name)
    if not text:
        return None
    try:
        # In a query string, a plus that was not escaped arrives as a blank.
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return round(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidFields({name: "should be a moment such as 2026-06-01T12:00:00Z"}) from None


def one_of(name: str, choices: Collection[str], default: str) -> str:
    text = request.args.get(name, default)
    if text not in choices:
        raise InvalidFields({name: f"should be one of {', '.join(choices)}"})
    return text
