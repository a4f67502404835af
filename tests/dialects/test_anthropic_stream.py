"""Streams as this door writes them, read by Anthropic's own SDK."""

from collections.abc import Iterator
from typing import Any

import anthropic
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat import Usage
from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.anthropic import (
    KEEP_ALIVE,
    StreamWriter,
    error_event,
    read_answer,
    read_chat,
    write_answer,
)
from gateway.errors import UpstreamError, UpstreamOverloaded
from gateway.sse import data_of, events
from tests.dialects.anthropic_sdk import Sdk, sdk, streamed

TWO_CALLS: list[Event] = [
    Began("chatcmpl-1", "gpt-x"),
    TextPiece("I look."),
    CallBegan(0, "call_a", "weather"),
    CallBegan(1, "call_b", "time"),
    CallPiece(0, '{"city": '),
    CallPiece(1, '{"zone": '),
    CallPiece(0, '"Rome"}'),
    CallPiece(1, '"CET"}'),
    Finished("tool_calls"),
    Counted(Usage(input_tokens=20, output_tokens=9, cached_tokens=5, reasoning_tokens=2)),
]


@pytest.fixture(scope="module")
def claude() -> Iterator[Sdk]:
    with sdk() as running:
        yield running


def parsed(stream: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(data_of(event)) for event in events(stream)]


def test_calls_whose_pieces_alternate_are_told_one_after_the_other(claude: Sdk) -> None:
    message = claude.stream(streamed(TWO_CALLS))
    assert [(block["type"], block.get("input")) for block in message["content"]] == [
        ("text", None),
        ("tool_use", {"city": "Rome"}),
        ("tool_use", {"zone": "CET"}),
    ]
    assert message["stop_reason"] == "tool_use"


@settings(deadline=None)
@given(st.permutations([0, 0, 0, 1, 1, 2, 2, 3]), st.booleans())
def test_blocks_never_interleave(order: list[int], begin_all_first: bool) -> None:
    pieces = {0: ['{"a":', "[1,", "2]}"], 1: ['{"b":{}', "}"], 2: ["", "{}"], 3: ['{"d":"}"}']}
    found: list[Event] = [TextPiece("x")]
    begun: set[int] = set()
    for call in [0, 1, 2, 3] if begin_all_first else ():
        found.append(CallBegan(call, f"c{call}", "f"))
        begun.add(call)
    for call in order:
        if call not in begun:
            found.append(CallBegan(call, f"c{call}", "f"))
            begun.add(call)
        found.append(CallPiece(call, pieces[call].pop(0)))
    told = parsed(b"".join(streamed([*found, Finished("tool_calls")])))
    opened: list[int] = []
    inputs: dict[str, str] = {}
    for event in told:
        if event["type"] == "content_block_start":
            assert not opened
            opened = [event["index"]]
            own = event["content_block"].get("id", "text")
        elif event["type"] == "content_block_delta":
            assert opened == [event["index"]]
            inputs[own] = inputs.get(own, "") + event["delta"].get("partial_json", "")
        elif event["type"] == "content_block_stop":
            assert opened.pop() == event["index"]
    inputs.pop("text")
    assert inputs == {"c0": '{"a":[1,2]}', "c1": '{"b":{}}', "c2": "{}", "c3": '{"d":"}"}'}


def test_a_piece_is_sent_as_soon_as_its_block_may_go_on() -> None:
    writer = StreamWriter("m")
    sent = [bool(writer.write(event)) for event in TWO_CALLS]
    # Of the second call all waits, until the first one's arguments are whole.
    assert sent == [True, True, True, False, True, False, True, True, False, False]


def test_calls_in_a_row_wait_for_nothing() -> None:
    writer = StreamWriter("m")
    calls: list[Event] = [
        CallBegan(0, "a", "f"),
        CallPiece(0, "{}"),
        CallBegan(1, "b", "f"),
        CallPiece(1, '{"x"'),
        CallPiece(1, ":1}"),
    ]
    assert all(writer.write(event) for event in calls)


