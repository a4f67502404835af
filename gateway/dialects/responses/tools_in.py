"""Reads which tools a question offers, and what it says about their use."""

from typing import Any

from gateway.conversation import Tool, ToolChoice
from gateway.dialects.openai_chat.native import rest
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
from gateway.dialects.openai_chat.thoughts import objects
from gateway.dialects.responses.native import kept

_FUNCTION = ("type", "name", "description", "parameters", "strict", *CACHE_MARKS)


def read_tools(given: Any, path: str = "tools") -> list[Tool]:
    """Those of a namespace stand alone, under a name that tells where they come from.

    Tools whose loading is deferred are offered at once, so that none need be searched for.
    """
    tools: list[Tool] = []
    for at, tool in enumerate([] if given is None else an_array(given, path)):
        place = f"{path}[{at}]"
        kind = an_object(tool, place).get("type")
        if kind == "namespace":
            tools += _namespace(tool, place)
        elif kind != "tool_search":
            tools.append(_tool(tool, place))
    return tools


def read_tool_choice(choice: Any) -> ToolChoice | None:
    path = "tool_choice"
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise wrong(path, "none, auto, required, or an object that names a tool")
        return ToolChoice(choice)  # type: ignore[arg-type]
    if an_object(choice, path).get("type") == "allowed_tools":
        return _allowed(choice, path)
    return ToolChoice("named", (_name_of(choice, path),))


def flat_name(namespace: str, name: str) -> str:
    """The name under which a namespace's tool is offered to vendors that know no namespaces."""
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def namespaced(body: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The namespace and the own name of each tool that was given a flat one.

    Tools are offered by the question itself, and by items of its input.
    """
    found: dict[str, tuple[str, str]] = {}
    for offer in (body, *objects(body.get("input"))):
        for space in objects(offer.get("tools")):
            if space.get("type") == "namespace":
                for tool in objects(space.get("tools")):
                    own = (str(space.get("name")), str(tool.get("name")))
                    found[flat_name(*own)] = own
    return found


def _namespace(space: dict[str, Any], path: str) -> list[Tool]:
    name = a_name(space.get("name"), f"{path}.name")
    given = an_array(space.get("tools"), f"{path}.tools")
    tools = [
        _tool(an_object(tool, f"{path}.tools[{at}]"), f"{path}.tools[{at}]")
        for at, tool in enumerate(given)
    ]
    for tool in tools:
        tool.name = flat_name(name, tool.name)
        if tool.custom is not None:
            tool.custom["name"] = tool.name
    return tools


def _tool(tool: dict[str, Any], path: str) -> Tool:
    kind = a_name(tool.get("type"), f"{path}.type")
    if kind == "function":
        return _function(tool, path)
    if kind == "custom":
        return _custom(tool, path)
    named = tool.get("name")
    return Tool(named if isinstance(named, str) and named else kind, hosted=tool)


def _function(tool: dict[str, Any], path: str) -> Tool:
    return Tool(
        name=a_name(tool.get("name"), f"{path}.name"),
        description=text_or_none(tool.get("description"), f"{path}.description"),
        schema=object_or_none(tool.get("parameters"), f"{path}.parameters"),
        strict=flag_or_none(tool.get("strict"), f"{path}.strict"),
        cache=cache_mark(tool),
        native=kept(rest(tool, *_FUNCTION)),
    )


def _custom(tool: dict[str, Any], path: str) -> Tool:
    """Its definition in the words of chat completions, which nest the grammar."""
    name = a_name(tool.get("name"), f"{path}.name")
    about = text_or_none(tool.get("description"), f"{path}.description")
    wanted = object_or_none(tool.get("format"), f"{path}.format")
    if wanted is not None and wanted.get("type") == "grammar":
        wanted = {"type": "grammar", "grammar": rest(wanted, "type")}
    said = {"name": name, "description": about, "format": wanted}
    return Tool(name, about, custom=rest(said), cache=cache_mark(tool))


def _allowed(choice: dict[str, Any], path: str) -> ToolChoice:
    mode = choice.get("mode")
    if mode not in ("auto", "required"):
        raise wrong(f"{path}.mode", "auto or required")
    tools = an_array(choice.get("tools"), f"{path}.tools")
    if not tools:
        raise wrong(f"{path}.tools", "an array of at least one tool")
    names = [_name_of(tool, f"{path}.tools[{at}]") for at, tool in enumerate(tools)]
    return ToolChoice(mode, tuple(names))


def _name_of(reference: Any, path: str) -> str:
    """A tool that the vendor runs itself is named by its type alone."""
    kind = a_name(an_object(reference, path).get("type"), f"{path}.type")
    if kind not in ("function", "custom"):
        return kind
    name = a_name(reference.get("name"), f"{path}.name")
    namespace = text_or_none(reference.get("namespace"), f"{path}.namespace")
    return flat_name(namespace, name) if namespace else name
