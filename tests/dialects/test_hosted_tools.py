"""Tools that another vendor runs itself: left out by name beside functions, refused alone."""

from typing import Any

import pytest

from gateway.conversation import Chat, Message, Text, Tool, ToolChoice
from gateway.dialects.table import SPOKEN
from gateway.errors import BadRequest

HOSTED: dict[str, dict[str, Any]] = {
    "openai": {"type": "web_search_20250305", "name": "web_search"},
    "anthropic": {"googleSearch": {}},
    "gemini": {"type": "web_search"},
}

each_vendor = pytest.mark.parametrize("dialect", sorted(HOSTED))


def asked(*tools: Tool, choice: ToolChoice | None = None) -> Chat:
    chat = Chat([Message("user", [Text("Hi")])], tools=list(tools), tool_choice=choice)
    return chat


def search(dialect: str) -> Tool:
    return Tool("web_search", hosted=HOSTED[dialect])


@each_vendor
def test_beside_a_function_it_is_left_out_by_name(dialect: str) -> None:
    chat = asked(Tool("f"), search(dialect), choice=ToolChoice("auto"))
    written = SPOKEN[dialect].write_chat(chat, "m", stream=False)
    assert written.dropped == ["tools[1]"]
    assert len(written.body["tools"]) == 1


@each_vendor
def test_alone_it_is_refused(dialect: str) -> None:
    with pytest.raises(BadRequest) as caught:
        SPOKEN[dialect].write_chat(asked(search(dialect)), "m", stream=False)
    assert caught.value.param == "tools[0]"


@each_vendor
def test_one_that_is_to_be_called_is_refused(dialect: str) -> None:
    chat = asked(Tool("f"), search(dialect), choice=ToolChoice("named", ("web_search",)))
    with pytest.raises(BadRequest) as caught:
        SPOKEN[dialect].write_chat(chat, "m", stream=False)
    assert caught.value.param == "tool_choice"
