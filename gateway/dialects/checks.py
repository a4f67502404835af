"""What a door checks of a body before anything is done with it: its shape, not its sense.

Null is what the SDKs send for "not given", so it passes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from gateway.errors import BadRequest

Check = tuple[Callable[[Any], bool], str]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_int(value) and value >= 1


TEXT: Check = (_is_text, "a string")
NUMBER: Check = (is_number, "a number")
COUNT: Check = (_is_count, "an integer of at least 1")
FLAG: Check = (_is_flag, "true or false")
OBJECT: Check = (_is_object, "an object")
OBJECTS: Check = (
    lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    "an array of objects",
)
INTEGER: Check = (_is_int, "an integer")
COUNT_OR_ZERO: Check = (lambda value: _is_int(value) and value >= 0, "a whole number")
TEXTS: Check = (
    lambda value: (
        isinstance(value, str)
        or (isinstance(value, list) and all(isinstance(item, str) for item in value))
    ),
    "a string or an array of strings",
)
TEXT_OR_OBJECT: Check = (lambda value: isinstance(value, (str, dict)), "a string or an object")
TEXT_OR_OBJECTS: Check = (
    lambda value: isinstance(value, str) or OBJECTS[0](value),
    "a string or an array of objects",
)


def check_fields(body: Mapping[str, Any], fields: Mapping[str, Check], place: str = "") -> None:
    """Raises BadRequest that names the first member that is not of its kind."""
    for name, value in body.items():
        check = fields.get(name)
        if check is not None and value is not None and not check[0](value):
            raise wrong(place + name, check[1])


def wrong(name: str, wanted: str) -> BadRequest:
    return BadRequest(f"`{name}` must be {wanted}", param=name)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises BadRequest that says what is wrong, and where."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object", code="invalid_json")
    return body


def missing(name: str) -> BadRequest:
    return BadRequest(f"`{name}` is missing", param=name, code="missing_required_parameter")


def check_turns(body: Mapping[str, Any], name: str, fields: Mapping[str, Check]) -> None:
    """Raises BadRequest unless `name` holds objects, at least one, with members of their kind."""
    turns = body.get(name)
    if turns is None:
        raise missing(name)
    if not isinstance(turns, list) or not turns:
        raise wrong(name, "an array of at least one message")
    for index, turn in enumerate(turns):
        if not isinstance(turn, dict):
            raise wrong(f"{name}[{index}]", "an object")
        check_fields(turn, fields, f"{name}[{index}].")
