"""What a chat completions request asks of the demo: checked as OpenAI checks it, and named."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.errors import BadRequest

Json = dict[str, Any]
_SEARCHED = 10_000


@dataclass(frozen=True)
class Tool:
    name: str
    parameters: Json
    param: str


@dataclass(frozen=True)
class Format:
    """The schema that a JSON answer must fit; None where any object will do."""

    schema: Json | None


@dataclass(frozen=True)
class Asked:
    """`tools`: those that may be called now; `results`: the tool results that want an answer;
    `cap`: completion tokens a choice; `mark`: the same for the same body, streamed or not."""

    model: str
    messages: Sequence[Json]
    tools: Sequence[Tool]
    results: Sequence[str]
    format: Format | None
    n: int
    cap: int | None
    stops: Sequence[str]
    parallel: bool
    stream: bool
    include_usage: bool
    prompt: str
    mark: str

    @property
    def user_content(self) -> Any:
        """What the user said last."""
        said = (m["content"] for m in reversed(self.messages) if m["role"] == "user")
        return next(said, None)

    @property
    def wish(self) -> str:
        """The beginning of the user's last text, as far as it is searched for words."""
        return text_of(self.user_content)[:_SEARCHED]


def read_request(body: Json) -> Asked:
    """The body as the demo understands it. Raises BadRequest, which names the member at fault."""
    mark = _mark(body)
    _check_types(body)
    _check_refused(body)
    messages = _messages(body["messages"])
    results = _results(messages)
    tools = _tools(body.get("tools"))
    allowed = _allowed(tools, body.get("tool_choice"))
    caps = [body[name] for name in _CAPS if body.get(name) is not None]
    return Asked(
        model=body["model"],
        messages=messages,
        tools=() if results else allowed,
        results=results,
        format=_format(body.get("response_format")),
        n=body.get("n") or 1,
        cap=min(caps, default=None),
        stops=_stops(body.get("stop")),
        parallel=body.get("parallel_tool_calls") is not False,
        stream=body.get("stream") is True,
        include_usage=(body.get("stream_options") or {}).get("include_usage") is True,
        prompt=_prompt(body),
        mark=mark,
    )


def text_of(content: Any) -> str:
    """The text of a message's content, be it a string or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _mark(body: Json) -> str:
    asked = {name: value for name, value in body.items() if name not in _HOW_SENT}
    try:
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"The demo cannot read this body: {error}") from error


_HOW_SENT = ("stream", "stream_options")
_CAPS = ("max_tokens", "max_completion_tokens")
_WORDS: Mapping[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
# Of what type a member is, and between which bounds; any of them may be null.
_MEMBERS: Mapping[str, tuple[tuple[type, ...], float | None, float | None]] = {
    "n": ((int,), 1, 8),
    "max_tokens": ((int,), 1, None),
    "max_completion_tokens": ((int,), 1, None),
    "temperature": ((int, float), 0, 2),
    "top_p": ((int, float), 0, 1),
    "frequency_penalty": ((int, float), -2, 2),
    "presence_penalty": ((int, float), -2, 2),
    "stream": ((bool,), None, None),
    "logprobs": ((bool,), None, None),
    "parallel_tool_calls": ((bool,), None, None),
    "stop": ((str, list), None, None),
    "tools": ((list,), None, None),
    "tool_choice": ((str, dict), None, None),
    "response_format": ((dict,), None, None),
    "stream_options": ((dict,), None, None),
    "modalities": ((list,), None, None),
}


def _check_types(body: Json) -> None:
    for name, (types, low, high) in _MEMBERS.items():
        value = body.get(name)
        if value is None:
            continue
        _want(value, types, name)
        if low is not None and value < low:
            raise _beyond(name, types, "below_min", f"Expected a value >= {low}, but got {value}.")
        if high is not None and value > high:
            raise _beyond(name, types, "above_max", f"Expected a value <= {high}, but got {value}.")


def _want(value: Any, types: tuple[type, ...], param: str) -> None:
    # Not isinstance: in JSON true is no integer.
    if type(value) not in types:
        wanted = " or ".join(_WORDS[kind] for kind in types)
        got = _WORDS.get(type(value), "something else")
        raise BadRequest(
            f"Invalid type for '{param}': expected {wanted}, but got {got} instead.",
            param=param,
            code="invalid_type",
        )


def _beyond(name: str, types: tuple[type, ...], side: str, message: str) -> BadRequest:
    kind = "decimal" if float in types else "integer"
    return BadRequest(f"Invalid '{name}'. {message}", param=name, code=f"{kind}_{side}_value")


def _check_refused(body: Json) -> None:
    if body.get("logprobs"):
        raise BadRequest("No logprobs here: the demo has no probabilities.", param="logprobs")
    if "audio" in (body.get("modalities") or ()):
        raise BadRequest("The demo answers in text only.", param="modalities")
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise BadRequest(message, param="stream_options")


_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
# Each kind of part with the member that holds what it brings.
_PARTS: Mapping[str, tuple[str, type]] = {
    "text": ("text", str),
    "image_url": ("image_url", dict),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
    "refusal": ("refusal", str),
}


def _messages(messages: list[Json]) -> list[Json]:
    for index, message in enumerate(messages):
        param = f"messages[{index}]"
        _one_of(message.get("role"), _ROLES, f"{param}.role")
        _check_content(message, f"{param}.content")
        for number, call in enumerate(_list(message, "tool_calls", param)):
            _want(call, (dict,), f"{param}.tool_calls[{number}]")
    return messages


def _check_content(message: Json, param: str) -> None:
    content = message.get("content")
    if content is None and message["role"] == "assistant":
        return
    _want(content, (str, list), param)
    for index, part in enumerate(content if isinstance(content, list) else ()):
        where = f"{param}[{index}]"
        _want(part, (dict,), where)
        member, kind = _PARTS[_one_of(part.get("type"), tuple(_PARTS), f"{where}.type")]
        _want(part.get(member), (kind,), f"{where}.{member}")


def _one_of(value: Any, choices: Sequence[str], param: str) -> str:
    if not isinstance(value, str) or value not in choices:
        _want(value, (str,), param)
        listed = ", ".join(f"'{choice}'" for choice in choices)
        raise BadRequest(f"Invalid value: '{value}'. Supported values are: {listed}.", param=param)
    return value


def _list(holder: Json, name: str, param: str) -> list[Any]:
    value = holder.get(name)
    if value is None:
        return []
    _want(value, (list,), f"{param}.{name}")
    return list(value)


def _results(messages: list[Json]) -> list[str]:
    """The tool results at the end, in their order."""
    found = []
    for message in reversed(messages):
        if message["role"] not in ("tool", "function"):
            break
        found.append(text_of(message["content"]))
    return found[::-1]


_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def _tools(tools: list[Any] | None) -> list[Tool]:
    """The function tools; the demo cannot write what a custom tool's grammar wants."""
    if tools == []:
        raise BadRequest("Invalid 'tools': expected at least one.", param="tools")
    found = []
    for index, tool in enumerate(tools or ()):
        param = f"tools[{index}]"
        _want(tool, (dict,), param)
        if _one_of(tool.get("type"), ("function", "custom"), f"{param}.type") == "function":
            found.append(_tool(tool.get("function"), f"{param}.function"))
    return found


