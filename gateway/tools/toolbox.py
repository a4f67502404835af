"""All tools by name: which there are, which are on, and what a run of one comes to.

A tool that fails, is unknown, gets wrong arguments or takes too long has an error for its result,
which the model is told: nothing here raises for it.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import gevent
import orjson
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool

from gateway import conversation
from gateway.config import McpServer
from gateway.config import Tools as Settings
from gateway.errors import GatewayError, Unavailable
from gateway.fetcher import Fetcher, NotFetched
from gateway.tools.function import FunctionTool, ToolFailed
from gateway.tools.modules import Module, load
from gateway.tools.remote import ToolServer
from gateway.tools.result import Outcome, ToolRun, capped
from gateway.tools.table import TOOLS
from gateway.upstream import Upstream

_FIRST_LIST_SECONDS = 3.0
_LOOKED_AFTER = 0.5
_GOODBYE_SECONDS = 1.0
_RETRIED_AFTER = 1.0  # a database that is away may take its time to say so
_log = logging.getLogger(__name__)


class Tool(Protocol):
    """`run` may raise anything; it is stopped by the toolbox after `seconds` at the latest."""

    name: str
    source: str

    @property
    def definition(self) -> conversation.Tool: ...

    def run(self, arguments: Mapping[str, Any], seconds: float) -> Outcome: ...


class Toolbox:
    """`stored` gives what the administrators have switched on, None while they have not chosen,
    `added` the MCP servers that they have added to those of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        fetcher: Fetcher,
        upstream: Upstream,
        stored: Callable[[], list[str] | None],
        added: Callable[[], list[McpServer]] = list,
    ) -> None:
        self.settings = settings
        self.modules: list[Module] = [load(path, fetcher) for path in settings.modules]
        self.configured = tuple(ToolServer(one, upstream) for one in settings.mcp_servers)
        self.servers: list[ToolServer] = [*self.configured]
        self._upstream = upstream
        self._stored = stored
        self._added = added
        self._may_have_others = True
        self._renewing = BoundedSemaphore(1)
        self._enabled: tuple[str, ...] | None = None
        self._may_be_switched = True
        self._retry_at = 0.0
        self._own: dict[str, Tool] = {}
        built_in = [FunctionTool(function, fetcher) for function in TOOLS]
        for tool in (*built_in, *(tool for module in self.modules for tool in module.tools)):
            if tool.name in self._own:
                _log.error("Two tools are named %s; that of %s is left out", tool.name, tool.source)
            else:
                self._own[tool.name] = tool

    def tools(self) -> dict[str, Tool]:
        """All that there are."""
        found = dict(self._own)
        for server in self.servers:
            for name, tool in list(server.tools.items()):
                found.setdefault(name, tool)
        return found

    def enabled(self) -> tuple[str, ...]:
        """The names that are on; one may end in `*`. While the database is away, they are those
        that were on; raises Unavailable if they were never known.
        """
        if self._enabled is None:
            return self._asked_again()
        if self._may_be_switched and time.monotonic() >= self._retry_at:
            with suppress(Unavailable):
                return self._asked_again()
        return self._enabled

    def forget(self) -> None:
        """The administrators may have switched some on or off."""
        self._may_be_switched = True
        self._may_have_others = True

    def look_again(self) -> None:
        """Before somebody is shown what there is: their change may have met another worker."""
        self.forget()
        self._retry_at = 0.0
        self.renew()

    def renew(self) -> None:
        """Finds out which servers the administrators have added by now. Raises Unavailable."""
        with self._renewing:
            if not self._may_have_others:
                return
            self._may_have_others = False
            try:
                added = self._added()
            except Exception:
                self._may_have_others = True
                raise
            self._take(added)

    def standing(self) -> Any:
        """Differs from the last one when a server does otherwise, or others are on."""
        servers = [(one.name, one.url, one.state, one.health.error) for one in self.servers]
        return servers, [len(one.tools) for one in self.servers], self.enabled()

    def is_known(self, pattern: str) -> bool:
        """Whether a name, or a beginning with `*`, can be one of a tool. A server that is away
        has its tools' names all the same.
        """
        if any(pattern.startswith(f"{server.name}__") for server in self.servers):
            return True
        return any(fits(pattern, name) for name in self.tools())

    def chosen(self, server_tools: Iterable[str]) -> list[str]:
        """The tools that a client has asked for in its settings, out of those that are on."""
        wanted = tuple(server_tools)
        enabled = self.enabled() if wanted else ()
        if not wanted or not enabled:
            return []
        if self._may_have_others and time.monotonic() >= self._retry_at:
            self._try_to_renew()
        for server in self.servers:
            server.wait(_FIRST_LIST_SECONDS)
        return [
            name
            for name in self.tools()
            if any(fits(one, name) for one in enabled) and any(fits(one, name) for one in wanted)
        ]

    def definitions(self, names: Iterable[str]) -> list[conversation.Tool]:
        """Of those of the names that there are."""
        tools = self.tools()
        return [tools[name].definition for name in names if name in tools]

    def run(self, name: str, arguments: str, timeout: float | None = None) -> ToolRun:
        """`arguments`: JSON text as the model wrote it."""
        seconds = self.settings.timeout if timeout is None else timeout
        began = time.monotonic()
        outcome = self._outcome(name, arguments, seconds)
        return self._capped(outcome, time.monotonic() - began)

    def run_all(self, calls: Sequence[tuple[str, str]]) -> list[ToolRun]:
        """Runs of names with arguments, at the same time, within the seconds of one round: those
        whose turn does not come by then are not begun.
        """
        began = time.monotonic()
        pool = Pool(self.settings.max_parallel)

        def run(call: tuple[str, str]) -> ToolRun:
            left = began + self.settings.timeout - time.monotonic()
            if left > 0:
                return self.run(*call, timeout=left)
            late = Outcome("It was not run: the other calls took all the time there is.", True)
            return self._capped(late, 0.0)

        try:
            runs = [pool.spawn(run, call) for call in calls]
            return [run.get() for run in runs]
        finally:
            pool.kill(block=False)

    def watch(self) -> None:
        """Keeps the servers and their lists fresh; runs as long as the gateway."""
        watches: dict[ToolServer, Any] = {}
        try:
            while True:
                self._foresee()
                for gone in watches.keys() - set(self.servers):
                    watches.pop(gone).kill(block=False)
                for server in self.servers:
                    if server not in watches:
                        watches[server] = gevent.spawn(_keep_fresh, server)
                gevent.sleep(_LOOKED_AFTER)
        finally:
            gevent.killall(list(watches.values()), block=False)

    def close(self) -> None:
        jobs = [gevent.spawn(server.close, _GOODBYE_SECONDS) for server in self.servers]
        gevent.joinall(jobs, timeout=_GOODBYE_SECONDS)
        gevent.killall(jobs, block=False)

    def _asked_again(self) -> tuple[str, ...]:
        self._may_be_switched = False  # unless somebody switches more of them meanwhile
        try:
            stored = self._stored()
        except BaseException:
            self._may_be_switched = True
            self._retry_at = time.monotonic() + _RETRIED_AFTER
            raise
        self._enabled = tuple(self.settings.enabled if stored is None else stored)
        return self._enabled

    def _foresee(self) -> None:
        """Knows what is on before a call needs it, should the database go away."""
        self._try_to_renew()
        with suppress(Unavailable):
            self.enabled()

    def _try_to_renew(self) -> None:
        try:
            self.renew()
        except GatewayError:
            # The database is away: the servers that are known go on, the next turn will do.
            self._retry_at = time.monotonic() + _RETRIED_AFTER
        except Exception:
            _log.exception("The MCP servers that were added cannot be read")

    def _take(self, added: list[McpServer]) -> None:
        """Those that are the same stay as they are, with their tools and sessions."""
        taken = {server.name.lower() for server in self.configured}
        before = [server for server in self.servers if server not in self.configured]
        now = [
            next((one for one in before if one.settings == settings), None)
            or ToolServer(settings, self._upstream)
            for settings in added
            if settings.name.lower() not in taken
        ]
        self.servers = [*self.configured, *now]
        for gone in before:
            if gone not in now:
                gevent.spawn(gone.close, _GOODBYE_SECONDS)

    def _capped(self, outcome: Outcome, seconds: float) -> ToolRun:
        return capped(outcome, seconds, self.settings.max_result_kb << 10)

    def _outcome(self, name: str, arguments: str, seconds: float) -> Outcome:
        tool = self.tools().get(name)
        if tool is None:
            return Outcome(f"There is no tool {name[:100]!r}.", True)
        try:
            given = _arguments(arguments)
            with gevent.Timeout(seconds, _TooLong):
                return tool.run(given, seconds)
        except _TooLong:
            return Outcome(f"The tool did not end within {seconds:.3g} s.", True)
        except ToolFailed as failure:
            return Outcome(str(failure), True)
        except NotFetched as failure:
            return Outcome(f"It was not fetched: {failure.reason}.", True)
        except Exception as error:
            _log.warning("The tool %s failed", name, exc_info=True)
            return Outcome(f"The tool failed: {type(error).__name__}.", True)


def _keep_fresh(server: ToolServer) -> None:
    while True:
        server.refresh_if_due()
        gevent.sleep(_LOOKED_AFTER)


class _TooLong(BaseException):
    """Not an Exception, so that no tool takes it for a failure of its own."""


def fits(pattern: str, name: str) -> bool:
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern


def _arguments(text: str) -> dict[str, Any]:
    """Raises ToolFailed. Models write nothing at all where there are none."""
    try:
        given = orjson.loads(text.strip() or "{}")
    except orjson.JSONDecodeError as error:
        raise ToolFailed(f"The arguments are not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise ToolFailed("The arguments are not a JSON object.")
    return given
