"""What the members of a question must be: each function gives the value, or raises BadRequest
that names its path."""

from typing import Any

from gateway.errors import BadRequest


def wrong(path: str, wanted: str) -> BadRequest:
    return BadRequest(f"`{path}` must be {wanted}", param=path)


def unsupported(path: str, why: str) -> BadRequest:
    return BadRequest(why, param=path, code="unsupported_parameter")


def an_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(path, "an object")
    return value


def an_array(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong(path, "an array")
    return value


def a_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise wrong(path, "a string")
    return value


def a_name(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise wrong(path, "a string that is not empty")
    return value


def text_or_none(value: Any, path: str) -> str | None:
    return None if value is None else a_text(value, path)


def object_or_none(value: Any, path: str) -> dict[str, Any] | None:
    return None if value is None else an_object(value, path)


def flag_or_none(value: Any, path: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise wrong(path, "true or false")
    return value
