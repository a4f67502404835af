"""MCP servers that administrators have added while the gateway runs; addresses and headers may hold
secrets, so they are kept encrypted.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gateway.config import McpServer
from gateway.errors import InvalidFields, NotFound
from gateway.store import audit
from gateway.store.engine import database_answers
from gateway.store.models import SettingRow
from gateway.store.vault import Vault, WrongSecretKey

MOST_SERVERS = 50
_TAKEN = "is taken by another server"
_PREFIX = "mcp_server:"
_AFTER = "mcp_server;"  # the text that comes next after all that begin with the prefix
_log = logging.getLogger(__name__)


def added_servers(engine: Engine, vault: Vault) -> list[McpServer]:
    """In the order of their names. One that cannot be read is logged and left out."""
    with database_answers(), Session(engine) as session:
        rows = session.scalars(_ALL).all()
    return [found for row in rows if (found := _opened(row, vault)) is not None]


def added_names(engine: Engine) -> list[str]:
    """Of all, be they readable or not."""
    with database_answers(), Session(engine) as session:
        return [row.value["name"] for row in session.scalars(_ALL)]


@dataclass(frozen=True, slots=True)
class McpBook:
    """Adds, changes and removes them. `taken`: names that config.yaml has already."""

    engine: Engine
    vault: Vault
    taken: Collection[str]
    changed: Callable[[], None]
    actor: str

    def get(self, name: str) -> McpServer:
        """Raises NotFound, WrongSecretKey."""
        with database_answers(), Session(self.engine) as session:
            return _settings(_row(session, name), self.vault)

    def add(self, fields: Mapping[str, Any]) -> McpServer:
        """Raises InvalidFields."""
        server = _checked(fields)
        try:
            with database_answers(), Session(self.engine) as session, session.begin():
                self._add(session, server)
        except IntegrityError:  # somebody was faster
            raise InvalidFields({"name": _TAKEN}) from None
        self.changed()
        return server

    def change(self, name: str, fields: Mapping[str, Any]) -> McpServer:
        """The fields that are given, others stay. A header without a value keeps the one it has.

        Raises InvalidFields, NotFound.
        """
        with database_answers(), Session(self.engine) as session, session.begin():
            row = _row(session, name)
            before = _settings(row, self.vault)
            server = _checked(_joined(before, fields))
            row.value = self._sealed(server)
            self._note(session, "mcp-server.change", server.name, _told(before), _told(server))
        self.changed()
        return server

    def remove(self, name: str) -> None:
        """Raises NotFound."""
        with database_answers(), Session(self.engine) as session, session.begin():
            row = _row(session, name)
            before = _opened(row, self.vault)
            self._note(session, "mcp-server.remove", name, before and _told(before) or {}, {})
            session.delete(row)
        self.changed()

    def _add(self, session: Session, server: McpServer) -> None:
        names = [row.value["name"].lower() for row in session.scalars(_ALL)]
        if server.name.lower() in (*names, *(name.lower() for name in self.taken)):
            raise InvalidFields({"name": _TAKEN})
        if len(names) >= MOST_SERVERS:
            raise InvalidFields({"name": f"would be one more than {MOST_SERVERS} servers"})
        session.add(SettingRow(name=_key(server.name), value=self._sealed(server)))
        self._note(session, "mcp-server.add", server.name, {}, _told(server))

    def _sealed(self, server: McpServer) -> dict[str, Any]:
        headers = {name: value.get_secret_value() for name, value in server.headers.items()}
        secret = json.dumps({"url": server.url, "headers": headers})
        return {
            "name": server.name,
            "allowed_tools": list(server.allowed_tools),
            "sealed": self.vault.encrypt(secret),
        }

    def _note(
        self, session: Session, action: str, name: str, before: dict[str, Any], after: Any
    ) -> None:
        changes = audit.differences(before, after)
        audit.record(session, self.actor, action, name, changes=changes)


_ALL = (
    select(SettingRow)
    .where(SettingRow.name >= _PREFIX, SettingRow.name < _AFTER)
    .order_by(SettingRow.name)
)


def _key(name: str) -> str:
    return f"{_PREFIX}{name.lower()}"


def _row(session: Session, name: str) -> SettingRow:
    key = _key(name[:100].replace("\0", "\ufffd"))  # PostgreSQL would not even look for a NUL
    row = session.get(SettingRow, key, with_for_update=True)
    if row is None:
        raise NotFound("No MCP server of this name was added here.", code="mcp_server_not_found")
    return row


def _opened(row: SettingRow, vault: Vault) -> McpServer | None:
    try:
        return _settings(row, vault)
    except (WrongSecretKey, ValidationError) as error:
        _log.error("The MCP server %s cannot be read: %s", row.value["name"], type(error).__name__)
        return None


def _settings(row: SettingRow, vault: Vault) -> McpServer:
    value = row.value
    secret = json.loads(vault.decrypt(value["sealed"]))
    plain = {"name": value["name"], "allowed_tools": value["allowed_tools"]}
    return McpServer.model_validate({**plain, **secret})


def _told(server: McpServer) -> dict[str, Any]:
    """As the audit log has it: that a secret changed, not what it was."""
    return {
        "url": server.url.partition("?")[0],
        "headers": list(server.headers) or None,
        "header_values": [one.get_secret_value() for one in server.headers.values()] or None,
        "allowed_tools": list(server.allowed_tools) or None,
    }


def _joined(before: McpServer, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A secret never goes to another host than it was typed for."""
    if fields.get("name", before.name) != before.name:
        raise InvalidFields({"name": "cannot be changed: it begins the names of the tools"})
    url = fields.get("url", before.url)
    headers = fields.get("headers", dict.fromkeys(before.headers))
    if isinstance(headers, Mapping):
        kept = [name for name, value in headers.items() if value is None]
        unknown = [name for name in kept if name not in before.headers]
        if unknown:
            raise InvalidFields({"headers": f"need a value for {', '.join(map(str, unknown))}"})
        if kept and isinstance(url, str) and _origin(url) != _origin(before.url):
            raise InvalidFields({"headers": "have to be typed again for another address"})
        headers = {**headers, **{name: before.headers[name] for name in kept}}
    allowed = fields.get("allowed_tools", before.allowed_tools)
    return {**fields, "name": before.name, "url": url, "headers": headers, "allowed_tools": allowed}


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), parts.netloc.lower()
    except ValueError:
        return "", ""


def _checked(fields: Mapping[str, Any]) -> McpServer:
    try:
        return McpServer.model_validate(dict(fields))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise InvalidFields({str(one["loc"][0]): _why(one) for one in found}) from None


_WANTED = {
    "name": "should be 1 to 30 letters, digits and -",
    "url": "should be an http:// or https:// address without a user",
    "headers": "should be names of letters, digits and -, with values in ASCII",
    "allowed_tools": "should be a list of names",
}


def _why(error: Any) -> str:
    name = str(error["loc"][0])
    return "is required" if error["type"] == "missing" else _WANTED.get(name, "is not a field here")
