"""Reads calls of tools, and what the tools gave.

Tools of OpenAI's that the client runs (a shell, patches) have items of their own; other vendors
know them as calls of a tool that is named so.
"""

from typing import Any

import orjson

from gateway.conversation import Document, Image, Text, ToolCall, ToolResult
from gateway.dialects.openai_chat.shape import a_name, a_text, text_or_none, wrong
from gateway.dialects.responses.native import kept
from gateway.dialects.responses.parts_in import RESULT_KINDS, read_content, read_image
from gateway.dialects.responses.tools_in import flat_name

# Where such an item says what is to be done.
_ACTIONS = {
    "apply_patch_call": "operation",
    "computer_call": "action",
    "local_shell_call": "action",
    "shell_call": "action",
    "tool_search_call": "arguments",
}
_RESULTS = {
    "apply_patch_call_output": ("status", "output"),
    "computer_call_output": ("output",),
    "local_shell_call_output": ("output",),
    "shell_call_output": ("output",),
    "tool_search_output": ("tools",),
}
CALLS = ("function_call", "custom_tool_call", *_ACTIONS)
OUTPUTS = ("function_call_output", "custom_tool_call_output", *_RESULTS)


def read_call(item: dict[str, Any], path: str, offered: set[str]) -> ToolCall:
    """`offered`: the names of the tools, which tell whether a call's namespace is part of its."""
    kind = item["type"]
    if kind in _ACTIONS:
        return _action(item, path)
    custom = kind == "custom_tool_call"
    name = a_name(item.get("name"), f"{path}.name")
    namespace = text_or_none(item.get("namespace"), f"{path}.namespace")
    if namespace and flat_name(namespace, name) in offered:
        name = flat_name(namespace, name)
    if custom:
        arguments = a_text(item.get("input"), f"{path}.input")
    else:
        arguments = _arguments(item.get("arguments"), f"{path}.arguments")
    return ToolCall(a_name(item.get("call_id"), f"{path}.call_id"), name, arguments, custom)


def read_output(item: dict[str, Any], path: str) -> tuple[ToolResult, str]:
    """The result, and the path of the id of its call."""
    member = "id" if item.get("call_id") is None and item["type"] in _RESULTS else "call_id"
    place = f"{path}.{member}"
    result = ToolResult(a_name(item.get(member), place))
    if item["type"] in _RESULTS:
        result.parts = _given(item, path)
        result.native = kept({"item": item})
    else:
        parts = read_content(item.get("output"), f"{path}.output", RESULT_KINDS)
        result.parts = [part for part in parts if isinstance(part, Text | Image | Document)]
    return result, place


def _arguments(given: Any, path: str) -> str:
    text = a_text(given, path)
    if not text.strip():
        return ""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        raise wrong(path, "JSON text") from None
    return text


def _action(item: dict[str, Any], path: str) -> ToolCall:
    kind: str = item["type"]
    member = "call_id" if item.get("call_id") is not None else "id"
    call_id = a_name(item.get(member), f"{path}.{member}")
    arguments = _json(item.get(_ACTIONS[kind]), f"{path}.{_ACTIONS[kind]}")
    name = kind.removesuffix("_call")
    return ToolCall(call_id, name, arguments, native=kept({"item": item}))


def _given(item: dict[str, Any], path: str) -> list[Text | Image | Document]:
    members = [item[name] for name in _RESULTS[item["type"]] if item.get(name) is not None]
    parts: list[Text | Image | Document] = []
    for given in members:
        if isinstance(given, dict) and given.get("image_url") is not None:
            parts.append(read_image(given["image_url"], f"{path}.output.image_url"))
        else:
            parts.append(Text(given if isinstance(given, str) else _json(given, path)))
    return parts


def _json(value: Any, path: str) -> str:
    try:
        return orjson.dumps({} if value is None else value).decode()
    except orjson.JSONEncodeError:
        raise wrong(path, "nested less deep") from None
