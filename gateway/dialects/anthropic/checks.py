"""Checks of a question's values: each gives the value back, or names its place in a BadRequest."""

import binascii
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.errors import BadRequest

T = TypeVar("T")


def wrong(path: str, wanted: str) -> BadRequest:
    return BadRequest(f"`{path}` must be {wanted}", param=path)


def missing(path: str) -> BadRequest:
    return BadRequest(f"`{path}` is missing", param=path, code="missing_required_parameter")


def text(value: Any, path: str) -> str:
    return _of(str, value, path, "a string")


def flag(value: Any, path: str) -> bool:
    return _of(bool, value, path, "true or false")


def members(value: Any, path: str) -> dict[str, Any]:
    return _of(dict, value, path, "an object")


def items(value: Any, path: str) -> list[Any]:
    return _of(list, value, path, "an array")


def count(value: Any, path: str) -> int:
    """A whole number, 0 or more; `max_tokens: 0` only fills the cache."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(path, "an integer of at least 0")
    return value


def number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(path, "a number")
    return value


def texts(value: Any, path: str) -> list[str]:
    return [text(item, f"{path}[{at}]") for at, item in enumerate(items(value, path))]


def name(value: Any, path: str) -> str:
    if value is None:
        raise missing(path)
    if not text(value, path):
        raise wrong(path, "a string that is not empty")
    return str(value)


def word(value: Any, path: str, words: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in words:
        raise wrong(path, "one of " + ", ".join(words))
    return value


def base64(value: Any, path: str) -> str:
    """Standard base64; the URL-safe alphabet, line breaks and missing padding are put right."""
    if value is None:
        raise missing(path)
    data = text(value, path)
    if not data.isalnum():
        data = "".join(data.split()).replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:
        raise wrong(path, f"base64 ({error})") from None
    return data


def optional(
    body: dict[str, Any], name: str, check: Callable[[Any, str], T], path: str = ""
) -> T | None:
    """A member's value; null is what the SDKs send for "not given"."""
    value = body.get(name)
    return None if value is None else check(value, path + name)


def _of(kind: type[T], value: Any, path: str, wanted: str) -> T:
    if not isinstance(value, kind):
        raise wrong(path, wanted)
    return value
