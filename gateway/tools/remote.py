"""The tools of one MCP server under the gateway's names for them, and how the server is doing."""

import hashlib
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gevent.event import Event
from gevent.lock import BoundedSemaphore

from gateway import conversation
from gateway.config import McpServer as Settings
from gateway.telemetry import redacted
from gateway.tools.function import ToolFailed
from gateway.tools.mcp import McpClient, RemoteTool
from gateway.tools.mcp_content import outcome_of
from gateway.tools.mcp_wire import McpFailure, McpUnreachable
from gateway.tools.result import Outcome
from gateway.upstream import Upstream

FRESH_SECONDS = 60.0
_RETRIED_AFTER = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LIST_SECONDS = 10.0
_LONGEST = 64
_SECRET_SIZE = 6
_log = logging.getLogger(__name__)


class ServerTool:
    """One tool of a server, which is asked whenever it is run."""

    def __init__(self, name: str, tool: RemoteTool, server: "ToolServer") -> None:
        self.name = name
        self.source = server.name
        self.definition = conversation.Tool(name, tool.description, tool.schema)
        self._remote_name = tool.name
        self._server = server

    def run(self, arguments: Mapping[str, Any], seconds: float) -> Outcome:
        return self._server.run(self._remote_name, arguments, seconds)


@dataclass(frozen=True, slots=True)
class Health:
    """`error`: why it could not be asked the last time; None while all is well."""

    checked_at: float | None = None
    error: str | None = None


class ToolServer:
    """Its list of tools is fetched anew from time to time, and soon after a failure. While it is
    away, its tools are still named: a call then tries again, and may fail.
    """

    def __init__(self, settings: Settings, upstream: Upstream) -> None:
        self.settings = settings
        self.name = settings.name
        self.url = settings.url.partition("?")[0]
        self.tools: dict[str, ServerTool] = {}
        self.health = Health()
        self._allowed = frozenset(settings.allowed_tools)
        self._client = McpClient(settings, upstream)
        self._failures = 0
        self._due_at = 0.0
        self._asked_once = Event()
        self._listing = BoundedSemaphore(1)

    @property
    def state(self) -> Literal["connected", "failing", "not asked yet"]:
        if self.health.checked_at is None:
            return "not asked yet"
        return "failing" if self.health.error else "connected"

    @property
    def version(self) -> str | None:
        return self._client.version

    def wait(self, seconds: float) -> None:
        """Until it has been asked for its tools, successfully or not."""
        self._asked_once.wait(seconds)

    def refresh_if_due(self) -> None:
        if self._client.changed or time.monotonic() >= self._due_at:
            self.refresh()

    def refresh(self) -> None:
        """Asks it for its tools; what is amiss stands in `health`."""
        with self._listing:
            try:
                listed = self._client.tools(_LIST_SECONDS)
            except McpFailure as failure:
                self._failed(str(failure))
            except Exception as error:  # else it would never be asked again
                _log.warning("The MCP server %s cannot be understood", self.name, exc_info=True)
                self._failed(f"its answer cannot be understood ({type(error).__name__})")
            else:
                self.tools = self._named(listed)
                self._well()
            finally:
                self._asked_once.set()

    def run(self, name: str, arguments: Mapping[str, Any], seconds: float) -> Outcome:
        """Raises ToolFailed."""
        try:
            result = self._client.call(name, arguments, seconds)
        except McpUnreachable:
            self._due_at = 0.0  # its health is looked at soon
            raise ToolFailed("The tool's server cannot be reached, or broke off.") from None
        except McpFailure as failure:
            raise ToolFailed(f"The tool's server failed: {failure}.") from None
        if self.health.error:
            self._due_at = 0.0
        return outcome_of(result)

    def close(self, seconds: float) -> None:
        self._client.close(seconds)

    def _named(self, listed: list[RemoteTool]) -> dict[str, ServerTool]:
        tools: dict[str, ServerTool] = {}
        for tool in listed:
            if not self._allowed or tool.name in self._allowed:
                name = name_of(self.name, tool.name, tools)
                tools[name] = ServerTool(name, tool, self)
        return tools

    def _well(self) -> None:
        self._failures = 0
        self._due_at = time.monotonic() + FRESH_SECONDS
        self.health = Health(time.time())

    def _failed(self, reason: str) -> None:
        wait = _RETRIED_AFTER[min(self._failures, len(_RETRIED_AFTER) - 1)]
        self._failures += 1
        self._due_at = time.monotonic() + wait
        self.health = Health(time.time(), self._without_secrets(reason))

    def _without_secrets(self, reason: str) -> str:
        """A server may say again what it was shown."""
        shown = [value.get_secret_value() for value in self.settings.headers.values()]
        shown.append(self.settings.url.partition("?")[2])
        parts = {part for text in shown for part in re.split(r"[\s&=]+", text)}
        for part in sorted(parts, key=len, reverse=True):
            if len(part) >= _SECRET_SIZE:
                reason = reason.replace(part, "***")
        return redacted(reason)


def name_of(server: str, tool: str, taken: Mapping[str, Any]) -> str:
    """`server__tool` as all vendors bear it, and no other tool of the server has it."""
    plain = f"{server}__{re.sub('[^a-zA-Z0-9_-]', '_', tool)}"
    if len(plain) <= _LONGEST and plain not in taken:
        return plain
    return f"{plain[: _LONGEST - 9]}_{hashlib.sha256(tool.encode()).hexdigest()[:8]}"
