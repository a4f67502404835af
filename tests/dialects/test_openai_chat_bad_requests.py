"""What is wrong with a question is told by its path."""

from typing import Any

import pytest

from gateway.dialects.openai_chat import read_chat
from gateway.errors import BadRequest

USER = {"role": "user", "content": "q"}


def function_call(**changes: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"} | changes
    call = {"id": "1", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def user(**part: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "a"}, part]}


MESSAGES: list[tuple[str, list[Any]]] = [
    ("messages", []),
    ("messages[0]", ["q"]),
    ("messages[1]", [USER, None]),
    ("messages[0].role", [{"content": "q"}]),
    ("messages[0].role", [{"role": "robot", "content": "q"}]),
    ("messages[0].role", [{"role": ["user"], "content": "q"}]),
    ("messages[0].content", [{"role": "user"}]),
    ("messages[0].content", [{"role": "user", "content": None}]),
    ("messages[0].content", [{"role": "user", "content": 5}]),
    ("messages[0].content", [{"role": "system", "content": None}]),
    ("messages[0].name", [{**USER, "name": 5}]),
    ("messages[0].content[0]", [{"role": "user", "content": ["q"]}]),
    ("messages[0].content[1].type", [user(type="sound")]),
    ("messages[0].content[1].type", [user(type=["text"])]),
    ("messages[0].content[1].type", [user(type="refusal", refusal="no")]),
    ("messages[0].content[1].text", [user(type="text", text=5)]),
    ("messages[0].content[1].image_url", [user(type="image_url")]),
    ("messages[0].content[1].image_url.url", [user(type="image_url", image_url={})]),
    (
        "messages[0].content[1].image_url.url",
        [user(type="image_url", image_url={"url": "data:image/png;base64,@"})],
    ),
    (
        "messages[0].content[1].image_url.url",
        [user(type="image_url", image_url={"url": "data:;base64,AAEC"})],
    ),
    (
        "messages[0].content[1].image_url.detail",
        [user(type="image_url", image_url={"url": "https://x.test", "detail": 1})],
    ),
    ("messages[0].content[1].input_audio", [user(type="input_audio")]),
    (
        "messages[0].content[1].input_audio.data",
        [user(type="input_audio", input_audio={"data": "@", "format": "wav"})],
    ),
    (
        "messages[0].content[1].input_audio",
        [user(type="input_audio", input_audio="https://x.test/a.wav")],
    ),
    ("messages[0].content[1].file", [user(type="file")]),
    ("messages[0].content[1].file.file_id", [user(type="file", file={})]),
    ("messages[0].content[1].file.file_data", [user(type="file", file={"file_data": "@"})]),
    ("messages[0].content[0].type", [{"role": "system", "content": [{"type": "image_url"}]}]),
    ("messages[0].tool_calls", [{"role": "assistant", "tool_calls": {}}]),
    ("messages[0].tool_calls[0]", [{"role": "assistant", "tool_calls": ["f"]}]),
    ("messages[0].tool_calls[0].function", [{"role": "assistant", "tool_calls": [{"id": "1"}]}]),
    ("messages[0].tool_calls[0].function.name", [function_call(name="")]),
    ("messages[0].tool_calls[0].function.arguments", [function_call(arguments="{")]),
    ("messages[0].tool_calls[0].function.arguments", [function_call(arguments=5)]),
    (
        "messages[0].tool_calls[0].id",
        [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}],
    ),
    (
        "messages[0].tool_calls[0].custom.input",
        [{"role": "assistant", "tool_calls": [{"id": "1", "custom": {"name": "c"}}]}],
    ),
    ("messages[0].refusal", [{"role": "assistant", "refusal": 5}]),
    ("messages[0].audio", [{"role": "assistant", "audio": {"id": "audio_1"}}]),
    ("messages[0].tool_call_id", [{"role": "tool", "content": "r"}]),
    ("messages[1].tool_call_id", [USER, {"role": "tool", "tool_call_id": "1", "content": "r"}]),
    (
        "messages[1].content",
        [function_call(), {"role": "tool", "tool_call_id": "1", "content": None}],
    ),
    ("messages[0].name", [{"role": "function", "name": "f", "content": "r"}]),
]

FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": 5}),
    ("temperature", {"temperature": "hot"}),
    ("n", {"n": 0}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("stop", {"stop": [1]}),
    ("top_k", {"top_k": "5"}),
    ("top_k", {"top_k": True}),
    ("reasoning_effort", {"reasoning_effort": 5}),
    ("response_format", {"response_format": "json"}),
    ("response_format.type", {"response_format": {}}),
    ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    (
        "response_format.json_schema.schema",
        {"response_format": {"type": "json_schema", "json_schema": {"schema": []}}},
    ),
    ("tools", {"tools": ["f"]}),
    ("tools[0].type", {"tools": [{}]}),
    ("tools[0].function", {"tools": [{"type": "function"}]}),
    ("tools[0].function.name", {"tools": [{"type": "function", "function": {}}]}),
    (
        "tools[0].function.parameters",
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
    ),
    ("tools[0].custom.name", {"tools": [{"type": "custom", "custom": {}}]}),
    ("functions[0].name", {"functions": [{}]}),
    ("functions", {"functions": {}}),
    ("tool_choice", {"tool_choice": "always"}),
    ("tool_choice.type", {"tool_choice": {"type": "tool"}}),
    ("tool_choice.function", {"tool_choice": {"type": "function"}}),
    ("tool_choice.function.name", {"tool_choice": {"type": "function", "function": {}}}),
    (
        "tool_choice.allowed_tools.mode",
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none"}}},
    ),
    (
        "tool_choice.allowed_tools.tools",
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
    ),
    ("function_call", {"function_call": "always"}),
    ("metadata", {"metadata": []}),
]


@pytest.mark.parametrize(("path", "messages"), MESSAGES)
def test_a_wrong_message_is_named(path: str, messages: list[Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        read_chat({"model": "m", "messages": messages})
    assert refused.value.param == path
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(("path", "fields"), FIELDS)
def test_a_wrong_field_is_named(path: str, fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        read_chat({"model": "m", "messages": [USER], **fields})
    assert refused.value.param == path


def test_messages_have_to_be_there() -> None:
    with pytest.raises(BadRequest) as refused:
        read_chat({"model": "m"})
    assert (refused.value.param, refused.value.code) == ("messages", "missing_required_parameter")
