"""Arguments that an MCP server wants repeated in headers (`x-mcp-header` in a tool's schema).

Source: MCP 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters".
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN = re.compile(r"[!-~]([ -~]*[!-~])?")
Path = tuple[str, ...]


def header_paths(schema: Mapping[str, Any]) -> dict[Path, str]:
    """Where each argument is that goes into a header, and the header. Raises ValueError for a
    schema that says so in a way that is not allowed: its tool is not to be used.
    """
    found = dict(_allowed(schema, ()))
    if _count(schema) != len(found):
        raise ValueError("x-mcp-header where it may not be")
    if len({name.lower() for name in found.values()}) < len(found):
        raise ValueError("the same x-mcp-header twice")
    return found


def parameter_headers(paths: Mapping[Path, str], arguments: Any) -> dict[str, str]:
    values = {f"Mcp-Param-{name}": _at(arguments, path) for path, name in paths.items()}
    return {name: encoded(value) for name, value in values.items() if value is not None}


def encoded(value: str | int | bool) -> str:
    """As a header bears it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    looks_encoded = text.startswith("=?base64?") and text.endswith("?=")
    if not text or (_PLAIN.fullmatch(text) and not looks_encoded):
        return text
    return f"=?base64?{b64encode(text.encode()).decode()}?="


def _allowed(schema: Any, path: Path) -> Iterator[tuple[Path, str]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(inner, dict):
            continue
        if "x-mcp-header" in inner:
            header = inner["x-mcp-header"]
            if not isinstance(header, str) or not _TOKEN.fullmatch(header):
                raise ValueError("an x-mcp-header that is no name of a header")
            if inner.get("type") not in ("string", "integer", "boolean"):
                raise ValueError("x-mcp-header at an argument that is not primitive")
            yield (*path, name), header
        yield from _allowed(inner, (*path, name))


def _count(schema: Any, is_names: bool = False) -> int:
    """How often it occurs as a keyword; `is_names`: the members are arguments' names."""
    if isinstance(schema, list):
        return sum(map(_count, schema))
    if not isinstance(schema, dict):
        return 0
    own = 0 if is_names else int("x-mcp-header" in schema)
    return own + sum(
        _count(value, not is_names and name == "properties")
        for name, value in schema.items()
        if name not in ("default", "enum", "const", "examples") or is_names
    )


def _at(arguments: Any, path: Path) -> str | int | bool | None:
    for name in path:
        arguments = arguments.get(name) if isinstance(arguments, dict) else None
    return arguments if isinstance(arguments, str | int | bool) else None
