"""A generateContent request as clients send it, read as a question."""

from typing import Any

from gateway.conversation import Chat, Format, Reasoning, Text, Tool, ToolChoice
from gateway.dialects.gemini.contents_in import read_contents
from gateway.dialects.gemini.facts import LEVEL_EFFORTS, SERVICE_TIERS
from gateway.dialects.gemini.fields import Fields, wrong
from gateway.dialects.gemini.native import kept
from gateway.dialects.gemini.schema import json_schema


def read_chat(body: dict[str, Any]) -> Chat:
    """The question in a body; its model stands in the URL.

    Raises BadRequest that names the path of the first thing wrong.
    """
    return _read(Fields(body, ""))


def read_count(body: dict[str, Any]) -> Chat:
    """The question whose tokens a countTokens request wants counted."""
    fields = Fields(body, "")
    return _read(fields.fields("generateContentRequest") or fields)


def _read(fields: Fields) -> Chat:
    contents = fields.each("contents")
    if not contents:
        raise wrong(fields.at("contents"), "an array of at least one content")
    chat = Chat(read_contents(contents))
    fields.value("model")
    chat.system = _system(fields)
    chat.tools = [tool for entry in fields.each("tools") for tool in _tools(entry)]
    _read_tool_config(chat, fields.fields("toolConfig"))
    _read_config(chat, fields.fields("generationConfig"))
    tier = fields.text("serviceTier")
    if tier is not None:
        chat.extra["service_tier"] = _TIERS.get(tier.lower(), tier.lower())
    chat.extra |= fields.rest()
    return chat


_TIERS = {word: tier for tier, word in SERVICE_TIERS.items()}


def _system(fields: Fields) -> list[Text]:
    if isinstance(fields.value("systemInstruction"), str):
        return [Text(fields.word("systemInstruction"))]
    content = fields.fields("systemInstruction")
    if content is None:
        return []
    parts = content.each("parts")
    return [Text(text) for part in parts if (text := _only_text(part))]


def _only_text(part: Fields) -> str:
    text = part.text("text")
    if text is None:
        raise wrong(part.at("text"), "a string")
    return text


def _tools(entry: Fields) -> list[Tool]:
    """An entry holds functions, and tools that Gemini runs itself."""
    functions = [_function(item) for item in entry.each("functionDeclarations")]
    hosted = [Tool(name, hosted={name: item}) for name, item in entry.rest().items()]
    return [*functions, *hosted]


def _function(fields: Fields) -> Tool:
    schema = fields.object("parametersJsonSchema")
    if schema is None and "parameters" in fields:
        schema = json_schema(fields.value("parameters"), fields.at("parameters"))
    tool = Tool(fields.word("name"), fields.text("description"), schema)
    tool.native = kept(fields.rest())
    return tool


def _read_tool_config(chat: Chat, fields: Fields | None) -> None:
    if fields is None:
        return
    calling = fields.fields("functionCallingConfig")
    if calling is not None:
        chat.tool_choice = _tool_choice(calling)
        if (calling.text("mode") or "").upper() == "VALIDATED":
            chat.extra["toolConfig.functionCallingConfig.mode"] = "VALIDATED"
        _keep(chat, "toolConfig.functionCallingConfig", calling)
    _keep(chat, "toolConfig", fields)


def _tool_choice(fields: Fields) -> ToolChoice | None:
    names = tuple(fields.texts("allowedFunctionNames"))
    mode = (fields.text("mode") or "AUTO").upper()
    match mode:
        case "NONE":
            return ToolChoice("none")
        case "ANY":
            return ToolChoice("named" if len(names) == 1 else "required", names)
        case "AUTO" | "VALIDATED":
            return ToolChoice("auto", names)
        case "MODE_UNSPECIFIED":
            return None
    raise wrong(fields.at("mode"), "AUTO, ANY, NONE or VALIDATED")


def _keep(chat: Chat, prefix: str, fields: Fields) -> None:
    """What has no word of its own is kept by its path."""
    chat.extra |= {f"{prefix}.{name}": item for name, item in fields.rest().items()}


def _read_config(chat: Chat, fields: Fields | None) -> None:
    if fields is None:
        return
    chat.max_tokens = fields.whole("maxOutputTokens")
    chat.temperature = fields.number("temperature")
    chat.top_p = fields.number("topP")
    chat.top_k = fields.whole("topK")
    chat.stop = fields.texts("stopSequences")
    chat.seed = fields.whole("seed")
    chat.n = fields.whole("candidateCount")
    chat.presence_penalty = fields.number("presencePenalty")
    chat.frequency_penalty = fields.number("frequencyPenalty")
    chat.logprobs = fields.flag("responseLogprobs")
    chat.top_logprobs = fields.whole("logprobs")
    chat.reasoning = _reasoning(fields.fields("thinkingConfig"))
    chat.answer_format = _format(fields)
    if "responseModalities" in fields:
        chat.extra["modalities"] = [kind.lower() for kind in fields.texts("responseModalities")]
    _keep(chat, "generationConfig", fields)


def _reasoning(fields: Fields | None) -> Reasoning | None:
    if fields is None:
        return None
    reasoning = Reasoning(
        budget=fields.whole("thinkingBudget"), show=fields.flag("includeThoughts") or False
    )
    level = (fields.text("thinkingLevel") or "THINKING_LEVEL_UNSPECIFIED").upper()
    if level != "THINKING_LEVEL_UNSPECIFIED":
        reasoning.effort = LEVEL_EFFORTS.get(level)
        if reasoning.effort is None:
            raise wrong(fields.at("thinkingLevel"), f"one of {', '.join(LEVEL_EFFORTS)}")
    return reasoning


def _format(fields: Fields) -> Format | None:
    """Of `responseMimeType` only JSON and text are known elsewhere; another is kept as it is."""
    kind = fields.text("responseMimeType")
    if kind not in (None, "", "text/plain", "application/json"):
        fields.leave("responseMimeType")
        return None
    schema = fields.object("responseJsonSchema")
    if schema is None and "responseSchema" in fields:
        schema = json_schema(fields.value("responseSchema"), fields.at("responseSchema"))
    if schema is not None:
        return Format("json_schema", schema)
    return Format("json_object") if kind == "application/json" else None
