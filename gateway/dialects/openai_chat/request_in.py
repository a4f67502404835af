"""Reads a question: OpenAI's chat completions, with the hints that its kin have added."""

from typing import Any

from gateway.conversation import Chat, Format, Reasoning
from gateway.dialects.effort import AS_THE_MODEL_LIKES, BUDGETS
from gateway.dialects.openai import FIELDS
from gateway.dialects.openai_chat.messages_in import read_messages
from gateway.dialects.openai_chat.shape import (
    a_text,
    an_object,
    flag_or_none,
    object_or_none,
    text_or_none,
    wrong,
)
from gateway.dialects.openai_chat.tools_in import read_tool_choice, read_tools

DIALECT = "openai_chat"
# Members of Chat that have the same name and meaning here.
SAME = (
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "user",
)
# OpenAI's own word for how much to think; OpenRouter's; DeepSeek's, Z.ai's and Anthropic's; Qwen's.
REASONING = ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget")
_FORMATS = ("text", "json_object", "json_schema")
_READ = {
    *SAME,
    *REASONING,
    *("model", "messages", "stream", "stream_options"),
    *("tools", "functions", "tool_choice", "function_call"),
    *("max_tokens", "max_completion_tokens", "stop", "top_k"),
}


def read_chat(body: dict[str, Any]) -> Chat:
    """The question in a body. Raises BadRequest that names the path of what is wrong."""
    _check(body)
    transcript = read_messages(body.get("messages"))
    answer_format, understood = _format(body.get("response_format"))
    chat = Chat(
        messages=transcript.messages,
        system=transcript.system,
        tools=read_tools(body),
        tool_choice=read_tool_choice(body),
        answer_format=answer_format,
        reasoning=_reasoning(body),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        top_k=_whole(body, "top_k"),
        stop=_stop(body.get("stop")),
        extra=_rest(body, understood),
    )
    for name in SAME:
        setattr(chat, name, body.get(name))
    return chat


def _check(body: dict[str, Any]) -> None:
    an_object(body, "body")
    for name, (fits, wanted) in FIELDS.items():
        value = body.get(name)
        if value is not None and not fits(value):
            raise wrong(name, wanted)


def _stop(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _format(given: dict[str, Any] | None) -> tuple[Format | None, bool]:
    """The format, and whether that was all; a vendor's own kind stays as it came."""
    if given is None:
        return None, True
    kind = a_text(given.get("type"), "response_format.type")
    if kind not in _FORMATS:
        return None, False
    if kind == "text":
        return None, True
    if kind == "json_object":
        return Format("json_object"), True
    path = "response_format.json_schema"
    said = an_object(given.get("json_schema"), path)
    wanted = Format(
        "json_schema",
        schema=object_or_none(said.get("schema"), f"{path}.schema"),
        name=text_or_none(said.get("name"), f"{path}.name"),
        strict=flag_or_none(said.get("strict"), f"{path}.strict"),
        description=text_or_none(said.get("description"), f"{path}.description"),
    )
    return wanted, True


def _reasoning(body: dict[str, Any]) -> Reasoning | None:
    """Whichever of the hints is given; all of them stay as they came for vendors of this kin."""
    text_or_none(body.get("reasoning_effort"), "reasoning_effort")
    said = {name: body[name] for name in REASONING if body.get(name) is not None}
    if not said:
        return None
    found = Reasoning(native={DIALECT: said})
    _hear_thinking(found, said.get("thinking"))
    _hear_switch(found, said.get("enable_thinking"), said.get("thinking_budget"))
    _hear_openrouter(found, said.get("reasoning"))
    _hear_effort(found, said.get("reasoning_effort"))
    return found


def _hear_thinking(found: Reasoning, given: Any) -> None:
    if isinstance(given, dict):
        switch = given["type"] != "disabled" if given.get("type") else None
        _hear_switch(found, switch, given.get("budget_tokens"))


def _hear_openrouter(found: Reasoning, given: Any) -> None:
    if not isinstance(given, dict):
        return
    _hear_switch(found, given.get("enabled"), given.get("max_tokens"))
    _hear_effort(found, given.get("effort"))
    if isinstance(given.get("exclude"), bool):
        found.show = not given["exclude"]


def _hear_switch(found: Reasoning, switch: Any, budget: Any) -> None:
    if switch is False:
        found.effort, found.budget = "none", None
    elif isinstance(budget, int) and not isinstance(budget, bool) and budget >= 0:
        found.budget = budget
    elif switch is True:
        found.budget = AS_THE_MODEL_LIKES


def _hear_effort(found: Reasoning, word: Any) -> None:
    for effort in BUDGETS:
        if word == effort:
            found.effort = effort
            if found.budget == AS_THE_MODEL_LIKES:
                found.budget = None


def _whole(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise wrong(name, "an integer")
    return value


def _rest(body: dict[str, Any], format_understood: bool) -> dict[str, Any]:
    return {
        name: value
        for name, value in body.items()
        if value is not None
        and name not in _READ
        and not (name == "response_format" and format_understood)
    }
