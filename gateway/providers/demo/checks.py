"""What a chat completions body may hold, checked as OpenAI checks it: each error names a member."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import BadRequest

Json = dict[str, Any]

_CALLED: Mapping[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
# The types of a member, any of which may be null, and between which bounds it lies.
_MEMBERS: Mapping[str, tuple[tuple[type, ...], float | None, float | None]] = {
    "n": ((int,), 1, 8),
    "max_tokens": ((int,), 1, None),
    "max_completion_tokens": ((int,), 1, None),
    "temperature": ((int, float), 0, 2),
    "top_p": ((int, float), 0, 1),
    "frequency_penalty": ((int, float), -2, 2),
    "presence_penalty": ((int, float), -2, 2),
    "stream": ((bool,), None, None),
    "stream_options": ((dict,), None, None),
    "stop": ((str, list), None, None),
    "tools": ((list,), None, None),
    "tool_choice": ((str, dict), None, None),
    "parallel_tool_calls": ((bool,), None, None),
    "response_format": ((dict,), None, None),
    "logprobs": ((bool,), None, None),
    "modalities": ((list,), None, None),
}
_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
# Each kind of content part, with the member that holds what it brings.
_PARTS: Mapping[str, tuple[str, type]] = {
    "text": ("text", str),
    "image_url": ("image_url", dict),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
    "refusal": ("refusal", str),
}


def check_body(body: Json) -> None:
    """Raises BadRequest."""
    for name, (types, low, high) in _MEMBERS.items():
        value = body.get(name)
        if value is not None:
            want(value, types, name)
            _check_bounds(value, types, low, high, name)
    _check_offered(body)
    for index, message in enumerate(body["messages"]):
        _check_message(message, f"messages[{index}]")


def want(value: Any, types: tuple[type, ...], param: str) -> None:
    """Raises BadRequest unless `value` is of one of `types`."""
    # Not isinstance: in JSON true is no integer.
    if type(value) not in types:
        wanted = " or ".join(_CALLED[each] for each in types)
        got = _CALLED.get(type(value), "something else")
        message = f"Invalid type for '{param}': expected {wanted}, but got {got} instead."
        raise BadRequest(message, param=param, code="invalid_type")


def member(holder: Json, name: str, kind: type, param: str) -> Any:
    """`holder[name]`, which must be there. Raises BadRequest."""
    param = f"{param}.{name}"
    if name not in holder:
        message = f"Missing required parameter: '{param}'."
        raise BadRequest(message, param=param, code="missing_required_parameter")
    want(holder[name], (kind,), param)
    return holder[name]


def one_of(value: Any, choices: Sequence[str], param: str) -> str:
    """Raises BadRequest unless `value` is one of `choices`."""
    want(value, (str,), param)
    if value not in choices:
        listed = ", ".join(f"'{choice}'" for choice in choices)
        message = f"Invalid value: '{value}'. Supported values are: {listed}."
        raise BadRequest(message, param=param)
    return str(value)


def _check_bounds(
    value: Any, types: tuple[type, ...], low: float | None, high: float | None, param: str
) -> None:
    kind = "decimal" if float in types else "integer"
    if low is not None and value < low:
        message = f"Invalid '{param}': expected a value >= {low}, but got {value} instead."
        raise BadRequest(message, param=param, code=f"{kind}_below_min_value")
    if high is not None and value > high:
        message = f"Invalid '{param}': expected a value <= {high}, but got {value} instead."
        raise BadRequest(message, param=param, code=f"{kind}_above_max_value")


def _check_offered(body: Json) -> None:
    if body.get("logprobs"):
        raise BadRequest("The demo has no probabilities, so no logprobs.", param="logprobs")
    if "audio" in (body.get("modalities") or ()):
        raise BadRequest("The demo answers in text only.", param="modalities")
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise BadRequest(message, param="stream_options")


def _check_message(message: Json, param: str) -> None:
    role = one_of(member(message, "role", str, param), _ROLES, f"{param}.role")
    content = message.get("content")
    if content is not None or role != "assistant":
        want(content, (str, list), f"{param}.content")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        _check_part(part, f"{param}.content[{index}]")
    calls = message.get("tool_calls")
    if calls is not None:
        want(calls, (list,), f"{param}.tool_calls")
        for index, call in enumerate(calls):
            want(call, (dict,), f"{param}.tool_calls[{index}]")


def _check_part(part: Any, param: str) -> None:
    want(part, (dict,), param)
    kind = one_of(member(part, "type", str, param), tuple(_PARTS), f"{param}.type")
    member(part, *_PARTS[kind], param)
