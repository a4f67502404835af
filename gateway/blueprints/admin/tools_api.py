"""Tools in the admin API: which there are, which are on, how MCP servers do, and to try one; and
the MCP servers that are added here.
"""

from typing import Any

import orjson
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.blueprints.admin.payload import optional_payload, payload
from gateway.config import McpServer
from gateway.context import current_gateway
from gateway.errors import InvalidFields, NotFound
from gateway.store import audit
from gateway.store.mcp_servers import McpBook
from gateway.store.settings import ENABLED_TOOLS, change, store
from gateway.tools.remote import ToolServer
from gateway.tools.result import ToolRun
from gateway.tools.toolbox import fits

MAX_BODY = 1_000_000
_MOST_NAMES = 1000

bp = Blueprint("tools", __name__, url_prefix="/tools")


@bp.get("")
def list_tools() -> ResponseReturnValue:
    toolbox = current_gateway.toolbox
    toolbox.look_again()
    enabled = toolbox.enabled()
    return {
        "items": [
            {
                "name": name,
                "source": tool.source,
                "description": tool.definition.description,
                "schema": tool.definition.schema,
                "enabled": any(fits(pattern, name) for pattern in enabled),
            }
            for name, tool in toolbox.tools().items()
        ],
        "next_cursor": None,
        "enabled": list(enabled),
        "mcp_servers": [_told(server) for server in toolbox.servers],
        "modules": [
            {"path": one.path, "tools": [tool.name for tool in one.tools], "error": one.error}
            for one in toolbox.modules
        ],
    }


@bp.put("")
def enable_tools() -> ResponseReturnValue:
    """`{"enabled": [names]}`: these are on, all others off."""
    asked = payload(MAX_BODY, {"enabled"})
    gateway = current_gateway
    store(gateway.engine, ENABLED_TOOLS, _names(asked.get("enabled")), acting())
    gateway.changed()
    return list_tools()


@bp.post("/<name>/run")
def run_tool(name: str) -> ResponseReturnValue:
    """`{"arguments": {…}}`; whether the tool is on does not matter here."""
    arguments = optional_payload(MAX_BODY, {"arguments"}).get("arguments", {})
    if not isinstance(arguments, dict):
        raise InvalidFields({"arguments": "should be an object"})
    run = try_tool(name, arguments)
    return {
        "text": run.text,
        "images": [{"media_type": one.media_type, "data": one.data} for one in run.images],
        "is_error": run.is_error,
        "seconds": round(run.seconds, 4),
        "size": run.size,
    }


def try_tool(name: str, arguments: dict[str, Any]) -> ToolRun:
    """Raises NotFound, InvalidFields."""
    toolbox = current_gateway.toolbox
    if name not in toolbox.tools():
        raise NotFound("There is no such tool.", code="tool_not_found")
    try:
        written = orjson.dumps(arguments).decode()
    except TypeError:
        raise InvalidFields({"arguments": "are nested too deeply"}) from None
    audit.note(current_gateway.engine, acting(), "tool.run", name)
    return toolbox.run(name, written)


def switch(name: str, on: bool) -> list[str]:
    """Switches one tool; gives the patterns that had to make way for the names they stood for."""
    gateway = current_gateway
    toolbox, given_way = gateway.toolbox, list[str]()
    if name not in toolbox.tools():
        raise NotFound("There is no such tool.", code="tool_not_found")

    def revised(before: Any) -> list[str]:
        enabled: list[str] = toolbox.settings.enabled if before is None else before
        if on:
            return list(dict.fromkeys([*enabled, name]))
        names: list[str] = []
        for pattern in enabled:
            if fits(pattern, name) and pattern != name:
                given_way.append(pattern)
                names += [one for one in toolbox.tools() if fits(pattern, one)]
            else:
                names.append(pattern)
        return [one for one in dict.fromkeys(names) if one != name]

    change(gateway.engine, ENABLED_TOOLS, revised, acting())
    gateway.changed()
    return given_way


# MCP servers.


@bp.get("/mcp-servers")
def list_servers() -> ResponseReturnValue:
    toolbox = current_gateway.toolbox
    toolbox.look_again()
    return {"items": [_told(server) for server in toolbox.servers], "next_cursor": None}


@bp.post("/mcp-servers")
def add_server() -> ResponseReturnValue:
    added = mcp_book().add(payload(MAX_BODY, McpServer.model_fields))
    return _told(server_named(added.name)), 201


@bp.patch("/mcp-servers/<name>")
def change_server(name: str) -> ResponseReturnValue:
    """A header whose value is null keeps the one that it has."""
    changed = mcp_book().change(name, payload(MAX_BODY, McpServer.model_fields))
    return _told(server_named(changed.name))


@bp.delete("/mcp-servers/<name>")
def remove_server(name: str) -> ResponseReturnValue:
    mcp_book().remove(name)
    return "", 204


@bp.post("/mcp-servers/<name>/check")
def check_server(name: str) -> ResponseReturnValue:
    """Asks it for its tools at once."""
    server = server_named(name)
    server.refresh()
    return _told(server)


def mcp_book() -> McpBook:
    gateway = current_gateway
    taken = [server.name for server in gateway.toolbox.configured]
    return McpBook(gateway.engine, gateway.vault, taken, gateway.changed, acting())


def server_named(name: str) -> ToolServer:
    """Raises NotFound."""
    toolbox = current_gateway.toolbox
    toolbox.look_again()
    found = next((one for one in toolbox.servers if one.name.lower() == name.lower()), None)
    if found is None:
        raise NotFound("There is no such MCP server.", code="mcp_server_not_found")
    return found


def _told(server: ToolServer) -> dict[str, Any]:
    is_configured = server in current_gateway.toolbox.configured
    return {
        "name": server.name,
        "url": server.url,
        "headers": list(server.settings.headers),
        "allowed_tools": list(server.settings.allowed_tools),
        "source": "config.yaml" if is_configured else "admin",
        "version": server.version,
        "tools": len(server.tools),
        "healthy": server.state == "connected",
        "error": server.health.error,
        "checked_at": server.health.checked_at,
    }


def _names(given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise InvalidFields({"enabled": "should be a list of names"})
    if len(given) > _MOST_NAMES:
        raise InvalidFields({"enabled": f"should have {_MOST_NAMES} names at most"})
    unknown = [name for name in given if not current_gateway.toolbox.is_known(name)]
    if unknown:
        shown = ", ".join(name[:64] for name in unknown[:10])
        raise InvalidFields({"enabled": f"there is no tool {shown}"})
    return list(dict.fromkeys(given))