def test_text_within_a_call_waits_for_its_end(claude: Sdk) -> None:
    message = claude.stream(
        streamed(
            [
                CallBegan(0, "a", "f"),
                CallPiece(0, '{"x"'),
                TextPiece("Now "),
                TextPiece("then."),
                CallPiece(0, ":1}"),
                CallPiece(0, "\n"),
                Finished("tool_calls"),
            ]
        )
    )
    assert [block.get("input", block.get("text")) for block in message["content"]] == [
        {"x": 1},
        "Now then.",
    ]


def test_a_call_cut_off_leaves_what_waited_to_be_told_at_the_end(claude: Sdk) -> None:
    cut: list[Event] = [
        CallBegan(0, "a", "f"),
        CallPiece(0, '{"x":'),
        CallBegan(1, "b", "g"),
        TextPiece("Well."),
        Finished("length"),
    ]
    message = claude.stream(streamed(cut))
    assert [block["type"] for block in message["content"]] == ["tool_use", "tool_use", "text"]
    assert message["stop_reason"] == "max_tokens"


def test_thinking_is_signed_before_the_text_begins(claude: Sdk) -> None:
    thinking: list[Event] = [
        ThinkingPiece("Let me "),
        ThinkingPiece("see."),
        ThinkingSealed("sig"),
        ThinkingSealed(redacted="opaque"),
        ThinkingSealed("only signed"),
        TextPiece("Yes."),
        Finished("stop"),
    ]
    message = claude.stream(streamed(thinking))
    assert message["content"] == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "thinking", "thinking": "", "signature": "only signed"},
        {"type": "text", "text": "Yes."},
    ]
    assert message["content"] == write_answer(thinking, "m")["content"]


def test_thinking_that_nobody_signed_has_an_empty_signature(claude: Sdk) -> None:
    unsigned: list[Event] = [ThinkingPiece("Hm."), TextPiece("Yes."), Finished("stop")]
    message = claude.stream(streamed(unsigned))
    assert message["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": ""}
    assert message["content"] == write_answer(unsigned, "m")["content"]


def test_another_vendors_reasoning_item_comes_back_through_the_signature() -> None:
    item = {"type": "reasoning", "id": "rs_1", "encrypted_content": "x/+=", "summary": []}
    found: list[Event] = [ThinkingPiece("Hm."), ThinkingSealed(details=item), TextPiece("Yes.")]
    content = write_answer(found, "m")["content"]
    question = {"role": "user", "content": "q"}
    chat = read_chat({"messages": [question, {"role": "assistant", "content": content}, question]})
    thinking = chat.messages[1].parts[0]
    assert (thinking.text, thinking.signature, thinking.details) == ("Hm.", None, item)  # type: ignore[union-attr]


def test_usage_is_told_as_anthropic_counts_it(claude: Sdk) -> None:
    assert claude.stream(streamed(TWO_CALLS))["usage"] == {
        "input_tokens": 15,
        "cache_read_input_tokens": 5,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    assert write_answer(TWO_CALLS, "m")["usage"]["input_tokens"] == 15


def test_an_estimate_stands_in_the_head_until_the_count_is_known() -> None:
    writer = StreamWriter("m", input_tokens=123)
    head, delta = parsed(writer.write(Began())), parsed(writer.end())[0]
    assert head[0]["message"]["usage"]["input_tokens"] == 123
    assert delta["usage"]["input_tokens"] == 123
    assert isinstance(delta["usage"]["output_tokens"], int)


def test_a_stream_without_events_is_a_message_nevertheless(claude: Sdk) -> None:
    message = claude.stream(streamed([]))
    assert (message["content"], message["stop_reason"]) == ([], "end_turn")
    assert message["id"].startswith("msg_")


def test_only_the_first_choice_is_told(claude: Sdk) -> None:
    found: list[Event] = [
        TextPiece("one"),
        TextPiece("two", choice=1),
        Finished("stop"),
        Finished("length", choice=1),
    ]
    message = claude.stream(streamed(found))
    assert (message["content"][0]["text"], message["stop_reason"]) == ("one", "end_turn")
    assert write_answer(found, "m")["content"] == message["content"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([Finished("stop")], "end_turn"),
        ([Finished("stop", stop_sequence="END")], "stop_sequence"),
        ([Finished("length")], "max_tokens"),
        ([Finished("content_filter")], "refusal"),
        ([Finished("tool_calls")], "tool_use"),
        ([CallBegan(0, "a", "f"), Finished("stop")], "tool_use"),
        ([RefusalPiece("I must not."), Finished("stop")], "refusal"),
        ([Finished("stop", native={"anthropic": {"stop_reason": "pause_turn"}})], "pause_turn"),
        ([Finished("length", native={"gemini": {"finishReason": "MAX_TOKENS"}})], "max_tokens"),
    ],
)
def test_every_end_has_its_word(claude: Sdk, found: list[Event], reason: str) -> None:
    message = claude.stream(streamed(found))
    assert message["stop_reason"] == reason
    assert write_answer(found, "m")["stop_reason"] == reason


