"""What is kept of an answer's state, under which key, and how it is put back into a question."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat import ChatRequest
from gateway.conversation import (
    CallBegan,
    CallPiece,
    Chat,
    Message,
    Part,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ThinkingSealed,
    ToolCall,
)
from gateway.dialects.recall import (
    DETAILS,
    TEXT,
    Kept,
    completed,
    kept_of,
    key_of,
    keys_in,
    keys_lacking,
    read,
    restore,
)

ID, OTHER_ID = "toolu_01A09q90qw90lq917835lq9", "call_gw0123456789abcdef"
HOME, SIBLING, ABROAD = "anthropic\nclaude", "anthropic\nother", "gemini\npro"
DETAIL = {"type": "reasoning.encrypted", "data": "x", "index": 0}


@pytest.mark.parametrize(
    "id",
    [
        ID,
        "call_abc123DEF456ghi789",
        "call_gw4f9d4be2f9f84b8f8a1d9c3e",
        "D681PevKs",
        "chatcmpl-tool-0a1b2c3d4e5f",
        "call_00_Zk3vB2xQpL9s",
        "96c1su3s",
    ],
)
def test_an_id_that_tells_calls_apart_is_the_key(id: str) -> None:
    assert key_of(id, "f", '{"a":1}') == key_of(id, "f", '{"a":2}') == id


@pytest.mark.parametrize(
    "id", ["functions.get_time:0", "call_0", "get_time", "tool_1_get_time", ""]
)
def test_else_what_is_called_belongs_to_the_key(id: str) -> None:
    one = key_of(id, "get_time", '{"a": 1, "b": "ü"}')
    assert one == key_of(id, "get_time", '{"b":"\\u00fc","a":1}')
    assert one != key_of(id, "get_time", '{"a": 2, "b": "ü"}')
    assert one != key_of(id, "get_date", '{"a": 1, "b": "ü"}')


def test_no_arguments_are_an_empty_object() -> None:
    assert key_of("call_0", "f", "") == key_of("call_0", "f", "{}")


def test_a_key_is_the_same_whatever_a_door_did_to_the_id() -> None:
    assert key_of("call.abc123:DEF456", "f", "") == key_of("call_abc123_DEF456", "f", "")


@given(st.text(), st.text(), st.text())
def test_any_call_has_a_key(id: str, name: str, arguments: str) -> None:
    assert key_of(id, name, arguments) == key_of(id, name, arguments)


def kept(events: list[Any], *, plain: bool = False) -> dict[str, Kept]:
    found = kept_of(events, HOME, plain=plain)
    return {key: read(value) for key, value in found.items()}


def test_the_first_call_keeps_the_thoughts_and_each_its_signature() -> None:
    events = [
        ThinkingPiece("Hm"),
        ThinkingPiece("."),
        ThinkingSealed(signature="s1"),
        ThinkingSealed(redacted="r"),
        TextPiece("", signature="t"),
        CallBegan(0, ID, "f", signature="c1"),
        CallPiece(0, "{}"),
        CallBegan(1, OTHER_ID, "g", signature="c2"),
    ]
    thoughts = [Thinking("Hm.", signature="s1"), Thinking(redacted="r")]
    assert kept(events) == {
        ID: Kept(HOME, "c1", "t", thoughts),
        OTHER_ID: Kept(HOME, "c2"),
    }


def test_each_choice_has_its_own() -> None:
    events = [
        ThinkingPiece("A", 0),
        ThinkingPiece("B", 1),
        ThinkingSealed("sb", choice=1),
        ThinkingSealed("sa", choice=0),
        CallBegan(0, OTHER_ID, "f", 1),
        CallBegan(0, ID, "f", 0),
    ]
    assert kept(events) == {
        ID: Kept(HOME, thoughts=[Thinking("A", signature="sa")]),
        OTHER_ID: Kept(HOME, thoughts=[Thinking("B", signature="sb")]),
    }


def test_plain_thoughts_are_kept_only_where_they_are_wanted() -> None:
    events = [ThinkingPiece("Hm."), CallBegan(0, ID, "f")]
    assert kept(events) == {}
    assert kept(events, plain=True) == {ID: Kept(HOME, thoughts=[Thinking("Hm.")])}


def test_without_calls_or_state_nothing_is_kept() -> None:
    assert kept([ThinkingPiece("Hm."), ThinkingSealed("s")]) == {}
    assert kept([CallBegan(0, ID, "f"), CallPiece(0, "{}")]) == {}


USED = ToolCall(ID, "f", "{}")
SEALED = Thinking("Hm.", signature="s")
FOUND = Kept(HOME, "c", None, [SEALED, Thinking(redacted="r"), Thinking("", details=DETAIL)])
SIGNED = ToolCall(ID, "f", "{}", signature="c")
MINE = Thinking("Mine", signature="m")
OWN = ToolCall(ID, "f", "{}", signature="m")
BARE = [Thinking("Hm."), Thinking(), Thinking()]

RESTORED: list[tuple[list[Part], Kept, list[Part]]] = [
    ([Text("Hi"), USED], FOUND, [*FOUND.thoughts, Text("Hi"), SIGNED]),
    ([Thinking("Hm."), USED], FOUND, [*FOUND.thoughts, SIGNED]),
    ([MINE, USED], FOUND, [MINE, SIGNED]),
    ([OWN], Kept(HOME, "c"), [OWN]),
    ([USED], Kept(HOME, thoughts=[Thinking("Hm.")]), [Thinking("Hm."), USED]),
    ([Thinking("Mine"), USED], Kept(HOME, thoughts=[Thinking("Hm.")]), [Thinking("Mine"), USED]),
    ([Text("Hi"), USED], Kept(HOME, text="t"), [Text("Hi", signature="t"), USED]),
    ([USED], Kept(HOME, text="t"), [Text("", signature="t"), USED]),
    ([Text("Hi"), USED], Kept(ABROAD, "c", "t", [SEALED]), [Text("Hi"), USED]),
    ([*FOUND.thoughts, SIGNED], Kept(ABROAD, "c", "t", FOUND.thoughts), [*BARE, USED]),
    ([Text("Hi", signature="t"), USED], Kept(ABROAD, text="t"), [Text("Hi"), USED]),
    ([MINE, USED], Kept(ABROAD, "c", None, [SEALED]), [MINE, USED]),
    ([Text("Hi"), USED], Kept(SIBLING, "c", "t", [SEALED]), [Text("Hi"), USED]),
    ([SEALED, SIGNED], Kept(SIBLING, "c", None, [SEALED]), [SEALED, SIGNED]),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "found", "wanted"), RESTORED)
def test_a_question_gets_its_state_back(parts: list[Part], found: Kept, wanted: list[Part]) -> None:
    copied = [type(part)(**{n: getattr(part, n) for n in part.__slots__}) for part in parts]
    chat = Chat([Message("user", [Text("?")]), Message("assistant", copied)])
    assert keys_in(chat) == [ID]
    restore(chat, {ID: read(found.written())}, HOME)
    assert chat.messages[1].parts == wanted


def request(messages: list[dict[str, Any]], **more: Any) -> ChatRequest:
    raw = orjson.dumps({"messages": messages, **more}, option=orjson.OPT_INDENT_2)
    return ChatRequest(raw, orjson.loads(raw), "m", False, False)


def called(id: str = ID, **members: Any) -> dict[str, Any]:
    call = {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call], **members}


def test_members_are_added_where_they_are_missing_and_nothing_else_changes() -> None:
    asked = request(
        [called(), called(OTHER_ID), called("call_0", reasoning_details=[{"mine": 1}])], seed=12
    )
    found = {ID: Kept(HOME, thoughts=[Thinking("", details=DETAIL)]), OTHER_ID: Kept(ABROAD)}
    given = completed(asked, (DETAILS,), found, HOME)
    wanted = [{**called(), "reasoning_details": [DETAIL]}, *asked.body["messages"][1:]]
    assert given.body == {**asked.body, "messages": wanted} == json.loads(given.raw)


def test_anothers_details_are_not_added() -> None:
    asked = request([called()])
    found = {ID: Kept(ABROAD, thoughts=[Thinking("", details=DETAIL)])}
    assert completed(asked, (DETAILS,), found, HOME) is asked


def test_deepseek_hears_of_all_thoughts_once_there_are_tools() -> None:
    said = {"role": "assistant", "content": "Hi"}
    asked = request([said, called(), {**called(OTHER_ID), "reasoning_content": None}])
    found = {ID: Kept(HOME, thoughts=[Thinking("Hm.")]), OTHER_ID: Kept(ABROAD, thoughts=[SEALED])}
    given = completed(asked, (TEXT,), found, HOME)
    assert [message[TEXT] for message in given.body["messages"]] == ["", "Hm.", ""]
    assert json.loads(given.raw) == given.body


def test_without_tools_nothing_is_looked_up_or_added() -> None:
    asked = request([{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "?"}])
    assert keys_lacking(asked.body, (TEXT,)) == []
    assert completed(asked, (TEXT,), {}, HOME) is asked


def test_what_is_brought_along_is_not_looked_up() -> None:
    asked = request([called(reasoning_content=""), called(OTHER_ID)])
    assert keys_lacking(asked.body, (TEXT,)) == [OTHER_ID]


@pytest.mark.parametrize(
    "calls",
    [
        None,
        {},
        [None],
        [{}],
        [{"id": 1}],
        [{"id": "a", "function": []}],
        [{"id": "a", "custom": {}}],
    ],
)
def test_odd_calls_are_passed_over(calls: Any) -> None:
    asked = request([{"role": "assistant", "tool_calls": calls}])
    assert completed(asked, (TEXT,), {}, HOME) is asked


def test_arguments_of_any_kind_have_a_key() -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    for arguments in (None, {"a": 1}, deep):
        call = {"id": "call_0", "function": {"name": "f", "arguments": arguments}}
        assert (
            len(keys_lacking({"messages": [{"role": "assistant", "tool_calls": [call]}]}, (TEXT,)))
            == 1
        )
