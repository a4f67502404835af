"""Tools in the admin API: which there are, which are on, how MCP servers do, and to try one."""

from typing import Any

import orjson
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.context import current_gateway
from gateway.errors import BadRequest, NotFound
from gateway.store import audit
from gateway.store.client_fields import InvalidFields
from gateway.store.settings import ENABLED_TOOLS, store
from gateway.tools.toolbox import fits

MAX_BODY = 1_000_000
_MOST_NAMES = 1000

bp = Blueprint("tools", __name__, url_prefix="/tools")


@bp.get("")
def list_tools() -> ResponseReturnValue:
    toolbox = current_gateway.toolbox
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
        "mcp_servers": [
            {
                "name": server.name,
                "url": server.url,
                "version": server.version,
                "tools": len(server.tools),
                "healthy": server.health.checked_at is not None and server.health.error is None,
                "error": server.health.error,
                "checked_at": server.health.checked_at,
            }
            for server in toolbox.servers
        ],
        "modules": [
            {"path": one.path, "tools": [tool.name for tool in one.tools], "error": one.error}
            for one in toolbox.modules
        ],
    }


@bp.put("")
def enable_tools() -> ResponseReturnValue:
    """`{"enabled": [names]}`: these are on, all others off."""
    payload = _payload({"enabled"})
    gateway = current_gateway
    store(gateway.engine, ENABLED_TOOLS, _names(payload.get("enabled")), acting())
    gateway.changed()
    return list_tools()


@bp.post("/<name>/run")
def run_tool(name: str) -> ResponseReturnValue:
    """`{"arguments": {…}}`; whether the tool is on does not matter here."""
    payload = _payload({"arguments"}) if request.content_length else {}
    arguments = payload.get("arguments", {})
    if not isinstance(arguments, dict):
        raise InvalidFields({"arguments": "should be an object"})
    toolbox = current_gateway.toolbox
    if name not in toolbox.tools():
        raise NotFound("There is no such tool.", code="tool_not_found")
    audit.note(current_gateway.engine, acting(), "tool.run", name)
    run = toolbox.run(name, orjson.dumps(arguments).decode())
    return {
        "text": run.text,
        "images": [{"media_type": one.media_type, "data": one.data} for one in run.images],
        "is_error": run.is_error,
        "seconds": round(run.seconds, 4),
        "size": run.size,
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


def _payload(fields: set[str]) -> dict[str, Any]:
    request.max_content_length = MAX_BODY
    try:
        payload = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.", code="invalid_json") from None
    if not isinstance(payload, dict):
        raise BadRequest("The body should be a JSON object.", code="invalid_json")
    if unknown := sorted(payload.keys() - fields):
        raise InvalidFields(dict.fromkeys(unknown, "is not a field here"))
    return payload