def test_a_refusal_says_why(claude: Sdk) -> None:
    found: list[Event] = [RefusalPiece("I must "), RefusalPiece("not."), Finished("stop")]
    message = claude.stream(streamed(found))
    assert message["content"] == [{"type": "text", "text": "I must not."}]
    assert message["stop_details"]["explanation"] == "I must not."
    read_back = read_answer(write_answer(found, "m"))
    assert Finished("content_filter", explanation="I must not.") in read_back


def test_citations_stay_with_their_text_and_others_words_are_left_out(claude: Sdk) -> None:
    source = {
        "type": "search_result_location",
        "cited_text": "x",
        "source": "s",
        "search_result_index": 0,
        "start_block_index": 0,
        "end_block_index": 1,
    }
    found: list[Event] = [
        TextPiece("Known. "),
        TextPiece("", native={"anthropic": {"type": "text"}}),
        TextPiece("Cited."),
        Cited(source),
        Cited({"type": "url_citation", "url": "https://example.com"}),
        Finished("stop"),
    ]
    message = claude.stream(streamed(found))
    assert [block.get("citations") for block in message["content"]] == [None, [source]]
    assert write_answer(found, "m")["content"][1]["citations"] == [source]


def test_ids_are_made_fit_and_missing_ones_are_made() -> None:
    found: list[Event] = [
        CallBegan(0, "functions.f:0", "f"),
        CallPiece(0, ""),
        CallBegan(1, "", "f"),
        CallPiece(1, "{}"),
    ]
    first, second = write_answer(found, "m")["content"]
    assert (first["id"], first["input"]) == ("functions_f_0", {})
    assert second["id"].startswith("toolu_")


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ("", {}),
        ('{"a":1}', {"a": 1}),
        ("[1]", {"arguments": [1]}),
        ('{"a":', {"arguments": '{"a":'}),
    ],
)
def test_arguments_that_are_no_object_are_kept_in_one(arguments: str, kept: Any) -> None:
    found: list[Event] = [CallBegan(0, "a", "f"), CallPiece(0, arguments)]
    assert write_answer(found, "m")["content"][0]["input"] == kept


def test_keep_alives_do_not_disturb(claude: Sdk) -> None:
    pieces = streamed(TWO_CALLS)
    with_pings = [part for piece in pieces for part in (KEEP_ALIVE, piece)]
    assert claude.stream(with_pings) == claude.stream(pieces)
    assert claude.event_types(with_pings)[-2:] == ["message_delta", "message_stop"]


def test_an_error_in_the_stream_reaches_the_client_as_one(claude: Sdk) -> None:
    pieces = [StreamWriter("m").write(TextPiece("Half")), error_event(UpstreamOverloaded("Full"))]
    with pytest.raises(anthropic.APIStatusError, match="Full") as raised:
        claude.stream(pieces)
    assert raised.value.type == "overloaded_error"
    with pytest.raises(anthropic.APIStatusError, match="cut"):
        claude.stream([pieces[0], error_event(UpstreamError("cut"))])
