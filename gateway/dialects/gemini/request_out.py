"""A question as a generateContent request."""

from typing import Any

from gateway.conversation import Chat, Image, Reasoning, Tool, ToolChoice, ToolResult, Written
from gateway.dialects.effort import budget_of_effort, effort_of_budget
from gateway.dialects.gemini.contents_out import blank_turn, write_contents
from gateway.dialects.gemini.facts import (
    OWN_FIELDS,
    SERVICE_TIERS,
    Family,
    family_of,
    level_of,
)
from gateway.dialects.gemini.native import own
from gateway.dialects.gemini.parts_out import JsonObject
from gateway.dialects.hosted_tools import sayable
from gateway.errors import BadRequest

_OWN_PATHS = ("toolConfig.functionCallingConfig.", "toolConfig.", "generationConfig.")


def write_chat(chat: Chat, model: str, *, stream: bool) -> Written:
    """Model and `stream` stand in the URL alone. Raises BadRequest for what changes the meaning."""
    _refuse(chat)
    family = family_of(model)
    written = Written({})
    body = written.body
    _write_turns(body, chat, family)
    _write_tools(written, chat)
    _write_config(written, chat, family)
    _write_extra(written, chat.extra)
    written.dropped = [*dict.fromkeys([*_unsaid(chat), *written.dropped])]
    return written


def _refuse(chat: Chat) -> None:
    if any(tool.custom is not None for tool in chat.tools):
        raise _unsupported("tools", "Gemini has no custom tools")
    modalities = chat.extra.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        raise _unsupported("modalities", "Audio in the answer cannot be handed on")


def _unsupported(param: str, why: str) -> BadRequest:
    return BadRequest(f"`{param}`: {why}", param=param, code="unsupported_parameter")


def _unsaid(chat: Chat) -> list[str]:
    """The names of hints that Gemini has no word for."""
    hints = {
        "user": chat.user is not None,
        "name": any(message.name for message in chat.messages),
        "strict": any(tool.strict for tool in chat.tools),
        "cache_control": any(_is_marked(part) for part in _all_parts(chat)),
        "detail": any(
            isinstance(part, Image) and part.detail not in (None, "auto")
            for part in _all_parts(chat)
        ),
    }
    return [name for name, said in hints.items() if said]


def _all_parts(chat: Chat) -> list[Any]:
    parts: list[Any] = [*chat.system, *chat.tools]
    for message in chat.messages:
        for part in message.parts:
            parts.append(part)
            if isinstance(part, ToolResult):
                parts += part.parts
    return parts


def _is_marked(part: Any) -> bool:
    return getattr(part, "cache", None) is not None


def _write_turns(body: JsonObject, chat: Chat, family: Family) -> None:
    """A system text that stands alone is the question: Gemini wants a turn of the user."""
    system = [{"text": part.text} for part in chat.system if part.text]
    contents = write_contents(chat, family)
    if system and contents:
        body["systemInstruction"] = {"parts": system}
    if not contents:
        contents = [{"role": "user", "parts": system} if system else blank_turn()]
    body["contents"] = contents


def _write_tools(written: Written, chat: Chat) -> None:
    body, choice = written.body, chat.tool_choice
    tools, left_out = sayable(chat, _is_own, "Gemini")
    written.dropped += left_out
    functions = [tool for tool in tools if tool.hosted is None]
    if choice is not None and choice.mode == "auto" and choice.names:
        functions = [tool for tool in functions if tool.name in choice.names]
    entries = [tool.hosted for tool in tools if tool.hosted is not None]
    if functions:
        before = tools[: tools.index(functions[0])]
        entry = {"functionDeclarations": [_declaration(tool) for tool in functions]}
        entries.insert(sum(tool.hosted is not None for tool in before), entry)
    if entries:
        body["tools"] = entries
    if choice is not None and functions:
        body["toolConfig"] = {"functionCallingConfig": _calling_config(choice)}


def _is_own(hosted: JsonObject) -> bool:
    """A tool that Gemini runs itself has one member, its name; others' tools have a type."""
    return "type" not in hosted and len(hosted) == 1


