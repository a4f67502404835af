"""A Chat, written as a Messages request: what is left out is named, what matters is refused."""

from typing import Any

from gateway.conversation import Chat, Format, Image, Text, Tool, Written
from gateway.dialects.anthropic.arguments import text_of
from gateway.dialects.anthropic.blocks_out import write_messages, write_text
from gateway.dialects.anthropic.facts import (
    COUNTED,
    HOSTED_TOOLS,
    SERVICE_TIERS,
    TOP_LEVEL,
    native,
)
from gateway.dialects.anthropic.families import Family, family_of
from gateway.dialects.anthropic.schema import answer_schema, is_strict, tool_schema
from gateway.dialects.anthropic.thinking_out import write_sampling, write_thinking
from gateway.dialects.hosted_tools import sayable
from gateway.errors import BadRequest

_CHOICES = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}
_HINTS = ("seed", "presence_penalty", "frequency_penalty", "top_logprobs")
# Neither hints nor meaning: how the door itself answers, or what is so anyway.
_SILENT = frozenset({"stream_options", "modalities"})
_ANY_OBJECT = "Answer with one JSON object and nothing else: no text around it, no code fence."
_FITTING = "It must fit this JSON Schema: "


def write_chat(chat: Chat, model: str, *, stream: bool) -> Written:
    """The question for `model`. Raises BadRequest for what the vendor cannot do at all."""
    try:
        return _written(chat, model, family_of(model), stream)
    except RecursionError:
        raise BadRequest("The request is nested too deep") from None


def _written(chat: Chat, model: str, family: Family, stream: bool) -> Written:
    _refuse(chat, family)
    asides = _asides(chat, family)
    written = Written({"model": model, "messages": write_messages(chat.messages, asides)})
    _write_extra(chat, written)
    _write_system(chat, family, written.body, [text for _, text in asides])
    _write_tools(chat, family, written)
    _write_format(chat.answer_format, family, written.body)
    write_thinking(chat, family, written)
    write_sampling(chat, family, written)
    _write_rest(chat, written)
    if stream:
        written.body["stream"] = True
    return written


def count_tokens_body(written: dict[str, Any]) -> dict[str, Any]:
    """What count_tokens takes of a Messages body."""
    return {name: value for name, value in written.items() if name in COUNTED}


def _refuse(chat: Chat, family: Family) -> None:
    """What would change the meaning of the answer if it were left out."""
    if chat.n is not None and chat.n > 1:
        raise _unsupported("n", "Anthropic gives one answer a request")
    if chat.logprobs:
        raise _unsupported("logprobs", "Anthropic tells no log probabilities")
    if chat.extra.get("audio") or _wants_more(chat.extra.get("modalities")):
        raise _unsupported("modalities", "Anthropic's models answer in text alone")
    for at, tool in enumerate(chat.tools):
        if tool.custom is not None:
            raise _unsupported(f"tools[{at}]", "Anthropic's models call functions alone")
    forced = chat.tool_choice is not None and chat.tool_choice.mode in ("required", "named")
    if forced and chat.tools and not family.forced_tools:
        raise _unsupported("tool_choice", "This model cannot be made to call a tool")


def _wants_more(modalities: Any) -> bool:
    return isinstance(modalities, list) and any(kind != "text" for kind in modalities)


def _unsupported(name: str, why: str) -> BadRequest:
    return BadRequest(f"{why} (`{name}`)", param=name, code="unsupported_parameter")


def _write_extra(chat: Chat, written: Written) -> None:
    for name, value in chat.extra.items():
        if value is None or name in _SILENT:
            continue
        if name == "output_config" and isinstance(value, dict):
            written.body[name] = dict(value)
        elif name == "service_tier" and isinstance(value, str) and value in SERVICE_TIERS:
            written.body[name] = SERVICE_TIERS[value]
        elif name == "safety_identifier" and isinstance(value, str) and chat.user is None:
            written.body["metadata"] = {"user_id": value}
        elif name in TOP_LEVEL and (name != "thinking" or isinstance(value, dict)):
            written.body[name] = value
        else:
            written.dropped.append(name)


