"""What a setting takes, in words, and whether its value may be shown."""

from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.config.sections import McpServer

_A_SECTION = "a section of `name: value` lines"
TEXT = "text (in quotes if it looks like a number)"
_NOUNS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    Path: "a path",
    str: TEXT,
    SecretStr: TEXT,
}
_ITEMS: dict[Any, str] = {int: "whole numbers", str: "texts", McpServer: "sections"}


def accepted(field: FieldInfo | None) -> str:
    """What a field takes, from its type and bounds."""
    if field is None:
        return _A_SECTION
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(_kinds(field))}"
    first, *others = _kinds(field)
    if get_origin(field.annotation) is list:
        return f"a list of {_ITEMS[first]}"
    if get_origin(field.annotation) is dict:
        return _A_SECTION
    return (
        _NOUNS.get(first, _A_SECTION)
        + _bounds(field)
        + (", or null," if NoneType in others else "")
    )


def _bounds(field: FieldInfo) -> str:
    bounds = {
        name: getattr(rule, name)
        for rule in field.metadata
        for name in ("gt", "ge", "le")
        if hasattr(rule, name)
    }
    if "gt" in bounds:
        return f" above {bounds['gt']}, at most {bounds['le']},"
    return f" from {bounds['ge']} to {bounds['le']}" if bounds else ""


def is_open(field: FieldInfo | None) -> bool:
    """Whether a value may be shown: it neither is, nor holds, nor was meant as a secret."""
    if field is None or not field.repr:
        return False
    plain = {bool, int, float, Decimal, Path, str, NoneType}
    return get_origin(field.annotation) is Literal or plain.issuperset(_kinds(field))


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    """The types that a field takes, or a Literal's values."""
    return get_args(field.annotation) or (field.annotation,)
