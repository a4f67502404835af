"""The form of an MCP server. A header's value is never shown: one that is left empty stays, one
that was typed beside a mistake goes back sealed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.blueprints.admin.sealed import opened, seal
from gateway.config import McpServer
from gateway.errors import InvalidFields
from gateway.store.vault import Vault

MOST_HEADERS = 20
_EMPTY_ROWS = 2
_TYPED = "typed-header:"


@dataclass(slots=True)
class HeaderRow:
    """`is_kept`: it has a value in the store; `sealed`: one that was typed before."""

    name: str = ""
    sealed: str = ""
    is_kept: bool = False


@dataclass(slots=True)
class McpForm:
    name: str = ""
    url: str = ""
    allowed_tools: str = ""
    headers: list[HeaderRow] = field(default_factory=list)
    problems: Mapping[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    """For the book: what was typed."""

    @classmethod
    def of(cls, server: McpServer | None) -> "McpForm":
        if server is None:
            return cls(headers=_with_empty([]))
        return cls(
            server.name,
            server.url.partition("?")[0],
            "\n".join(server.allowed_tools),
            _with_empty([HeaderRow(name, is_kept=True) for name in server.headers]),
        )

    @classmethod
    def sent(cls, form: Mapping[str, str], server: McpServer | None, vault: Vault) -> "McpForm":
        """`server`: what it was, if it was there before."""
        made = cls(
            server.name if server else form.get("name", "").strip(),
            form.get("url", "").strip(),
            form.get("allowed_tools", ""),
        )
        kept = server.headers if server else {}
        headers: dict[str, str | None] = {}
        for number in range(MOST_HEADERS):
            name = form.get(f"header_name_{number}", "").strip()
            typed = form.get(f"header_value_{number}", "").strip()
            value = typed or opened(vault, _TYPED, form.get(f"sealed_{number}", ""))
            if name or value:
                headers[name] = value or None
                made.headers.append(HeaderRow(name, seal(vault, _TYPED, value), name in kept))
        made.headers = _with_empty(made.headers)
        made.values = {"name": made.name, "url": made.url, "headers": headers}
        if server and made.url == server.url.partition("?")[0]:
            made.values["url"] = server.url  # its query may be a key, and is not shown
        lines = made.allowed_tools.splitlines()
        made.values["allowed_tools"] = [line.strip() for line in lines if line.strip()]
        return made

    def check(self) -> None:
        """Raises InvalidFields for half a header: the book would not know which field it was."""
        rows = self.headers
        bare = [row.name for row in rows if row.name and not row.sealed and not row.is_kept]
        if bare:
            raise InvalidFields({"headers": f"need a value for {', '.join(bare)}"})
        if any(row.sealed and not row.name for row in rows):
            raise InvalidFields({"headers": "need a name for each value"})


def _with_empty(rows: list[HeaderRow]) -> list[HeaderRow]:
    room = max(0, min(_EMPTY_ROWS, MOST_HEADERS - len(rows)))
    return [*rows, *(HeaderRow() for _ in range(room))]
