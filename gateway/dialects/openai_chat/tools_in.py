"""Reads which tools a question offers, and what it says about their use."""

from typing import Any, Literal

from gateway.conversation import Tool, ToolChoice
from gateway.dialects.openai_chat.native import kept, rest
from gateway.dialects.openai_chat.parts_in import CACHE_MARKS, cache_mark
from gateway.dialects.openai_chat.shape import (
    a_name,
    an_array,
    an_object,
    flag_or_none,
    object_or_none,
    text_or_none,
    wrong,
)

# `any` is Mistral's word for `required`.
_MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",
}


def read_tools(body: dict[str, Any]) -> list[Tool]:
    """Those in `tools`, and in `functions`, their older name."""
    tools = [
        _tool(an_object(tool, f"tools[{at}]"), f"tools[{at}]")
        for at, tool in enumerate(_given(body, "tools"))
    ]
    tools += [
        _function(an_object(function, f"functions[{at}]"), f"functions[{at}]", {})
        for at, function in enumerate(_given(body, "functions"))
    ]
    return tools


def read_tool_choice(body: dict[str, Any]) -> ToolChoice | None:
    choice, path = body.get("tool_choice"), "tool_choice"
    if choice is None:
        choice, path = body.get("function_call"), "function_call"
    if choice is None:
        return None
    if isinstance(choice, str):
        return _mode(choice, path)
    kind = an_object(choice, path).get("type", "function")
    if kind == "allowed_tools":
        return _allowed(choice, path)
    if kind not in ("function", "custom"):
        raise wrong(f"{path}.type", "one of function, custom, allowed_tools")
    return ToolChoice("named", (_named(choice, kind, path),))


def _given(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    return [] if value is None else an_array(value, name)


def _tool(tool: dict[str, Any], path: str) -> Tool:
    kind = tool.get("type")
    if kind == "custom":
        custom = an_object(tool.get("custom"), f"{path}.custom")
        name = a_name(custom.get("name"), f"{path}.custom.name")
        about = text_or_none(custom.get("description"), f"{path}.custom.description")
        return Tool(name, about, custom=custom, cache=cache_mark(tool))
    if kind == "function" or (kind is None and "function" in tool):
        function = an_object(tool.get("function"), f"{path}.function")
        return _function(function, f"{path}.function", tool)
    return Tool(a_name(tool.get("name") or kind, f"{path}.type"), hosted=tool)


def _function(function: dict[str, Any], path: str, around: dict[str, Any]) -> Tool:
    return Tool(
        name=a_name(function.get("name"), f"{path}.name"),
        description=text_or_none(function.get("description"), f"{path}.description"),
        schema=object_or_none(function.get("parameters"), f"{path}.parameters"),
        strict=flag_or_none(function.get("strict"), f"{path}.strict"),
        cache=cache_mark(around) or cache_mark(function),
        native=kept(_remarks(function, around)),
    )


def _remarks(function: dict[str, Any], around: dict[str, Any]) -> dict[str, Any]:
    """What a vendor of this dialect has its clients say of a tool besides."""
    said = rest(around, "type", "function", *CACHE_MARKS)
    inner = rest(function, "name", "description", "parameters", "strict", *CACHE_MARKS)
    return {**said, "function": inner} if inner else said


def _mode(word: str, path: str) -> ToolChoice:
    if word not in _MODES:
        raise wrong(path, "none, auto, required, or an object that names a tool")
    return ToolChoice(_MODES[word])


def _allowed(choice: dict[str, Any], path: str) -> ToolChoice:
    path = f"{path}.allowed_tools"
    allowed = an_object(choice.get("allowed_tools"), path)
    mode = allowed.get("mode")
    if mode not in ("auto", "required"):
        raise wrong(f"{path}.mode", "auto or required")
    tools = an_array(allowed.get("tools"), f"{path}.tools")
    names = [_allowed_name(tool, f"{path}.tools[{at}]") for at, tool in enumerate(tools)]
    if not names:
        raise wrong(f"{path}.tools", "an array of at least one tool")
    return ToolChoice(mode, tuple(names))


def _allowed_name(tool: Any, path: str) -> str:
    kind = an_object(tool, path).get("type", "function")
    return _named(tool, kind if isinstance(kind, str) else "function", path)


def _named(holder: dict[str, Any], kind: str, path: str) -> str:
    """The name in the member called `kind`; flat forms have it beside `type`."""
    inner = holder.get(kind)
    if inner is None and holder.get("name") is not None:
        return a_name(holder["name"], f"{path}.name")
    if inner is None and "name" not in holder and kind not in ("function", "custom"):
        return a_name(kind, f"{path}.type")
    return a_name(an_object(inner, f"{path}.{kind}").get("name"), f"{path}.{kind}.name")
