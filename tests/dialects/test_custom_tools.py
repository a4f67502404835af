"""OpenAI's custom tools at vendors that call functions alone, there and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat import ChatRequest
from gateway.conversation import CallBegan, CallPiece, Event, Finished, TextPiece
from gateway.dialects.custom_tools import CustomCalls
from gateway.dialects.filtered import Filtered, OneCall, filtered
from gateway.dialects.openai_chat import OPENAI, Accepts
from gateway.dialects.translation import in_dialect
from gateway.providers import PROVIDERS

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
OTHERS = Accepts()
PATCH = '*** Begin Patch\n*** Add File: a.txt\n+Grüezi \U0001f3d4 "quoted" \\ back\n'
ASKED: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": "Patch it"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": PATCH},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "Done"},
    ],
    "tools": [{"type": "custom", "name": "patch", "description": "Patches.", "format": GRAMMAR}],
    "tool_choice": {"type": "custom", "name": "patch"},
}


def asked(dialect: str, accepts: Accepts = OTHERS) -> ChatRequest:
    request = ChatRequest(json.dumps(ASKED).encode(), ASKED, "m", False, False, dialect="responses")
    return in_dialect(request, dialect, "m", accepts)[0]


def test_anthropic_is_offered_a_function_of_one_text() -> None:
    said = asked("anthropic")
    (tool,) = said.body["tools"]
    assert (tool["name"], tool["description"]) == ("patch", "Patches.")
    assert tool["input_schema"]["required"] == ["input"]
    assert "start: /.+/" in tool["input_schema"]["properties"]["input"]["description"]
    assert said.body["tool_choice"] == {"type": "tool", "name": "patch"}
    assert said.body["messages"][1]["content"][0]["input"] == {"input": PATCH}
    assert said.wrapped == {"patch"}


def test_gemini_is_offered_a_function_of_one_text() -> None:
    said = asked("gemini")
    (declared,) = said.body["tools"][0]["functionDeclarations"]
    assert declared["name"] == "patch"
    assert declared["parametersJsonSchema"]["properties"]["input"]["type"] == "string"
    assert said.body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": PATCH}


def test_chat_completions_are_offered_a_function_unless_the_vendor_takes_custom_tools() -> None:
    wrapped, own = asked("openai"), asked("openai", OPENAI)
    assert wrapped.body["tools"][0]["type"] == "function"
    assert wrapped.body["tool_choice"]["type"] == "function"
    (call,) = wrapped.body["messages"][1]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"input": PATCH}
    assert own.body["tools"][0]["type"] == own.body["tool_choice"]["type"] == "custom"
    assert own.body["messages"][1]["tool_calls"][0]["custom"]["input"] == PATCH
    assert own.wrapped == frozenset()


texts = st.text() | st.text('\\"{}:,un \n\U0001f3d4d83d')


@given(texts, st.booleans(), st.lists(st.integers(0, 80)))
def test_any_text_comes_back_in_any_pieces(text: str, escaped: bool, cuts: list[int]) -> None:
    whole = json.dumps({"input": text}, ensure_ascii=escaped)
    places = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in zip(places, places[1:], strict=False)]
    found = unwrapped(call("patch", pieces))
    assert isinstance(found[0], CallBegan) and found[0].custom
    assert said(found) == text
    assert isinstance(found[-1], Finished)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"patch": "a\\nb"}', "a\nb"),
        ('"a\\nb"', "a\nb"),
        ("*** Begin Patch", "*** Begin Patch"),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
        ("{}", ""),
        ("", ""),
        (' {\n "input" : "a\nb" }', "a\nb"),
        ('{"input": "a\\q"}', "a\\q"),
        ('{"input": "\\ud83d!"}', "\ufffd!"),
        ('{"input": "cut of', "cut of"),
    ],
)
def test_what_a_model_wrote_otherwise_is_not_lost(arguments: str, text: str) -> None:
    found = unwrapped(call("patch", [arguments]))
    assert said(found) == text


def test_calls_of_functions_stay_as_they_are() -> None:
    events = call("other", ['{"input": "x"}'])
    assert unwrapped(events) == call("other", ['{"input": "x"}'])


class Told:
    """A reader that gives one event a feed."""

    ended = True
    failure = None
    usage = None

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def feed(self, data: bytes, name: str | None = None) -> list[Event]:
        return [self._events.pop(0)]

    def finish(self) -> list[Event]:
        return []


def test_calls_of_a_stream_come_back_as_they_arrive() -> None:
    events = [TextPiece("Hm"), *call("patch", ['{"inp', 'ut": "a', "\\n", 'b"}'])]
    reader = Filtered(Told(events), [CustomCalls(frozenset({"patch"}))])
    found = [reader.feed(b"") for _ in range(7)]
    assert [said(told) for told in found] == ["", "", "", "a", "\n", "b", ""]
    assert reader.finish() == [] and reader.ended and reader.failure is None


def test_a_stream_that_ends_early_gives_what_it_held_back() -> None:
    reader = Filtered(Told(call("patch", ["*** Begin"])[:2]), [CustomCalls(frozenset({"patch"}))])
    assert [said(reader.feed(b"")) for _ in range(2)] == ["", ""]
    assert said(reader.finish()) == "*** Begin"


def call(name: str, pieces: list[str]) -> list[Event]:
    told = [CallPiece(0, piece) for piece in pieces]
    return [CallBegan(0, "c1", name), *told, Finished("tool_calls")]


def said(events: list[Event]) -> str:
    return "".join(event.arguments for event in events if isinstance(event, CallPiece))


def unwrapped(events: list[Event]) -> list[Event]:
    return list(filtered(events, [CustomCalls(frozenset({"patch"}))]))


def test_of_calls_at_once_the_first_alone_goes_on() -> None:
    events: list[Event] = [
        TextPiece("Hm"),
        *call("f", ["{}"])[:2],
        CallBegan(1, "c2", "g"),
        CallPiece(1, "{}"),
        Finished("tool_calls"),
    ]
    assert list(filtered(events, [OneCall()])) == [*events[:3], events[-1]]
    reader = Filtered(Told(list(events)), [OneCall()])
    assert [len(reader.feed(b"")) for _ in events] == [1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_gemini_alone_cannot_be_told_to_call_one_tool_at_a_time(dialect: str) -> None:
    body = {**ASKED, "tool_choice": "auto", "parallel_tool_calls": False}
    request = ChatRequest(json.dumps(body).encode(), body, "m", False, False, dialect="responses")
    assert in_dialect(request, dialect, "m")[0].one_call == (dialect == "gemini")


@pytest.mark.parametrize("provider", ["ollama", "cohere", "groq"])
def test_a_vendor_of_openais_dialect_may_not_know_one_call_either(provider: str) -> None:
    body = {**ASKED, "tool_choice": "auto", "parallel_tool_calls": False}
    request = ChatRequest(json.dumps(body).encode(), body, "m", False, False, dialect="responses")
    said, _ = in_dialect(request, "openai", "m", PROVIDERS[provider].accepts)
    knows = provider == "groq"
    assert said.one_call is not knows
    assert ("parallel_tool_calls" in said.body) is knows
