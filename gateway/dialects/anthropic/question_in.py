"""A Messages request, read into a Chat; what is wrong in it is named by its path."""

from typing import Any, Literal

from gateway.conversation import Chat, Format, Message, Reasoning, Role, Text, Tool, ToolChoice
from gateway.dialects.anthropic import checks
from gateway.dialects.anthropic.blocks_in import (
    Calls,
    leftover,
    own_block,
    read_message,
    read_text,
)
from gateway.dialects.anthropic.facts import EFFORTS, NAME

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant"}
_CHOICES: dict[str, Literal["auto", "required", "none", "named"]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
    "tool": "named",
}
_BUDGETS = {"adaptive": -1, "disabled": 0}
_THINKING_MEMBERS = {"type", "budget_tokens", "display"}
_SHOWN = {"summarized": True, "omitted": False}
# These have a word in Chat, or are no part of the question.
_READ = frozenset(
    {
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)


def read_chat(body: dict[str, Any]) -> Chat:
    """The question in a body. Raises BadRequest that names the first thing wrong."""
    checks.optional(body, "model", checks.text)
    checks.optional(body, "stream", checks.flag)
    chat = Chat(
        messages=[],
        system=_system(body.get("system"), "system"),
        tools=_tools(body),
        max_tokens=checks.optional(body, "max_tokens", checks.count),
        temperature=checks.optional(body, "temperature", checks.number),
        top_p=checks.optional(body, "top_p", checks.number),
        top_k=checks.optional(body, "top_k", checks.count),
        stop=checks.optional(body, "stop_sequences", checks.texts) or [],
        extra={name: value for name, value in body.items() if name not in _READ},
    )
    _read_messages(body, chat)
    _read_tool_choice(body, chat)
    _read_output_config(body, chat)
    _read_thinking(body, chat)
    metadata = checks.optional(body, "metadata", checks.members) or {}
    chat.user = checks.optional(metadata, "user_id", checks.text, "metadata.")
    return chat


def _system(content: Any, path: str) -> list[Text]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise checks.wrong(path, "a string or an array of text blocks")
    return [_system_text(block, f"{path}[{at}]") for at, block in enumerate(content)]


def _system_text(block: Any, path: str) -> Text:
    checks.word(checks.members(block, path).get("type"), f"{path}.type", ("text",))
    return read_text(block, path)


def _tools(body: dict[str, Any]) -> list[Tool]:
    tools = checks.optional(body, "tools", checks.items) or []
    return [_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]


def _tool(tool: Any, path: str) -> Tool:
    kind = checks.optional(checks.members(tool, path), "type", checks.text, f"{path}.")
    if kind not in (None, "custom"):
        return Tool(checks.optional(tool, "name", checks.text, f"{path}.") or kind, hosted=tool)
    return Tool(
        checks.name(tool.get("name"), f"{path}.name"),
        description=checks.optional(tool, "description", checks.text, f"{path}."),
        schema=checks.members(tool.get("input_schema"), f"{path}.input_schema"),
        strict=checks.optional(tool, "strict", checks.flag, f"{path}."),
        cache=checks.optional(tool, "cache_control", checks.members, f"{path}."),
        native=leftover(tool, *_TOOL_MEMBERS),
    )


_TOOL_MEMBERS = ("type", "name", "description", "input_schema", "strict", "cache_control")


def _read_messages(body: dict[str, Any], chat: Chat) -> None:
    messages = body.get("messages")
    if messages is None:
        raise checks.missing("messages")
    if not checks.items(messages, "messages"):
        raise checks.wrong("messages", "an array of at least one message")
    calls: Calls = {}
    for at, message in enumerate(messages):
        path = f"messages[{at}]"
        role = checks.word(
            checks.members(message, path).get("role"), f"{path}.role", ("system", *_ROLES)
        )
        content = message.get("content")
        if role in _ROLES:
            chat.messages.append(read_message(_ROLES[role], content, f"{path}.content", calls))
        else:
            _read_system_message(content, f"{path}.content", chat)


def _read_system_message(content: Any, path: str, chat: Chat) -> None:
    """What is said to the model in mid-conversation joins what it is told before.

    Few other dialects know such messages, and not all models: the place is noted for those that
    do. Blocks that are no text (tools that come or go) are a message of their own.
    """
    blocks = content if isinstance(content, list) else []
    own = [block for block in blocks if isinstance(block, dict) and block.get("type") != "text"]
    for text in _system([block for block in blocks if block not in own] if own else content, path):
        text.native = {NAME: {"before": len(chat.messages)}}
        chat.system.append(text)
    if own:
        chat.messages.append(Message("user", [own_block(block) for block in own]))


def _read_tool_choice(body: dict[str, Any], chat: Chat) -> None:
    choice = checks.optional(body, "tool_choice", checks.members)
    if choice is None:
        return
    mode = checks.word(choice.get("type"), "tool_choice.type", tuple(_CHOICES))
    if mode == "tool":
        name = checks.name(choice.get("name"), "tool_choice.name")
        chat.tool_choice = ToolChoice("named", (name,))
    else:
        chat.tool_choice = ToolChoice(_CHOICES[mode])
    single = checks.optional(choice, "disable_parallel_tool_use", checks.flag, "tool_choice.")
    chat.parallel_tool_calls = None if single is None else not single


def _read_output_config(body: dict[str, Any], chat: Chat) -> None:
    config = checks.optional(body, "output_config", checks.members) or {}
    effort = checks.optional(config, "effort", checks.text, "output_config.")
    if effort is not None:
        word = checks.word(effort, "output_config.effort", tuple(EFFORTS))
        chat.reasoning = Reasoning(effort=EFFORTS[word])
    asked = checks.optional(config, "format", checks.members, "output_config.")
    if asked is not None:
        checks.word(asked.get("type"), "output_config.format.type", ("json_schema",))
        schema = checks.members(asked.get("schema"), "output_config.format.schema")
        chat.answer_format = Format("json_schema", schema, name="output")
    own = {name: config[name] for name in config if name not in ("effort", "format")}
    if own:
        chat.extra["output_config"] = own


def _read_thinking(body: dict[str, Any], chat: Chat) -> None:
    """`enabled` is a budget, `adaptive` the model's own; all else goes back as it came."""
    thinking = checks.optional(body, "thinking", checks.members)
    if thinking is None:
        if chat.reasoning is not None:  # effort without a word on thinking
            chat.reasoning.native = {NAME: {"thinking": None}}
        return
    reasoning = chat.reasoning = chat.reasoning or Reasoning()
    kind = checks.text(thinking.get("type"), "thinking.type")
    if kind == "enabled":
        path = "thinking.budget_tokens"
        reasoning.budget = checks.count(thinking.get("budget_tokens"), path)
    else:
        reasoning.budget = _BUDGETS.get(kind)
    display = checks.optional(thinking, "display", checks.text, "thinking.")
    reasoning.show = _SHOWN.get(display or "")
    if reasoning.budget is None or thinking.keys() - _THINKING_MEMBERS:
        reasoning.native = {NAME: {"thinking": thinking}}
