"""A real MCP server, made with the official package: `python -m tests.tools.mcp_server PORT …`.

`--json`: answers are JSON instead of events. `--sessions`: only the revisions that begin with
`initialize` are spoken, as by servers that know no others; `--sessionless`: without session ids.
"""

import base64
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel.server import Server
from starlette.types import Receive, Scope, Send

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"pixels" * 10).decode()
PAGE = 10
NUMBERS = {"a": {"type": "integer"}, "b": {"type": "integer"}}


def tool(name: str, **properties: Any) -> types.Tool:
    schema = {"type": "object", "properties": properties}
    return types.Tool(name=name, description=f"What {name} does.", input_schema=schema)


TOOLS = [
    tool("add", **NUMBERS),
    tool("slow", seconds={"type": "number"}),
    tool("fail"),
    tool("broken"),
    tool("picture"),
    tool("structure"),
    tool("big", kb={"type": "integer"}),
    tool("region", where={"type": "string", "x-mcp-header": "Region"}),
    tool(
        "twice",
        a={"type": "string", "x-mcp-header": "A"},
        b={"type": "string", "x-mcp-header": "a"},
    ),
    tool("with.dots and blanks"),
    *(tool(f"filler_{number}") for number in range(20)),
]


async def list_tools(_: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    start = int(params.cursor) if params and params.cursor else 0
    following = str(start + PAGE) if start + PAGE < len(TOOLS) else None
    return types.ListToolsResult(tools=TOOLS[start : start + PAGE], next_cursor=following)


async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    given = params.arguments or {}
    match params.name:
        case "add":
            return text(str(given["a"] + given["b"]))
        case "slow":
            print("slow begins", flush=True)
            try:
                await anyio.sleep(given["seconds"])
            except BaseException:
                print("slow is given up", flush=True)
                raise
            return text("at last")
        case "fail":
            return text("It went wrong.", is_error=True)
        case "broken":
            raise RuntimeError("a secret of the server's inside")
        case "picture":
            image = types.ImageContent(type="image", data=PNG, mime_type="image/png")
            link = types.ResourceLink(type="resource_link", name="more", uri="http://more.example/")
            return types.CallToolResult(
                content=[types.TextContent(type="text", text="Look:"), image, link]
            )
        case "structure":
            return types.CallToolResult(content=[], structured_content={"answer": 42})
        case "big":
            return text("x" * 1024 * given["kb"])
        case "region":
            return text(f"in {given['where']}")
    return text(f"{params.name} was called")


def text(words: str, is_error: bool = False) -> types.CallToolResult:
    content = types.TextContent(type="text", text=words)
    return types.CallToolResult(content=[content], is_error=is_error)


App = Callable[[Scope, Receive, Send], Awaitable[None]]


def older(app: App) -> App:
    """Refuses the revision without sessions as the package's first major did."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"mcp-protocol-version", b"2026-07-28") in scope["headers"]:
            error = {"code": -32600, "message": "Bad Request: Unsupported protocol version"}
            body = json.dumps({"jsonrpc": "2.0", "id": "server-error", "error": error}).encode()
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await app(scope, receive, send)

    return asked


def guarded(app: App) -> App:
    """Lets only those in who bring the key."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            method, key = scope["method"], dict(scope["headers"]).get(b"x-key", b"").decode()
            print(f"{method} {key}", flush=True)
            if key != "the-key":
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    return asked


def main(port: int, *options: str) -> None:
    server: Any = Server("test", on_list_tools=list_tools, on_call_tool=call_tool)
    app: Any = server.streamable_http_app(
        json_response="--json" in options, stateless_http="--sessionless" in options
    )
    wrapped = older(guarded(app)) if "--sessions" in options else guarded(app)
    uvicorn.run(wrapped, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
