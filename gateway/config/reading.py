"""Reads config.yaml, and the environment over it."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.accepted import accepted, is_open
from gateway.config.origins import Origin, Origins
from gateway.config.problems import (
    Key,
    dotted_key,
    of_the_list,
    reference,
    section_of,
    shown_value,
    unknown,
)
from gateway.config.root import ROOT
from gateway.config.sections import ENVIRONMENT, Settings
from gateway.config.yaml_text import parsed

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


class ConfigError(Exception):
    """One line per wrong setting: file or `environment`, key, value, what is accepted."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))


def load(environ: Mapping[str, str] | None = None, path: Path | None = None) -> Settings:
    """Read the environment and `path`, else GATEWAY_CONFIG, else config.yaml beside app.py.

    Only the last of these files may be missing. Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["GATEWAY_CONFIG"]) if environ.get("GATEWAY_CONFIG") else None)
    return _Source(named or ROOT / "config.yaml", environ).settings(required=named is not None)


class _Source:
    """Where the settings of one start come from, so that an error can say it."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.file = path.name if path.parent == ROOT else str(path)
        self.environ = environ
        self.written: dict[Any, Any] = {}
        self.unfilled: dict[Key, str] = {}

    def settings(self, required: bool) -> Settings:
        self.written = self._read(required)
        lines: list[str] = []
        try:
            settings = Settings.model_validate(self._overridden(self._filled(self.written, ())))
        except ValidationError as error:
            found = error.errors(include_url=False)
            lines = [self._line(one) for one in found if one["loc"] not in self.unfilled]
        if lines or self.unfilled:
            raise ConfigError(*self.unfilled.values(), *lines)
        settings._origins = Origins(self.path, dict(self._origins()))
        return settings

    def _read(self, required: bool) -> dict[Any, Any]:
        try:
            value = parsed(self.path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not required:
                return {}
            raise ConfigError(f"{self.file}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"{self.file}: {error}") from None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ConfigError(f"{self.file}: line 1: not accepted; `name: value` lines are")
        return value

    def _filled(self, value: Any, key: Key) -> Any:
        """`value` with each ${VARIABLE} in its texts filled in; notes those that are not set."""
        if isinstance(value, dict):
            return {name: self._filled(inner, (*key, name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, (*key, at)) for at, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        return _REFERENCE.sub(lambda match: self._variable(match[1], key), value)

    def _variable(self, written: str, key: Key) -> str:
        name, has_default, default = written.partition(":-")
        value = self.environ.get(name) or default
        if not value and not has_default:
            self.unfilled[key] = (
                f"{self.file}: {dotted_key(key)} = {reference(name)}: this variable is not set "
                "in the environment; a set one, or ${NAME:-default}, is accepted"
            )
        return value

    def _overridden(self, values: Any) -> Any:
        for variable, dotted in ENVIRONMENT.items():
            if value := self.environ.get(variable):
                key = dotted.split(".")
                _put(values, key[:-1], key[-1], value)
                self.unfilled.pop(tuple(key), None)
        return values

    def _origins(self) -> Iterator[tuple[str, Origin]]:
        for key, value in _leaves(self.written, ()):
            texts = json.dumps(value, default=str)
            variables = (one.partition(":-")[0] for one in _REFERENCE.findall(texts))
            yield dotted_key(key), Origin("file", tuple(dict.fromkeys(variables)))
        for variable, dotted in ENVIRONMENT.items():
            if self.environ.get(variable):
                yield dotted, Origin("environment", (variable,))

    def _line(self, error: ErrorDetails) -> str:
        key = of_the_list(error["loc"])
        if error["type"] in ("extra_forbidden", "invalid_key") or key[-1] == "[key]":
            return f"{self.file}: {unknown(key, error)}"
        field = section_of(key).model_fields.get(str(key[-1]))
        takes = accepted(field)
        if error["type"] == "value_error":
            takes = str(error["ctx"]["error"])
        return f"{self._origin(key, field)}: not accepted; {takes} is"

    def _origin(self, key: Key, field: FieldInfo | None) -> str:
        """The place of a wrong value and the value as written there, without what was filled in."""
        dotted = dotted_key(key)
        for variable, target in ENVIRONMENT.items():
            if target == dotted and self.environ.get(variable):
                shown = shown_value(self.environ[variable], is_open(field))
                return f"environment: {variable} = {shown} ({dotted})"
        return f"{self.file}: {dotted} = {shown_value(_at(self.written, key), is_open(field))}"


def _leaves(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """What is written of each setting; a list is one."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*key, name))
    elif key:
        yield key, value


def _put(values: Any, section: list[str], name: str, value: str) -> None:
    for part in section:
        if values.get(part) is None:
            values[part] = {}
        values = values[part]
    if isinstance(values, dict):
        values[name] = value


def _at(values: Any, key: Key) -> Any:
    for part in key:
        if isinstance(values, list) and isinstance(part, int):
            values = values[part] if part < len(values) else None
        else:
            values = values.get(part) if isinstance(values, dict) else None
    return values
