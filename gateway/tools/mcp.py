"""A client of one MCP server: its tools, and calls to them.

Two eras of the protocol differ in how one begins. Revision 2026-07-28 knows no session: each
request says its version and who sends it. Those before (2025-03-26 to 2025-11-25) begin with
`initialize` and mostly bear a session id, which a server may forget (404). A server is asked by the
newer way first; what does not understand it is of the older kind.
"""

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from gateway.config import McpServer as Settings
from gateway.tools.mcp_headers import encoded, header_paths, parameter_headers
from gateway.tools.mcp_wire import McpError, McpFailure, McpRefused, McpTimeout, Message, Wire
from gateway.upstream import Upstream

STATELESS = "2026-07-28"
NEWEST_WITH_SESSIONS = "2025-11-25"
WITH_SESSIONS = (NEWEST_WITH_SESSIONS, "2025-06-18", "2025-03-26", "2024-11-05")
_UNSUPPORTED_VERSION = -32022
_HEADER_MISMATCH = -32020
_ME = {"name": "ai-gateway", "version": "1"}
_MOST_PAGES = 100
_DEEPEST = 100  # what is nested much deeper can be neither walked nor written
_SECONDS_TO_CANCEL = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    version: str
    id: str | None = None

    @property
    def stateless(self) -> bool:
        return self.version == STATELESS

    def headers(self) -> dict[str, str]:
        headers = {"MCP-Protocol-Version": self.version}
        return headers if self.id is None else {**headers, "Mcp-Session-Id": self.id}


@dataclass(slots=True)
class RemoteTool:
    """`headers`: which of its arguments go into which header."""

    name: str
    description: str
    schema: dict[str, Any]
    headers: dict[tuple[str, ...], str] = field(default_factory=dict)


