"""What is wrong with a setting, in words, without what may be secret."""

import json
import re
from typing import Any, get_origin

from pydantic_core import ErrorDetails

from gateway.config.accepted import TEXT, is_open
from gateway.config.sections import (
    PROVIDER_IDS,
    McpServer,
    PriceOverride,
    ProviderCredentials,
    Section,
    Settings,
)

Key = tuple[int | str, ...]
_MCP_SERVERS = ("tools", "mcp_servers")


def shown_value(value: Any, is_open: bool) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _quoted(value) if is_open else f"({len(value)} characters, not shown)"
    if isinstance(value, int | float):
        short = isinstance(value, float) or value.bit_length() < 100
        return str(value) if is_open and short else "(a number, not shown)"
    return "a mapping" if isinstance(value, dict) else "a list"


def reference(name: str) -> str:
    return f'"${{{name}}}"' if re.fullmatch(r"[A-Za-z_]\w*", name, re.A) else "${…}"


def dotted_key(key: Key) -> str:
    return ".".join(printable(str(part)) for part in key)


def printable(text: str) -> str:
    return text if text.isprintable() and len(text) <= 60 else _quoted(text)


def _quoted(text: str) -> str:
    """One line whatever the text is, and not a long one."""
    short = text if len(text) <= 60 else f"{text[:60]}…"
    return json.dumps(short, ensure_ascii=not short.isprintable())


def section_of(key: Key) -> type[Section]:
    """The model in which the last part of `key` is, or would be, a field."""
    if len(key) == 1:
        return Settings
    if key[0] == "providers":
        return ProviderCredentials
    if key[0] == "prices":
        return PriceOverride
    if key[:2] == _MCP_SERVERS and len(key) > 3:
        return McpServer
    section = Settings.model_fields[str(key[0])].annotation
    return section if isinstance(section, type) and issubclass(section, Section) else Settings


def of_the_list(key: Key) -> Key:
    """The setting itself, where the key leads to one item of a list, or into a mapping."""
    if key[:2] == _MCP_SERVERS:
        return key[:4]
    fields = section_of(key[:-1]).model_fields if len(key) > 2 else {}
    field = fields.get(str(key[-2])) if len(key) > 2 else None
    return key[:-1] if field is not None and get_origin(field.annotation) is list else key


def unknown(key: Key, error: ErrorDetails) -> str:
    if key[-1] == "[key]" and len(key) > 3:
        return f"{dotted_key(key[:-1])}: not accepted; a model's name as {TEXT} is"
    if key[-1] == "[key]":
        choice = _choice(key[-2], PROVIDER_IDS, "providers")
        return f"{dotted_key(key[:-1])}: no such provider; {choice}"
    fields = section_of(key).model_fields
    choice = _choice(key[-1], tuple(fields), dotted_key(key[:-1]) or "the file")
    if error["type"] == "invalid_key":  # its input is the key, not the value
        return f"{dotted_key(key)}: no such setting; {choice}"
    value = error["input"]
    shown = not isinstance(value, str) and all(map(is_open, fields.values()))
    return f"{dotted_key(key)} = {shown_value(value, shown)}: no such setting; {choice}"


def _choice(name: int | str, names: tuple[str, ...], owner: str) -> str:
    from difflib import get_close_matches  # wanted only when something is wrong

    close = get_close_matches(str(name), names, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"{meant}{owner} has: {', '.join(names)}"