def _asides(chat: Chat, family: Family) -> list[tuple[int, Text]]:
    """What the system said in mid-conversation, for models that take it there."""
    if not family.asides:
        return []
    placed = [(native(text.native), text) for text in chat.system if text.text.strip()]
    return [
        (own["before"], text) for own, text in placed if isinstance(own, dict) and "before" in own
    ]


def _write_system(chat: Chat, family: Family, body: dict[str, Any], elsewhere: list[Text]) -> None:
    texts = [
        text
        for text in chat.system
        if text.text.strip() and not any(text is other for other in elsewhere)
    ]
    instruction = _instruction(chat.answer_format, family)
    if instruction:
        texts.append(Text(instruction))
    blocks = [write_text(text) for text in texts]
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        body["system"] = blocks[0]["text"]
    elif blocks:
        body["system"] = blocks


def _instruction(asked: Format | None, family: Family) -> str | None:
    """Words for a format that cannot be enforced."""
    if asked is None or _is_enforced(asked, family):
        return None
    if not asked.schema:
        return _ANY_OBJECT
    return f"{_ANY_OBJECT} {_FITTING}{text_of(asked.schema)}"


def _is_enforced(asked: Format, family: Family) -> bool:
    return asked.kind == "json_schema" and bool(asked.schema) and family.formats


def _write_tools(chat: Chat, family: Family, written: Written) -> None:
    allowed = _allowed(chat)
    known, left_out = sayable(chat, _is_own, "Anthropic")
    written.dropped += left_out
    tools = []
    for at, tool in enumerate(chat.tools):
        if any(tool is one for one in known) and (allowed is None or tool.name in allowed):
            tools.append(tool.hosted or _tool(tool, f"tools[{at}]", family, written))
    if tools:
        written.body["tools"] = tools
        choice = _tool_choice(chat)
        if choice:
            written.body["tool_choice"] = choice


def _allowed(chat: Chat) -> tuple[str, ...] | None:
    choice = chat.tool_choice
    return choice.names if choice and choice.names and choice.mode != "named" else None


def _is_own(hosted: dict[str, Any]) -> bool:
    kind = hosted.get("type")
    return isinstance(kind, str) and kind.startswith(HOSTED_TOOLS)


def _tool(tool: Tool, path: str, family: Family, written: Written) -> dict[str, Any]:
    made: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        made["description"] = tool.description
    made["input_schema"] = tool_schema(tool.schema)
    if tool.strict and family.formats and is_strict(made["input_schema"]):
        made["strict"] = True
    elif tool.strict:
        written.dropped.append(f"{path}.strict")
    if tool.cache is not None:
        made["cache_control"] = tool.cache
    own = native(tool.native)
    return {**own, **made} if isinstance(own, dict) else made


def _tool_choice(chat: Chat) -> dict[str, Any] | None:
    choice = chat.tool_choice
    if choice is None and chat.parallel_tool_calls is not False:
        return None
    made: dict[str, Any] = {"type": _CHOICES[choice.mode] if choice else "auto"}
    if choice and choice.mode == "named":
        made["name"] = choice.names[0]
    if chat.parallel_tool_calls is False and made["type"] != "none":
        made["disable_parallel_tool_use"] = True
    return made


def _write_format(asked: Format | None, family: Family, body: dict[str, Any]) -> None:
    if asked is None or not _is_enforced(asked, family):
        return
    made = {"type": "json_schema", "schema": answer_schema(asked.schema)}
    body.setdefault("output_config", {})["format"] = made


def _write_rest(chat: Chat, written: Written) -> None:
    # Stop sequences of white space alone are refused.
    stop = [sequence for sequence in chat.stop if sequence.strip()]
    if stop:
        written.body["stop_sequences"] = stop
    if len(stop) < len(chat.stop):
        written.dropped.append("stop")
    if chat.user is not None:
        written.body["metadata"] = {"user_id": chat.user}
    written.dropped += [name for name in _HINTS if getattr(chat, name) is not None]
    if any(message.name for message in chat.messages):
        written.dropped.append("name")
    parts = [part for message in chat.messages for part in message.parts]
    if any(isinstance(part, Image) and part.detail not in (None, "auto") for part in parts):
        written.dropped.append("detail")
