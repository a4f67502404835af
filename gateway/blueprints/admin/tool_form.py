"""A form out of a tool's JSON Schema, and how what was typed becomes its arguments.

What has no simple field (a list, an object, a choice between types) is asked for as JSON.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

PREFIX = "argument:"
WHOLE = "arguments"
_KINDS = {"string": "text", "integer": "whole", "number": "number", "boolean": "flag"}
_LEAST, _TOO_MUCH = -(2**63), 2**64
_WHOLE = re.compile(r"[+-]?\d{1,300}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class ToolField:
    """`kind`: text, whole, number, flag, choice or json; a choice is one of `choices`."""

    name: str
    kind: str
    required: bool
    meaning: str
    choices: tuple[Any, ...] = ()
    default: str = ""

    @property
    def id(self) -> str:
        return PREFIX + self.name

    def read(self, typed: str) -> Any:
        """Raises ValueError that says what it should be."""
        text = typed.strip()
        if self.kind == "text":
            return typed.replace("\r\n", "\n")
        if self.kind == "choice":
            return _chosen(self.choices, text)
        if self.kind == "flag":
            return {"true": True, "false": False}[text]
        if self.kind == "whole":
            if not _WHOLE.fullmatch(text):
                raise ValueError("should be a whole number")
            return _bounded(int(text))
        if self.kind == "number":
            if not _NUMBER.fullmatch(text):
                raise ValueError("should be a number")
            return _bounded(float(text) if re.search("[.eE]", text) else int(text))
        return _json(text)


@dataclass(slots=True)
class ToolForm:
    """`fields` None: all arguments are one JSON text, be it asked for so or not to be had else."""

    fields: list[ToolField] | None
    typed: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: Mapping[str, Any], as_json: bool = False) -> "ToolForm":
        fields = None if as_json else fields_of(schema)
        typed = {WHOLE: _example(schema)} if fields is None else {}
        return cls(fields, typed)

    def read(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The arguments; `problems` says what is wrong with them. What is left empty is not sent,
        but for a text that has to be there.
        """
        if self.fields is None:
            return self._read_whole(form.get(WHOLE, ""))
        arguments: dict[str, Any] = {}
        for one in self.fields:
            typed = self.typed[one.name] = form.get(one.id, "")
            if not typed.strip() and not (one.kind == "text" and (one.required or typed)):
                if one.required:
                    self.problems[one.name] = "is required"
                continue
            try:
                arguments[one.name] = one.read(typed)
            except (ValueError, KeyError) as error:
                self.problems[one.name] = str(error) if error.args else "cannot be so"
        return arguments

    def _read_whole(self, typed: str) -> dict[str, Any]:
        self.typed[WHOLE] = typed
        try:
            arguments = _json(typed.strip() or "{}")
        except ValueError as error:
            self.problems[WHOLE] = str(error)
            return {}
        if not isinstance(arguments, dict):
            self.problems[WHOLE] = "should be a JSON object"
            return {}
        return arguments


def fields_of(schema: Mapping[str, Any]) -> list[ToolField] | None:
    """None where the schema is not that of an object with named members."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    plain = isinstance(properties, dict) and isinstance(required, list)
    others = {"anyOf", "oneOf", "allOf", "not", "if", "patternProperties"} & schema.keys()
    if schema.get("type") != "object" or not plain or others:
        return None
    return [_field(name, one, name in required) for name, one in properties.items()]


def _field(name: str, schema: Any, required: bool) -> ToolField:
    schema = schema if isinstance(schema, dict) else {}
    meaning = str(schema.get("description") or "")
    default = schema.get("default")
    shown = "" if default is None else default if isinstance(default, str) else _text(default)
    inner = _without_null(schema)
    choices = inner.get("enum")
    if isinstance(choices, list) and choices:
        return ToolField(name, "choice", required, meaning, tuple(choices), shown)
    kind = inner.get("type")
    kind = _KINDS.get(kind, "json") if isinstance(kind, str) else "json"
    return ToolField(name, kind, required, meaning, default=shown)


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What may be null or one other thing is that thing: null is to leave it empty."""
    others = schema.get("anyOf")
    if isinstance(others, list):
        rest = [one for one in others if isinstance(one, dict) and one.get("type") != "null"]
        return rest[0] if len(rest) == 1 else {}
    kinds = schema.get("type")
    if isinstance(kinds, list):
        named = [one for one in kinds if one != "null"]
        return {**schema, "type": named[0]} if len(named) == 1 else {}
    return schema


def _chosen(choices: tuple[Any, ...], text: str) -> Any:
    for one in choices:
        if text == (one if isinstance(one, str) else _text(one)):
            return one
    raise ValueError("should be one of those that are offered")


def _bounded(number: float) -> float:
    """Raises ValueError for what JSON as it is written here cannot hold."""
    if not _LEAST <= number < _TOO_MUCH if isinstance(number, int) else math.isinf(number):
        raise ValueError("is too large a number")
    return number


def _json(text: str) -> Any:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"should be JSON: {error}") from None
    try:
        orjson.dumps({"": found})
    except TypeError:
        raise ValueError("is nested too deeply") from None
    return found


def _example(schema: Mapping[str, Any]) -> str:
    """A member for each argument that has to be there."""
    required = schema.get("required")
    names = [one for one in required if isinstance(one, str)] if isinstance(required, list) else []
    return orjson.dumps(dict.fromkeys(names), option=orjson.OPT_INDENT_2).decode()


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
