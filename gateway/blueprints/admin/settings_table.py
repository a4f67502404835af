"""Every setting in force: what it is, what it means, and where its value comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.config import (
    ENVIRONMENT,
    ROOT,
    McpServer,
    Origin,
    Origins,
    Section,
    Settings,
    accepted,
    is_open,
)

MCP_SERVERS = "tools.mcp_servers"
ENABLED_TOOLS = "tools.enabled"
_NOTHING: Mapping[str, Any] = {}
_VARIABLES = {key: variable for variable, key in ENVIRONMENT.items()}
_NOTES = {
    "admin.password": "Set for the first admin alone; later each admin changes their own.",
    ENABLED_TOOLS: "Holds until tools are switched on or off on their page.",
    MCP_SERVERS: "More of them can be added on the page of tools.",
}
"""What else there is to know before a value is changed in the file."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting. `value` is None for what may not be shown: `is_set` tells of it all the same."""

    key: str
    value: Any
    default: Any
    is_secret: bool
    is_set: bool
    is_default: bool
    meaning: str
    accepts: str
    origin: Origin

    @property
    def variable(self) -> str | None:
        """The variable that would win over the file."""
        return _VARIABLES.get(self.key)

    @property
    def note(self) -> str:
        return _NOTES.get(self.key, "")

    def told(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "value": self.value,
            "set": self.is_set,
            "secret": self.is_secret,
            "default": self.default,
            "is_default": self.is_default,
            "source": {"kind": self.origin.kind, "variables": list(self.origin.variables)},
            "variable": self.variable,
            "meaning": self.meaning,
            "accepts": self.accepts,
            "needs_restart": self.origin.kind != "admin",
        }


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    meaning: str
    lines: tuple[Line, ...]


def groups(settings: Settings, set_here: Mapping[str, Any] = _NOTHING) -> list[Group]:
    """All settings by their sections, in the order of the file. `set_here`: what administrators
    have set over it, by key.
    """
    return [_with(group, set_here) for group in _of_the_start(settings)]


def _with(group: Group, set_here: Mapping[str, Any]) -> Group:
    """The same group, with what holds instead."""
    lines = [
        replace(line, value=set_here[line.key], is_default=False, origin=Origin("admin"))
        if line.key in set_here
        else line
        for line in group.lines
    ]
    return replace(group, lines=tuple(lines))


def _of_the_start(settings: Settings) -> list[Group]:
    plain, sections = [], []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Section):
            lines = tuple(_section(name, value, settings.origins))
        elif isinstance(value, Mapping):
            lines = tuple(_mapping(name, value, settings.origins))
        else:
            plain.append(_line(name, field, value, settings.origins))
            continue
        sections.append(Group(name, field.description or "", lines))
    return [Group("", "what all the rest is kept in and encrypted with", tuple(plain)), *sections]


def shown_address(url: str) -> str | None:
    """An address without user, password and query; None if it cannot be told which these are."""
    scheme, separator, rest = url.partition("://")
    before, query, after = rest.partition("?")
    if not separator or "#" in rest or (query and "@" in after):
        return None
    return f"{scheme}://{before.rpartition('@')[2]}"


def _section(prefix: str, section: Section, origins: Origins) -> Iterator[Line]:
    for name, field in type(section).model_fields.items():
        yield _line(f"{prefix}.{name}", field, getattr(section, name), origins)


def _mapping(prefix: str, values: Mapping[str, Any], origins: Origins) -> Iterator[Line]:
    """Of sections by name, what is set in them."""
    for name, value in values.items():
        key = f"{prefix}.{name}"
        if isinstance(value, Section):
            yield from (line for line in _section(key, value, origins) if line.is_set)
        elif isinstance(value, Mapping):
            yield from _mapping(key, value, origins)


def _line(key: str, field: FieldInfo, value: Any, origins: Origins) -> Line:
    open_to_all = key == MCP_SERVERS or is_open(field) or _is_list(field)
    shown = _told(value) if open_to_all else _address_of(value)
    return Line(
        key=key,
        value=shown,
        default=None if field.is_required() else _told(field.default),
        is_secret=not open_to_all,
        is_set=value is not None,
        is_default=value == _in_force(field.default),
        meaning=field.description or "",
        accepts=accepted(field).rstrip(","),
        origin=origins.of(key),
    )


def _in_force(default: Any) -> Any:
    """A default as the settings hold it: paths are absolute there."""
    return ROOT / default if isinstance(default, Path) else default


def _is_list(field: FieldInfo) -> bool:
    return get_args(field.annotation)[:1] in ((str,), (int,)) and isinstance(field.default, list)


def _address_of(value: Any) -> str | None:
    """What may be shown of a value that may hold a secret: of an address its open part."""
    if value is None or isinstance(value, SecretStr):
        return None
    return shown_address(str(value))


def _told(value: Any) -> Any:
    """As JSON has it; of MCP servers their names, since an address may hold a key."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [one.name if isinstance(one, McpServer) else one for one in value]
    return value
