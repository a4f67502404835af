"""What is wrong in a Messages request is named by its path."""

import json
from typing import Any

import pytest

from gateway.dialects.anthropic import read_chat
from gateway.errors import BadRequest

CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}


def asked(*content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(content)}], **more}


def source(kind: str = "image", **members: Any) -> dict[str, Any]:
    return asked({"type": kind, "source": members})


def answered(**result: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": "a", **result}
    return {"messages": [CALL, {"role": "user", "content": [block]}]}


BLOCK = "messages[0].content[0]"
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "q"}, "messages"),
    ({"messages": ["q"]}, "messages[0]"),
    ({"messages": [{"content": "q"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": "q"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
    ({"messages": [{"role": "system", "content": [{"type": "text"}]}]}, f"{BLOCK}.text"),
    (asked("q"), BLOCK),
    (asked({}), f"{BLOCK}.type"),
    (asked({"type": 3}), f"{BLOCK}.type"),
    (asked({"type": "text"}), f"{BLOCK}.text"),
    (asked({"type": "text", "text": ["q"]}), f"{BLOCK}.text"),
    (asked({"type": "text", "text": "q", "cache_control": True}), f"{BLOCK}.cache_control"),
    (asked({"type": "text", "text": "q", "citations": [1]}), f"{BLOCK}.citations[0]"),
    (asked({"type": "image"}), f"{BLOCK}.source"),
    (source(), f"{BLOCK}.source.type"),
    (source(type="base64", data="QQ=="), f"{BLOCK}.source.media_type"),
    (source(type="base64", media_type="image/png"), f"{BLOCK}.source.data"),
    (source(type="base64", media_type="image/png", data="Q"), f"{BLOCK}.source.data"),
    (source(type="base64", media_type="image/png", data="Q!Q="), f"{BLOCK}.source.data"),
    (source(type="base64", media_type="image/png", data="ﬁﬁ=="), f"{BLOCK}.source.data"),
    (source(type="url"), f"{BLOCK}.source.url"),
    (source(type="file", file_id=7), f"{BLOCK}.source.file_id"),
    (source("document", type="text"), f"{BLOCK}.source.data"),
    (source("document", type="content", content=[1]), f"{BLOCK}.source.content[0]"),
    (asked({"type": "tool_use", "id": "a", "name": "f", "input": {}}), f"{BLOCK}.type"),
    (asked({"type": "thinking", "thinking": "x"}), f"{BLOCK}.type"),
    (asked({"type": "thinking", "signature": "x"}, role="assistant"), f"{BLOCK}.thinking"),
    (asked({"type": "redacted_thinking"}, role="assistant"), f"{BLOCK}.data"),
    (asked({"type": "tool_use", "name": "f", "input": {}}, role="assistant"), f"{BLOCK}.id"),
    (asked({"type": "tool_use", "id": "a", "input": {}}, role="assistant"), f"{BLOCK}.name"),
    (asked({"type": "tool_use", "id": "a", "name": "f"}, role="assistant"), f"{BLOCK}.input"),
    (
        asked({"type": "tool_use", "id": "a", "name": "f", "input": "{}"}, role="assistant"),
        f"{BLOCK}.input",
    ),
    (
        asked({"type": "tool_result", "tool_use_id": "b"}, role="assistant"),
        f"{BLOCK}.type",
    ),
    (asked({"type": "tool_result"}), f"{BLOCK}.tool_use_id"),
    (asked({"type": "tool_result", "tool_use_id": "b"}), f"{BLOCK}.tool_use_id"),
    (answered(content=3), "messages[1].content[0].content"),
    (answered(content=[{"type": "text"}]), "messages[1].content[0].content[0].text"),
    (
        answered(content=[{"type": "tool_result", "tool_use_id": "a"}]),
        "messages[1].content[0].content[0].type",
    ),
    (answered(is_error="no"), "messages[1].content[0].is_error"),
    (asked(model=3), "model"),
    (asked(stream="yes"), "stream"),
    (asked(max_tokens="9"), "max_tokens"),
    (asked(max_tokens=-1), "max_tokens"),
    (asked(max_tokens=True), "max_tokens"),
    (asked(temperature="hot"), "temperature"),
    (asked(top_p=[]), "top_p"),
    (asked(top_k=0.5), "top_k"),
    (asked(stop_sequences="."), "stop_sequences"),
    (asked(stop_sequences=[3]), "stop_sequences[0]"),
    (asked(system=3), "system"),
    (asked(system=[{"type": "image"}]), "system[0].type"),
    (asked(metadata="u"), "metadata"),
    (asked(metadata={"user_id": 3}), "metadata.user_id"),
    (asked(tools={}), "tools"),
    (asked(tools=["f"]), "tools[0]"),
    (asked(tools=[{"input_schema": {}}]), "tools[0].name"),
    (asked(tools=[{"name": "", "input_schema": {}}]), "tools[0].name"),
    (asked(tools=[{"name": "f"}]), "tools[0].input_schema"),
    (asked(tools=[{"name": "f", "input_schema": {}, "description": 3}]), "tools[0].description"),
    (asked(tool_choice="auto"), "tool_choice"),
    (asked(tool_choice={"type": "maybe"}), "tool_choice.type"),
    (asked(tool_choice={"type": "tool"}), "tool_choice.name"),
    (
        asked(tool_choice={"type": "auto", "disable_parallel_tool_use": 1}),
        "tool_choice.disable_parallel_tool_use",
    ),
    (asked(thinking="on"), "thinking"),
    (asked(thinking={}), "thinking.type"),
    (asked(thinking={"type": "enabled"}), "thinking.budget_tokens"),
    (asked(output_config=[]), "output_config"),
    (asked(output_config={"effort": "huge"}), "output_config.effort"),
    (asked(output_config={"format": {"type": "xml"}}), "output_config.format.type"),
    (asked(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema"),
]


@pytest.mark.parametrize(("body", "path"), FAULTS, ids=lambda value: json.dumps(value)[:60])
def test_it_names_the_path(body: dict[str, Any], path: str) -> None:
    with pytest.raises(BadRequest) as raised:
        read_chat(body)
    assert raised.value.param == path
    assert f"`{path}`" in raised.value.message
    assert raised.value.status == 400


def test_the_first_fault_is_the_one_that_is_named() -> None:
    body = {"messages": [{"role": "user", "content": 1}, {"role": "nobody", "content": 2}]}
    with pytest.raises(BadRequest) as raised:
        read_chat(body)
    assert raised.value.param == "messages[0].content"


def test_input_that_is_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"a": deep}
    block = {"type": "tool_use", "id": "a", "name": "f", "input": deep}
    with pytest.raises(BadRequest) as raised:
        read_chat(asked(block, role="assistant"))
    assert raised.value.param == f"{BLOCK}.input"


@pytest.mark.parametrize(
    "data",
    ["QUI=", "QUI", "QU\nI=", "-_-_", "+/+/"],
    ids=["plain", "unpadded", "wrapped", "url", "std"],
)
def test_base64_of_other_alphabets_is_put_right(data: str) -> None:
    chat = read_chat(source(type="base64", media_type="image/png", data=data))
    expected = {"-_-_": "+/+/", "+/+/": "+/+/"}.get(data, "QUI=")
    assert chat.messages[0].parts[0].data == expected  # type: ignore[union-attr]


def test_null_means_not_given() -> None:
    names = (
        "model stream system tools tool_choice max_tokens temperature top_p top_k stop_sequences"
        " thinking output_config metadata"
    )
    given_as_null: dict[str, Any] = dict.fromkeys(names.split())
    text = {"type": "text", "text": "q"}
    assert read_chat(asked(text) | given_as_null) == read_chat(asked(text))
