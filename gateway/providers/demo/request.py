"""What a chat completions request asks of the demo."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.errors import BadRequest
from gateway.providers.demo.checks import Json, check_body, member, one_of, want

# How far into the user's text the demo looks for words that mean something to it.
_SEARCHED = 10_000
_HOW_IT_IS_SENT = ("stream", "stream_options")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True)
class Tool:
    """`param`: how an error names its schema."""

    name: str
    parameters: Json
    param: str


@dataclass(frozen=True)
class JsonFormat:
    """The schema that a JSON answer must fit; None where any object will do."""

    schema: Json | None


@dataclass(frozen=True)
class Asked:
    """`tools`: those that may be called now; `results`: those of tools that want an answer;
    `cap`: tokens a choice; `prompt`: all that counts as input; `mark`: one for each body."""

    model: str
    messages: Sequence[Json]
    tools: Sequence[Tool]
    parallel: bool
    results: Sequence[str]
    format: JsonFormat | None
    n: int
    cap: int | None
    stops: Sequence[str]
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
        """The beginning of the user's last text."""
        return text_of(self.user_content)[:_SEARCHED]


def read_request(body: Json) -> Asked:
    """Raises BadRequest, which names the member at fault as far as there is one."""
    mark = _mark(body)
    check_body(body)
    results = _results(body["messages"])
    tools = _allowed(_tools(body.get("tools")), body.get("tool_choice"))
    caps = (body.get("max_tokens"), body.get("max_completion_tokens"))
    options = body.get("stream_options") or {}
    return Asked(
        model=body["model"],
        messages=body["messages"],
        tools=() if results else tools,
        parallel=body.get("parallel_tool_calls") is not False,
        results=results,
        format=_format(body.get("response_format")),
        n=body.get("n") or 1,
        cap=min((cap for cap in caps if cap), default=None),
        stops=_stops(body.get("stop")),
        stream=body.get("stream") is True,
        include_usage=options.get("include_usage") is True,
        prompt=_prompt(body),
        mark=mark,
    )


def text_of(content: Any) -> str:
    """The text of a message's content, which may be a string, parts, or nothing."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part["type"] == "text")


def _mark(body: Json) -> str:
    """A hash of what is asked, the same whether the answer is streamed or not."""
    asked = {name: value for name, value in body.items() if name not in _HOW_IT_IS_SENT}
    try:
        written = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"The demo cannot read this body: {error}") from error
    return hashlib.sha256(written).hexdigest()


def _results(messages: Sequence[Json]) -> list[str]:
    """The tool results at the end, in their order. What a user shows after them without a word
    belongs to them: the dialect has no other place for a tool's image.
    """
    found: list[str] = []
    for message in reversed(messages):
        if message["role"] in ("tool", "function"):
            found.append(text_of(message["content"]))
        elif found or message["role"] != "user" or text_of(message["content"]).strip():
            break
    return found[::-1]


def _tools(tools: list[Any] | None) -> list[Tool]:
    """The functions; the demo cannot write what the grammar of a custom tool wants."""
    if tools == []:
        message = "Invalid 'tools': empty array. Expected an array with minimum length 1."
        raise BadRequest(message, param="tools", code="empty_array")
    found = []
    for index, tool in enumerate(tools or ()):
        param = f"tools[{index}]"
        want(tool, (dict,), param)
        kind = member(tool, "type", str, param)
        if one_of(kind, ("function", "custom"), f"{param}.type") == "function":
            found.append(_tool(member(tool, "function", dict, param), f"{param}.function"))
    return found


def _tool(function: Json, param: str) -> Tool:
    name = member(function, "name", str, param)
    if not _TOOL_NAME.fullmatch(name):
        message = f"Invalid '{param}.name': expected 1 to 64 letters, digits, _ or -."
        raise BadRequest(message, param=f"{param}.name")
    parameters = function.get("parameters")
    if parameters is not None:
        want(parameters, (dict,), f"{param}.parameters")
    return Tool(name, parameters or {}, f"{param}.parameters")


def _allowed(tools: list[Tool], choice: str | Json | None) -> list[Tool]:
    """The tools that `tool_choice` leaves."""
    if isinstance(choice, dict):
        return _named(tools, choice)
    chosen = one_of(
        "auto" if choice is None else choice, ("none", "auto", "required"), "tool_choice"
    )
    if chosen == "required" and not tools:
        message = "'tool_choice' is 'required', but there is no function in 'tools'."
        raise BadRequest(message, param="tool_choice")
    return [] if chosen == "none" else tools


def _named(tools: list[Tool], choice: Json) -> list[Tool]:
    names = _names(choice)
    known = {tool.name for tool in tools}
    for name in names:
        if name not in known:
            message = f"Tool choice '{name}' not found in the functions of 'tools'."
            raise BadRequest(message, param="tool_choice")
    return [tool for tool in tools if tool.name in names]


def _names(choice: Json) -> list[str]:
    """The names in {type: function | custom | allowed_tools, …}."""
    kinds = ("function", "custom", "allowed_tools")
    kind = one_of(member(choice, "type", str, "tool_choice"), kinds, "tool_choice.type")
    param = f"tool_choice.{kind}"
    chosen = member(choice, kind, dict, "tool_choice")
    if kind != "allowed_tools":
        return [str(member(chosen, "name", str, param))]
    names = []
    for index, tool in enumerate(member(chosen, "tools", list, param)):
        where = f"{param}.tools[{index}]"
        want(tool, (dict,), where)
        names.append(member(member(tool, "function", dict, where), "name", str, where))
    return names


def _format(wanted: Json | None) -> JsonFormat | None:
    if wanted is None:
        return None
    kinds = ("text", "json_object", "json_schema")
    kind = member(wanted, "type", str, "response_format")
    if one_of(kind, kinds, "response_format.type") != "json_schema":
        return None if kind == "text" else JsonFormat(None)
    param = "response_format.json_schema"
    inner = member(wanted, "json_schema", dict, "response_format")
    member(inner, "name", str, param)
    schema = inner.get("schema")
    if schema is not None:
        want(schema, (dict,), f"{param}.schema")
    return JsonFormat(schema)


def _stops(stop: str | list[Any] | None) -> list[str]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > 4:
        message = f"Invalid 'stop': expected at most 4 strings, but got {len(stops)} instead."
        raise BadRequest(message, param="stop", code="array_above_max_length")
    for index, text in enumerate(stops):
        want(text, (str,), f"stop[{index}]")
    return [text for text in stops if text]


def _prompt(body: Json) -> str:
    said = [text for message in body["messages"] for text in _said(message)]
    given = [body[name] for name in ("tools", "response_format") if body.get(name)]
    return "\n".join([*said, *(orjson.dumps(each).decode() for each in given)])


def _said(message: Json) -> list[str]:
    calls = message.get("tool_calls")
    written = [orjson.dumps(calls).decode()] if calls else []
    return [message["role"], text_of(message.get("content")), *written]
