"""Writes which tools a question offers, and what it says about their use."""

import re
from typing import Any

from gateway.conversation import Tool, ToolChoice
from gateway.dialects.openai_chat.accepts import Accepts
from gateway.dialects.openai_chat.native import own
from gateway.dialects.openai_chat.parts_out import mark
from gateway.dialects.openai_chat.shape import unsupported

# Tools that another vendor runs itself: Anthropic's end in a date; the rest are OpenAI's for its
# Responses. Whoever speaks chat completions cannot run them.
_DATED = re.compile(r"_\d{8}$|_\d{4}_\d\d_\d\d$")
_OF_RESPONSES = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "programmatic_tool_calling",
        "shell",
        "tool_search",
        "web_search",
        "web_search_preview",
    }
)


def is_known(hosted: dict[str, Any]) -> bool:
    """One that holds an object under its own type (Z.ai's `web_search`) is worded for chats."""
    kind = hosted.get("type")
    if not isinstance(kind, str):
        return False
    return isinstance(hosted.get(kind), dict) or not (kind in _OF_RESPONSES or _DATED.search(kind))


def write_tool(tool: Tool, accepts: Accepts) -> dict[str, Any]:
    if tool.hosted is not None:
        return tool.hosted
    if tool.custom is not None:
        written: dict[str, Any] = {"type": "custom", "custom": _custom(tool.custom)}
    else:
        said = own(tool.native)
        inner = said.get("function") or {}
        written = {**said, "type": "function", "function": {**inner, **_function(tool)}}
    mark(written, tool.cache, accepts)
    return written


def offered(tools: list[Tool], choice: ToolChoice | None, accepts: Accepts) -> list[Tool]:
    """All, or only those allowed, where the choice itself cannot say it."""
    if choice is None or not choice.names or choice.mode == "named" or accepts.allowed_tools:
        return tools
    return [tool for tool in tools if tool.name in choice.names]


def write_tool_choice(choice: ToolChoice, tools: list[Tool], accepts: Accepts) -> Any:
    """Raises BadRequest if a tool is to be called that is not offered."""
    named = [tool for tool in tools if tool.name in choice.names]
    if (choice.names and not named) or (choice.mode in ("required", "named") and not tools):
        raise unsupported("tool_choice", "`tool_choice` asks for a tool that cannot be offered")
    if choice.mode == "named":
        return _reference(named[0])
    if not choice.names or not accepts.allowed_tools:
        return choice.mode
    allowed = {"mode": choice.mode, "tools": [_reference(tool) for tool in named]}
    return {"type": "allowed_tools", "allowed_tools": allowed}


def _function(tool: Tool) -> dict[str, Any]:
    members = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
        "strict": tool.strict,
    }
    return {name: value for name, value in members.items() if value is not None}


def _custom(definition: dict[str, Any]) -> dict[str, Any]:
    """In Responses it is flat, its type beside its name, and the grammar likewise."""
    said = {name: value for name, value in definition.items() if name != "type"}
    wanted = said.get("format")
    if isinstance(wanted, dict) and wanted.get("type") == "grammar" and "grammar" not in wanted:
        grammar = {name: value for name, value in wanted.items() if name != "type"}
        said["format"] = {"type": "grammar", "grammar": grammar}
    return said


def _reference(tool: Tool) -> dict[str, Any]:
    if tool.hosted is not None:
        return {"type": tool.hosted["type"]}
    kind = "function" if tool.custom is None else "custom"
    return {"type": kind, kind: {"name": tool.name}}
