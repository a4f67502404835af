"""Writes a question for a vendor of this dialect."""

import re
from dataclasses import replace
from typing import Any

from gateway.conversation import Chat, Format, Reasoning, Text, Written
from gateway.dialects.effort import AS_THE_MODEL_LIKES, effort_of_budget
from gateway.dialects.hosted_tools import sayable
from gateway.dialects.openai_chat.accepts import OPENAI, Accepts
from gateway.dialects.openai_chat.messages_out import write_messages
from gateway.dialects.openai_chat.native import own
from gateway.dialects.openai_chat.request_in import SAME
from gateway.dialects.openai_chat.shape import unsupported
from gateway.dialects.openai_chat.tools_out import (
    is_known,
    offered,
    write_tool,
    write_tool_choice,
)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What other dialects' questions hold at their top: an OpenAI-like vendor knows none of it.
FOREIGN = frozenset(
    {
        # Anthropic Messages
        *("betas", "billing_policy", "cache_control", "compaction", "container"),
        *("context_management", "diagnostics", "fallback_credit_token", "fallbacks"),
        *("inference_geo", "mcp_servers", "output_config", "speed", "stop_sequences", "system"),
        *("thread", "user_profile_id", "workspace_id"),
        # Gemini
        *("contents", "labels"),
        # OpenAI Responses
        *("access_programs", "background", "background_options", "conversation", "image"),
        *("include", "input", "instructions", "max_output_tokens", "max_tool_calls"),
        *("previous_response_id", "prompt", "text", "truncation"),
    }
)
# Anthropic's and Gemini's words for the usual service.
_SERVICE_TIERS = {"standard": "default", "standard_only": "default"}
_FORMAT_NAME = "output"
_OBJECT = {"type": "json_object"}
IN_JSON = "Answer with a JSON object."


def write_chat(chat: Chat, model: str, *, stream: bool, accepts: Accepts = OPENAI) -> Written:
    """Raises BadRequest for what cannot be said and would change the meaning."""
    if _wants_object(chat) and not _names_json(chat):
        chat = replace(chat, system=[*chat.system, Text(IN_JSON)])
    tools, left_out = sayable(chat, is_known, "A chat completion")
    body: dict[str, Any] = {"model": model, "messages": write_messages(chat, accepts)}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    _write_tools(body, chat, tools, accepts)
    _write_settings(body, chat, accepts)
    return Written(body, left_out + _hints(chat, accepts) + _write_rest(body, chat, accepts))


def _write_tools(body: dict[str, Any], chat: Chat, tools: list[Any], accepts: Accepts) -> None:
    """Without tools a vendor refuses to hear how they are to be used."""
    choice = chat.tool_choice
    if choice is not None and (tools or choice.mode in ("required", "named")):
        body["tool_choice"] = write_tool_choice(choice, tools, accepts)
    if tools:
        body["tools"] = [write_tool(tool, accepts) for tool in offered(tools, choice, accepts)]


def _write_settings(body: dict[str, Any], chat: Chat, accepts: Accepts) -> None:
    settings = {name: getattr(chat, name) for name in SAME}
    settings |= {
        accepts.cap_field: chat.max_tokens,
        "stop": chat.stop or None,
        "top_k": chat.top_k if accepts.top_k else None,
        "response_format": chat.answer_format and _format(chat.answer_format),
    }
    if "tools" not in body or not accepts.one_call:
        del settings["parallel_tool_calls"]
    body |= {name: value for name, value in settings.items() if value is not None}
    if chat.reasoning is not None:
        body |= _reasoning(chat.reasoning)


def _format(wanted: Format) -> dict[str, Any]:
    if wanted.kind == "json_object" or wanted.schema is None:
        return dict(_OBJECT)
    members = {
        "name": wanted.name or _FORMAT_NAME,
        "description": wanted.description,
        "schema": wanted.schema,
        "strict": wanted.strict,
    }
    said = {name: value for name, value in members.items() if value is not None}
    return {"type": "json_schema", "json_schema": said}


def _wants_object(chat: Chat) -> bool:
    return chat.answer_format is not None and _format(chat.answer_format) == _OBJECT


def _names_json(chat: Chat) -> bool:
    """Vendors refuse to be held to JSON where no message speaks of it."""
    parts = [part for message in chat.messages for part in message.parts]
    texts = [part.text for part in (*chat.system, *parts) if isinstance(part, Text)]
    return any("json" in text.lower() for text in texts)


def _reasoning(wanted: Reasoning) -> dict[str, Any]:
    """As a client of this dialect said it; else by the word for its effort or its budget."""
    if said := own(wanted.native):
        return dict(said)
    if wanted.effort is not None:
        return {"reasoning_effort": wanted.effort}
    if wanted.budget is None or wanted.budget == AS_THE_MODEL_LIKES:
        return {}
    return {"reasoning_effort": effort_of_budget(wanted.budget)}


def _hints(chat: Chat, accepts: Accepts) -> list[str]:
    """The hints for which this vendor has no word."""
    dropped = []
    if chat.top_k is not None and not accepts.top_k:
        dropped.append("top_k")
    if accepts.cache_marks is None and _is_marked(chat):
        dropped.append("cache_control")
    if not accepts.names and any(message.name for message in chat.messages):
        dropped.append("messages[].name")
    return dropped


def _is_marked(chat: Chat) -> bool:
    if any(text.cache for text in chat.system) or any(tool.cache for tool in chat.tools):
        return True
    parts = [part for message in chat.messages for part in message.parts]
    inner = [part for result in parts for part in getattr(result, "parts", ())]
    return any(getattr(part, "cache", None) for part in parts + inner)


def _write_rest(body: dict[str, Any], chat: Chat, accepts: Accepts) -> list[str]:
    """What the door could not read, if a vendor of this dialect may; names what is left out."""
    dropped = []
    for name, value in chat.extra.items():
        if name == "modalities" and _is_text_alone(value):
            continue
        marks = name == accepts.cache_marks
        if name in body or (not marks and (name in FOREIGN or not _NAME.fullmatch(name))):
            dropped.append(name)
        elif name == "service_tier" and isinstance(value, str):
            body[name] = _SERVICE_TIERS.get(value, value)
        else:
            body[name] = value
    return dropped


def _is_text_alone(modalities: Any) -> bool:
    """What every vendor does unasked; a few do not know the word. Raises BadRequest for more."""
    if modalities != ["text"]:
        raise unsupported("modalities", "Here only text can be asked for as an answer")
    return True