def _tool(function: Any, param: str) -> Tool:
    _want(function, (dict,), param)
    name, parameters = function.get("name"), function.get("parameters")
    _want(name, (str,), f"{param}.name")
    if not _NAME.fullmatch(name):
        message = f"Invalid '{param}.name': 1 to 64 letters, digits, _ or - are expected."
        raise BadRequest(message, param=f"{param}.name")
    if parameters is not None:
        _want(parameters, (dict,), f"{param}.parameters")
    return Tool(name, parameters or {}, f"{param}.parameters")


def _allowed(tools: list[Tool], choice: str | Json | None) -> list[Tool]:
    if choice is None:
        return tools
    if isinstance(choice, str):
        choice = _one_of(choice, ("none", "auto", "required"), "tool_choice")
        if choice == "required" and not tools:
            raise BadRequest(
                "'tool_choice' wants a call, but no 'tools' came.", param="tool_choice"
            )
        return [] if choice == "none" else tools
    names = _chosen(choice)
    for name in names:
        if name not in [tool.name for tool in tools]:
            raise BadRequest(f"Tool '{name}' not found in 'tools'.", param="tool_choice")
    return [tool for tool in tools if tool.name in names]


def _chosen(choice: Json) -> list[str]:
    """The names in {type: function | allowed_tools | custom, …}."""
    kind = _one_of(choice.get("type"), ("function", "allowed_tools", "custom"), "tool_choice.type")
    chosen = choice.get(kind)
    _want(chosen, (dict,), f"tool_choice.{kind}")
    if kind != "allowed_tools":
        return [_name(chosen, f"tool_choice.{kind}.name")]
    param = "tool_choice.allowed_tools"
    allowed = _list(chosen, "tools", param)
    names = []
    for index, tool in enumerate(allowed):
        _want(tool, (dict,), f"{param}.tools[{index}]")
        named = tool.get("function") if isinstance(tool.get("function"), dict) else tool
        names.append(_name(named, f"{param}.tools[{index}].function.name"))
    return names


def _name(holder: Json, param: str) -> str:
    _want(holder.get("name"), (str,), param)
    return str(holder["name"])


def _format(wanted: Json | None) -> Format | None:
    if wanted is None:
        return None
    kinds = ("text", "json_object", "json_schema")
    kind = _one_of(wanted.get("type"), kinds, "response_format.type")
    if kind != "json_schema":
        return None if kind == "text" else Format(None)
    param = "response_format.json_schema"
    inner = wanted.get("json_schema")
    _want(inner, (dict,), param)
    _name(inner, f"{param}.name")
    schema = inner.get("schema")
    if schema is not None:
        _want(schema, (dict,), f"{param}.schema")
    return Format(schema)


def _stops(stop: str | list[Any] | None) -> list[str]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > 4:
        message = f"Invalid 'stop': expected at most 4 strings, but got {len(stops)}."
        raise BadRequest(message, param="stop")
    for index, text in enumerate(stops):
        _want(text, (str,), f"stop[{index}]")
    return [text for text in stops if text]


def _prompt(body: Json) -> str:
    """Everything that counts as input, as text: messages, tools, the schema of the answer."""
    said = [text for message in body["messages"] for text in _said(message)]
    given = [body[name] for name in ("tools", "response_format") if body.get(name)]
    return "\n".join(said + [orjson.dumps(thing).decode() for thing in given])


def _said(message: Json) -> list[str]:
    calls = message.get("tool_calls")
    return [
        message["role"],
        text_of(message.get("content")),
        *([orjson.dumps(calls).decode()] if calls else ()),
    ]