def _declaration(tool: Tool) -> JsonObject:
    declaration: JsonObject = {"name": tool.name}
    if tool.description is not None:
        declaration["description"] = tool.description
    if tool.schema is not None:
        declaration["parametersJsonSchema"] = tool.schema
    return declaration | own(tool.native)


def _calling_config(choice: ToolChoice) -> JsonObject:
    """Names go with ANY alone; with `auto` those not allowed were left out of the tools."""
    match choice.mode:
        case "none":
            return {"mode": "NONE"}
        case "auto":
            return {"mode": "AUTO"}
    names = {"allowedFunctionNames": list(choice.names)} if choice.names else {}
    return {"mode": "ANY", **names}


def _write_config(written: Written, chat: Chat, family: Family) -> None:
    config: JsonObject = {
        "maxOutputTokens": chat.max_tokens,
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "topK": chat.top_k,
        "stopSequences": chat.stop or None,
        "seed": chat.seed,
        "candidateCount": chat.n,
        "responseLogprobs": chat.logprobs or None,
        "logprobs": chat.top_logprobs or None,
    }
    for name, word, penalty in (
        ("presence_penalty", "presencePenalty", chat.presence_penalty),
        ("frequency_penalty", "frequencyPenalty", chat.frequency_penalty),
    ):
        if penalty is not None and not family.takes_penalties:
            written.dropped.append(name)
        else:
            config[word] = penalty
    if chat.answer_format is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = chat.answer_format.schema
    if chat.reasoning is not None:
        thinking = _thinking(chat.reasoning, family)
        config["thinkingConfig"] = thinking
        if thinking is None and _asks_to_think(chat.reasoning):
            written.dropped.append("reasoning_effort")
    config = {name: value for name, value in config.items() if value is not None}
    if config:
        written.body["generationConfig"] = config


def _asks_to_think(reasoning: Reasoning) -> bool:
    return reasoning.effort not in (None, "none") or (reasoning.budget or 0) > 0


def _thinking(reasoning: Reasoning, family: Family) -> JsonObject | None:
    """None if the model does not think. Thoughts are shown unless they were not wanted."""
    levels, budgets = family.levels(), family.budgets()
    if not levels and budgets is None:
        return None
    config: JsonObject = {}
    if levels:
        effort = reasoning.effort
        if effort is None and reasoning.budget is not None and reasoning.budget >= 0:
            effort = effort_of_budget(reasoning.budget)
        if effort is not None:
            config["thinkingLevel"] = level_of(effort, levels)
    elif budgets is not None:
        budget = reasoning.budget
        if budget is None and reasoning.effort is not None:
            budget = budget_of_effort(reasoning.effort)
        if budget is not None:
            config["thinkingBudget"] = _within(budget, budgets, family)
    off = reasoning.effort == "none" or reasoning.budget == 0
    show = not off if reasoning.show is None else reasoning.show
    return config | ({"includeThoughts": True} if show else {}) or None


def _within(budget: int, limits: tuple[int, int], family: Family) -> int:
    """-1 leaves it to the model; 0 stops the thinking where it can be stopped."""
    if budget < 0:
        return -1
    if budget == 0 and family.can_stop_thinking:
        return 0
    return min(max(budget, limits[0]), limits[1])


def _write_extra(written: Written, extra: dict[str, Any]) -> None:
    """Gemini's own fields as they came; others' by their nearest word, or not at all."""
    for name, value in extra.items():
        if name in OWN_FIELDS or name.startswith(_OWN_PATHS):
            _place(written.body, name, value)
        elif name == "modalities" and isinstance(value, list):
            modalities = [str(item).upper() for item in value]
            _place(written.body, "generationConfig.responseModalities", modalities)
        elif name == "service_tier" and isinstance(value, str) and value in SERVICE_TIERS:
            written.body["serviceTier"] = SERVICE_TIERS[value]
        elif not (name == "service_tier" and value == "auto"):
            written.dropped.append(name)


def _place(body: JsonObject, path: str, value: Any) -> None:
    """Sets a member; the path's last name may itself hold a dot."""
    prefix = next((prefix for prefix in _OWN_PATHS if path.startswith(prefix)), "")
    for name in prefix.split(".")[:-1]:
        if not isinstance(body.get(name), dict):
            body[name] = {}
        body = body[name]
    body[path.removeprefix(prefix)] = value