class McpClient:
    """`changed` is set when the server says that its tools are not what they were."""

    def __init__(self, settings: Settings, upstream: Upstream) -> None:
        self.name = settings.name
        self.changed = False
        given = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._wire = Wire(settings.url, given, upstream, self._told)
        self._session: Session | None = None
        self._connecting = BoundedSemaphore(1)
        self._ids = itertools.count(1)
        self._headers: dict[str, dict[tuple[str, ...], str]] = {}

    @property
    def version(self) -> str | None:
        """The revision that is spoken with it, once it has answered."""
        return None if self._session is None else self._session.version

    def tools(self, seconds: float) -> list[RemoteTool]:
        """All its tools, in their order. Raises McpFailure."""
        self.changed = False
        found = [tool for one in self._listed(seconds) if (tool := _tool(one, self.name))]
        self._headers = {tool.name: tool.headers for tool in found if tool.headers}
        return found

    def call(self, name: str, arguments: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The result as the server words it. Raises McpFailure."""
        try:
            return self._called(name, arguments, seconds)
        except McpError as error:
            if error.code != _HEADER_MISMATCH:
                raise
        self.tools(seconds)
        return self._called(name, arguments, seconds)

    def close(self, seconds: float) -> None:
        """Ends the session, if the server hears it."""
        session, self._session = self._session, None
        if session is not None and session.id is not None:
            try:
                self._wire.end(session.headers(), seconds)
            except McpFailure:
                pass

    def _called(self, name: str, arguments: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        params = {"name": name, "arguments": dict(arguments)}
        extra = parameter_headers(self._headers.get(name, {}), arguments)
        result = self._request("tools/call", params, seconds, extra)
        if not isinstance(result, dict):
            raise McpFailure("its result is no object")
        return result

    def _listed(self, seconds: float) -> Iterator[Any]:
        cursor = None
        for _ in range(_MOST_PAGES):
            params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
            page = self._request("tools/list", params, seconds)
            if not isinstance(page, dict) or not isinstance(page.get("tools"), list):
                raise McpFailure("its list of tools is none")
            yield from page["tools"]
            cursor = page.get("nextCursor")
            if cursor is None:
                return
            if not isinstance(cursor, str):
                raise McpFailure("its list of tools goes on at a place without a name")
        raise McpFailure(f"its list of tools has over {_MOST_PAGES} pages")

    def _request(
        self,
        method: str,
        params: dict[str, Any],
        seconds: float,
        extra: Mapping[str, str] | None = None,
    ) -> Any:
        session = self._connected(seconds)
        try:
            return self._asked(session, method, params, seconds, extra)
        except (McpRefused, McpError) as failure:
            if not _is_lost(session, failure):
                raise
        # It has done nothing yet, so that it may be asked again.
        if self._session is session:
            self._session = None
        return self._asked(self._connected(seconds), method, params, seconds, extra)

    def _asked(
        self,
        session: Session,
        method: str,
        params: dict[str, Any],
        seconds: float,
        extra: Mapping[str, str] | None = None,
    ) -> Any:
        message = self._message(method, params)
        headers = session.headers()
        if session.stateless:
            message["params"] = {**params, "_meta": _META}
            headers |= {"Mcp-Method": method, **(extra or {})}
            if "name" in params:
                headers["Mcp-Name"] = encoded(params["name"])
        try:
            result, _ = self._wire.request(message, headers, seconds, not session.stateless)
        except BaseException as error:
            # Without a session, the closed connection says that nobody waits any more.
            given_up = isinstance(error, McpTimeout) or not isinstance(error, McpFailure)
            if given_up and not session.stateless:
                gevent.spawn(self._cancel, message["id"], session)
            raise
        return result

    def _connected(self, seconds: float) -> Session:
        with self._connecting:
            if self._session is None:
                self._session = self._discovered(seconds) or self._initialized(seconds)
            return self._session

    def _discovered(self, seconds: float) -> Session | None:
        """None for a server of the older kind. Raises McpFailure for one that cannot be asked."""
        session = Session(STATELESS)
        try:
            found = self._asked(session, "server/discover", {}, seconds)
        except McpError as error:
            if error.code == _UNSUPPORTED_VERSION:
                _check_common(error.data)
            return None
        except McpRefused as refused:
            if refused.status in range(400, 500) and refused.status not in (401, 403, 429):
                return None
            raise
        versions = found.get("supportedVersions") if isinstance(found, dict) else None
        return session if isinstance(versions, list) and STATELESS in versions else None

    def _initialized(self, seconds: float) -> Session:
        params = {
            "protocolVersion": NEWEST_WITH_SESSIONS,
            "capabilities": {},
            "clientInfo": _ME,
        }
        result, headers = self._wire.request(self._message("initialize", params), {}, seconds)
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        if version not in WITH_SESSIONS:
            raise McpFailure("it speaks no revision of the protocol that the gateway knows")
        session = Session(version, headers.get("mcp-session-id"))
        begun = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self._wire.notify(begun, session.headers(), seconds)
        return session

    def _cancel(self, request_id: int, session: Session) -> None:
        params = {"requestId": request_id, "reason": "nobody waits for it any more"}
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        try:
            self._wire.notify(message, session.headers(), _SECONDS_TO_CANCEL)
        except McpFailure:
            pass

    def _told(self, message: Message, headers: Mapping[str, str]) -> None:
        """What comes before the answer: news, and questions, of which a ping alone is answered."""
        method = message.get("method")
        if method == "notifications/tools/list_changed":
            self.changed = True
        if method is None or not isinstance(message.get("id"), str | int):
            return
        answer: Message = {"jsonrpc": "2.0", "id": message["id"]}
        if method == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": -32601, "message": "The gateway does not do this"}
        gevent.spawn(self._answer, answer, headers)

    def _answer(self, message: Message, headers: Mapping[str, str]) -> None:
        try:
            self._wire.notify(message, headers, _SECONDS_TO_CANCEL)
        except McpFailure:
            pass

    def _message(self, method: str, params: dict[str, Any]) -> Message:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}


_META = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": _ME,
    "io.modelcontextprotocol/clientCapabilities": {},
}


def _check_common(data: Any) -> None:
    """Raises McpFailure for a server of which all revisions are newer than those known here."""
    named = data.get("supported") if isinstance(data, dict) else None
    if isinstance(named, list) and not set(WITH_SESSIONS) & {str(one) for one in named}:
        raise McpFailure("it speaks no revision of the protocol that the gateway knows")


def _is_lost(session: Session, failure: McpRefused | McpError) -> bool:
    """Whether the server has forgotten the session, or is not the one that it was."""
    if session.stateless:
        modern = isinstance(failure, McpError) and failure.code not in (-32600, -32700)
        return failure.status in range(400, 500) and not modern and failure.status not in (401, 403)
    if session.id is None:
        return False
    # Some say it with a 400; the protocol says 404.
    text = failure.text if isinstance(failure, McpRefused) else str(failure)
    return failure.status == 404 or (failure.status == 400 and "session" in text.lower())


def _tool(listed: Any, server: str) -> RemoteTool | None:
    """None, with a warning, for what no model can be shown."""
    name = listed.get("name") if isinstance(listed, dict) else None
    schema = listed.get("inputSchema") if isinstance(listed, dict) else None
    if not isinstance(name, str) or not name or not isinstance(schema, dict):
        _log.warning("The MCP server %s lists a tool without a name or schema", server)
        return None
    if _is_deeper(schema, _DEEPEST):
        _log.warning("The tool %.100s of the MCP server %s has too deep a schema", name, server)
        return None
    try:
        headers = header_paths(schema)
    except ValueError as error:
        _log.warning("The tool %.100s of the MCP server %s is left out: %s", name, server, error)
        return None
    description = listed.get("description") or listed.get("title") or name
    return RemoteTool(name, str(description), schema, headers)


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a member lies under more objects and lists than so many."""
    inner = [value]
    for _ in range(levels):
        inner = [member for one in inner for member in _members(one)]
    return any(isinstance(one, dict | list) for one in inner)


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
