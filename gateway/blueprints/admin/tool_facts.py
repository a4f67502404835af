"""What pages tell of tools: where each is from, whether it is on, who may use it, how it does."""

from dataclasses import dataclass, field

from gateway.context import Gateway
from gateway.store.client_list import clients_with_tools
from gateway.store.tool_runs import ToolRuns, tool_runs
from gateway.tools.modules import Module
from gateway.tools.remote import ToolServer
from gateway.tools.toolbox import Tool, fits

Clients = list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class ToolLine:
    """`pattern`: the entry that switches it on, None while it is off. `clients`: who wants it."""

    tool: Tool
    pattern: str | None
    clients: Clients
    runs: ToolRuns

    @property
    def name(self) -> str:
        return self.tool.name

    @property
    def summary(self) -> str:
        return (self.tool.definition.description or "").strip().partition("\n")[0]


@dataclass(frozen=True, slots=True)
class ToolGroup:
    """The tools of one origin: built in, of a file of the operator's, or of a server."""

    title: str
    lines: list[ToolLine] = field(default_factory=list)
    module: Module | None = None
    server: ToolServer | None = None


def tool_groups(gateway: Gateway) -> list[ToolGroup]:
    toolbox = gateway.toolbox
    toolbox.renew()
    lines = tool_lines(gateway)
    groups = [ToolGroup("Built in", [one for one in lines if one.tool.source == "built-in"])]
    for module in toolbox.modules:
        own = [one for one in lines if one.tool.source == module.path]
        groups.append(ToolGroup(module.path, own, module=module))
    for server in toolbox.servers:
        own = [one for one in lines if one.tool in server.tools.values()]
        groups.append(ToolGroup(server.name, own, server=server))
    return groups


def tool_lines(gateway: Gateway) -> list[ToolLine]:
    enabled = gateway.toolbox.enabled()
    clients, runs = clients_with_tools(gateway.engine), tool_runs(gateway.engine)
    return [
        ToolLine(
            tool,
            next((pattern for pattern in enabled if fits(pattern, name)), None),
            [(n, who) for n, who, wanted in clients if any(fits(one, name) for one in wanted)],
            runs.get(name, ToolRuns()),
        )
        for name, tool in gateway.toolbox.tools().items()
    ]
