"""Other vendors' reasoning state comes back unchanged through a client of this dialect."""

from typing import Any

import orjson
import pytest

from gateway.conversation import (
    CallBegan,
    CallPiece,
    Event,
    Finished,
    Message,
    Part,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ThinkingSealed,
    ToolCall,
)
from gateway.dialects import anthropic, gemini
from gateway.dialects.responses import read_chat, stored_items, write_answer
from gateway.sse import data_of, events
from tests.dialects.responses_sdk import said, written

CALL: list[Event] = [CallBegan(0, "call_1", "f"), CallPiece(0, "{}"), Finished("tool_calls")]
USED = ToolCall("call_1", "f", "{}")
DETAIL = {"type": "reasoning.encrypted", "data": "x", "format": "xai-responses-v1", "index": 0}

CASES: list[tuple[list[Event], list[Part]]] = [
    (
        [ThinkingPiece("Hm"), ThinkingPiece("."), ThinkingSealed(signature="sig"), *CALL],
        [Thinking("Hm.", signature="sig"), USED],
    ),
    ([ThinkingSealed(redacted="abc"), *CALL], [Thinking(redacted="abc"), USED]),
    (
        [
            ThinkingPiece("One."),
            ThinkingSealed(signature="s1"),
            ThinkingPiece("Two."),
            ThinkingSealed(signature="s2"),
            TextPiece("Hi"),
            *CALL,
        ],
        [Thinking("One.", signature="s1"), Thinking("Two.", signature="s2"), Text("Hi"), USED],
    ),
    (
        [ThinkingPiece("Hm."), ThinkingSealed(details=DETAIL), *CALL],
        [Thinking("Hm.", details=DETAIL), USED],
    ),
    (
        [ThinkingPiece("Hm."), CallBegan(0, "call_1", "f", signature="sig"), *CALL[1:]],
        [Thinking("Hm."), ToolCall("call_1", "f", "{}", signature="sig")],
    ),
    (
        [CallBegan(0, "call_1", "f", signature="sig"), *CALL[1:]],
        [ToolCall("call_1", "f", "{}", signature="sig")],
    ),
    (
        [
            CallBegan(0, "call_1", "f", signature="s1"),
            CallPiece(0, "{}"),
            CallBegan(1, "call_2", "g", signature="s2"),
            CallPiece(1, "{}"),
            Finished("tool_calls"),
        ],
        [
            ToolCall("call_1", "f", "{}", signature="s1"),
            ToolCall("call_2", "g", "{}", signature="s2"),
        ],
    ),
    (
        [TextPiece("", signature="sig"), *CALL],
        [Text("", signature="sig"), USED],
    ),
]


KNOWN = (
    *("type", "role", "content", "summary", "encrypted_content"),
    *("call_id", "name", "arguments", "input"),
)


def codex(item: dict[str, Any]) -> dict[str, Any]:
    """As a client sends an item back that knows the dialect's own members alone, and no ids."""
    return {name: item[name] for name in KNOWN if name in item}


def streamed(answer: list[Event]) -> list[dict[str, Any]]:
    """The items as they were done in a stream."""
    steps = said(written(answer))
    return [step["item"] for step in steps if step["type"] == "response.output_item.done"]


def whole(answer: list[Event]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = write_answer(answer, "m")["output"]
    return items


def back(items: list[dict[str, Any]]) -> list[Part]:
    """What a conversation holds of an answer's items; but for the item of unsealed thoughts."""
    chat = read_chat({"input": [{"role": "user", "content": "?"}, *items]})
    parts = chat.messages[1].parts
    for part in parts:
        if isinstance(part, Thinking) and part.details and part.details["type"] == "reasoning":
            part.details = None
    return parts


@pytest.mark.parametrize("client", [codex, dict])
@pytest.mark.parametrize("make", [streamed, whole])
@pytest.mark.parametrize(("answer", "wanted"), CASES)
def test_state_comes_back(answer: list[Event], wanted: list[Part], make: Any, client: Any) -> None:
    assert back([client(item) for item in make(answer)]) == wanted


@pytest.mark.parametrize(("answer", "wanted"), CASES)
def test_state_is_kept_for_a_later_question(answer: list[Event], wanted: list[Part]) -> None:
    earlier = stored_items({"input": "?"}, write_answer(answer, "m"))
    chat = read_chat({"previous_response_id": "resp_1"}, orjson.loads(orjson.dumps(earlier)))
    assert chat.messages[0] == Message("user", [Text("?")])
    assert [type(part) for part in chat.messages[1].parts] == [type(part) for part in wanted]


def test_the_signature_of_a_text_stays_with_its_message() -> None:
    answer: list[Event] = [TextPiece("Hi"), TextPiece("", signature="sig"), Finished("stop")]
    items = write_answer(answer, "m")["output"]
    assert [item["type"] for item in items] == ["message"]
    assert back(items) == [Text("Hi", signature="sig")]


def test_what_openai_sealed_is_not_ours_to_open() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAABo"}
    chat = read_chat({"input": [item]})
    assert chat.messages[0].parts == [Thinking(details=item)]
    sealed = write_answer([ThinkingSealed(details=item)], "m")["output"][0]
    assert sealed["encrypted_content"] == "gAAAAABo"


@pytest.mark.parametrize("damage", [lambda s: s[:-3], lambda s: s[:26] + "AAAA"])
def test_a_damaged_seal_is_passed_over(damage: Any) -> None:
    item = write_answer([ThinkingPiece("Hm."), ThinkingSealed(signature="sig")], "m")["output"][0]
    item["encrypted_content"] = damage(item["encrypted_content"])
    (thought,) = read_chat({"input": [item]}).messages[0].parts
    assert isinstance(thought, Thinking)
    assert (thought.text, thought.signature) == ("Hm.", None)


def test_claudes_thoughts_go_back_to_claude() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    redacted = {"type": "redacted_thinking", "data": "abc"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    answer = {"content": [thinking, redacted, use], "stop_reason": "tool_use", "role": "assistant"}
    items = write_answer(anthropic.read_answer(answer), "m")["output"]
    result = {"type": "function_call_output", "call_id": "toolu_1", "output": "42"}
    question = read_chat(
        {
            "input": [{"role": "user", "content": "?"}, *map(codex, items), result],
            "reasoning": {"effort": "high"},
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        }
    )
    body = anthropic.write_chat(question, "claude-sonnet-4-5", stream=False).body
    assert body["messages"][1]["content"] == [thinking, redacted, use]
    assert body["thinking"]["type"] == "enabled"


def test_geminis_signatures_go_back_to_gemini() -> None:
    part = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
    answer = {"candidates": [{"content": {"role": "model", "parts": [part]}}]}
    items = write_answer(gemini.read_answer(answer), "m")["output"]
    call = next(item for item in items if item["type"] == "function_call")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
    question = read_chat({"input": [{"role": "user", "content": "?"}, *map(codex, items), result]})
    body = gemini.write_chat(question, "gemini-3-pro", stream=False).body
    (sent,) = body["contents"][1]["parts"]
    assert sent["thoughtSignature"] == "c2ln"


def test_a_seal_is_text_that_any_client_can_carry() -> None:
    stream = written([ThinkingSealed(signature="sig"), Finished("stop")])
    last = [orjson.loads(data_of(event)) for event in events(stream)][-1]
    content = last["response"]["output"][0]["encrypted_content"]
    assert content.isascii() and "sig" not in content
