"""The pages of tools: which there are and are on, one to be tried, and the MCP servers."""

from typing import Any

import orjson
from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import check_write
from gateway.blueprints.admin.mcp_form import McpForm
from gateway.blueprints.admin.parts import part
from gateway.blueprints.admin.tool_facts import ToolLine, tool_groups, tool_lines
from gateway.blueprints.admin.tool_form import ToolForm
from gateway.blueprints.admin.tools_api import (
    MAX_BODY,
    mcp_book,
    server_named,
    switch,
    try_tool,
)
from gateway.config import McpServer
from gateway.context import current_gateway
from gateway.errors import InvalidFields, NotFound
from gateway.store.mcp_servers import added_names
from gateway.tools.result import ToolRun

bp = Blueprint("tools", __name__, url_prefix="/tools")


@bp.before_request
def allow_long_texts() -> None:
    request.max_content_length = request.max_form_memory_size = MAX_BODY


@bp.get("")
def show() -> ResponseReturnValue:
    current_gateway.toolbox.look_again()
    return render_template("admin/tools.html", parts=now(writes=g.admin.may_change))


@bp.get("/parts")
def show_parts() -> ResponseReturnValue:
    return now(writes=g.admin.may_change)


@bp.post("/switch")
def switch_one() -> ResponseReturnValue:
    on, off = request.form.get("on"), request.form.get("off")
    name = on or off or ""
    given_way = switch(name, on=bool(on))
    flash(f"{name} is {'on' if on else 'off'}.")
    for pattern in given_way:
        flash(f"{pattern} stood for several tools: the others are on by their own names now.")
    back = request.form.get("back")
    return redirect(url_for(".show_tool", name=name) if back == "tool" else url_for(".show"))


@bp.get("/tool/<name>")
def show_tool(name: str) -> ResponseReturnValue:
    line = _line(name)
    return _tool_page(line, _form(line, request.args.get("as") == "json"))


@bp.post("/tool/<name>")
def run_tool(name: str) -> ResponseReturnValue:
    line = _line(name)
    form = _form(line, request.form.get("as") == "json")
    arguments = form.read(request.form)
    if form.problems:
        return _tool_page(line, form), 422
    return _tool_page(line, form, try_tool(name, arguments))


@bp.get("/servers/new")
def new_server() -> ResponseReturnValue:
    check_write(g.admin)
    return _server_page(McpForm.of(None))


@bp.post("/servers/new")
def add_server() -> ResponseReturnValue:
    form = McpForm.sent(request.form, None, current_gateway.vault)
    try:
        form.check()
        server = mcp_book().add(form.values)
    except InvalidFields as error:
        form.problems = error.fields
        return _server_page(form), error.status
    flash(f"The MCP server {server.name} is added. It is asked for its tools now.")
    return redirect(url_for(".show", _anchor="servers"))


@bp.get("/servers/<name>")
def edit_server(name: str) -> ResponseReturnValue:
    check_write(g.admin)
    server = mcp_book().get(name)
    return _server_page(McpForm.of(server), server)


@bp.post("/servers/<name>")
def change_server(name: str) -> ResponseReturnValue:
    book = mcp_book()
    before = book.get(name)
    form = McpForm.sent(request.form, before, current_gateway.vault)
    try:
        form.check()
        server = book.change(name, form.values)
    except InvalidFields as error:
        form.problems = error.fields
        return _server_page(form, before), error.status
    flash(f"The MCP server {server.name} is changed. It is asked for its tools now.")
    return redirect(url_for(".show", _anchor="servers"))


@bp.post("/servers/<name>/remove")
def remove_server(name: str) -> ResponseReturnValue:
    mcp_book().remove(name)
    flash(f"The MCP server {name} is removed, and its tools with it.")
    return redirect(url_for(".show", _anchor="servers"))


@bp.post("/servers/check")
def check_server() -> ResponseReturnValue:
    server = server_named(request.form.get("name", ""))
    server.refresh()
    if server.health.error:
        flash(f"{server.name} was asked, and failed: {server.health.error}", "bad")
    else:
        flash(f"{server.name} answers, and offers {len(server.tools):,} tools.")
    return redirect(url_for(".show", _anchor="servers"))


def now(*, writes: bool) -> dict[str, Any]:
    """The part that changes. `writes`: whether who looks may switch."""
    groups = tool_groups(current_gateway)
    toolbox = current_gateway.toolbox
    known = {server.name.lower() for server in toolbox.servers}
    names = added_names(current_gateway.engine)
    unreadable = [name for name in names if name.lower() not in known]
    return {
        "tools": part(
            "admin/_tools.html",
            groups=groups,
            configured=toolbox.configured,
            unreadable=unreadable,
            writes=writes,
        )
    }


def _line(name: str) -> ToolLine:
    current_gateway.toolbox.look_again()
    found = next((one for one in tool_lines(current_gateway) if one.name == name), None)
    if found is None:
        raise NotFound("There is no such tool: it may be one of a server that is away.")
    return found


def _form(line: ToolLine, as_json: bool) -> ToolForm:
    return ToolForm.of(line.tool.definition.schema or {}, as_json)


def _tool_page(line: ToolLine, form: ToolForm, run: ToolRun | None = None) -> str:
    schema = line.tool.definition.schema or {}
    return render_template(
        "admin/tool.html",
        line=line,
        form=form,
        run=run,
        schema=orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode(),
        seconds=current_gateway.toolbox.settings.timeout,
    )


def _server_page(form: McpForm, server: McpServer | None = None) -> str:
    return render_template("admin/mcp_server.html", form=form, server=server)
