"""Answers for clients of this dialect: every rule on which the SDKs rely."""

from typing import Any

import openai
import orjson
import pytest

from gateway.chat import Usage
from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Counted,
    Event,
    Finished,
    FinishReason,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.openai_chat import (
    StreamReader,
    StreamWriter,
    error_event,
    read_answer,
    read_chat,
    write_answer,
)
from gateway.errors import UpstreamOverloaded
from gateway.sse import data_of, events
from tests.dialects.openai_chat_sdk import (
    accumulated,
    chunks,
    completion,
    feed,
    read,
    streamed,
    written,
)
from tests.upstream import Upstream

BEGAN = Began("chatcmpl-1", "m", 5)
COUNTED = Counted(Usage(9, 4, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1))
# All that an answer can say.
RICH: list[Event] = [
    BEGAN,
    ThinkingPiece("a "),
    ThinkingPiece("thought"),
    ThinkingSealed("s"),
    ThinkingSealed(redacted="d"),
    ThinkingSealed(details={"type": "reasoning.encrypted", "data": "e"}),
    TextPiece("Hello"),
    TextPiece(" there"),
    TextPiece("", signature="g"),
    Cited({"type": "web_search_result_location", "url": "https://x.test", "title": "x"}),
    Cited({"type": "char_location", "cited_text": "c"}),
    CallBegan(0, "call_1", "f", signature="h"),
    CallPiece(0, '{"a":'),
    CallBegan(1, "call_2", "g"),
    CallPiece(0, "1}"),
    Finished("tool_calls"),
    COUNTED,
]


def raw(stream: bytes) -> list[dict[str, Any]]:
    """The chunks as they stand in the stream."""
    *said, done = map(data_of, events(stream))
    assert done == b"[DONE]"
    return [orjson.loads(data) for data in said]


def deltas(stream: bytes, choice: int = 0) -> list[dict[str, Any]]:
    return [
        each["delta"]
        for chunk in raw(stream)
        for each in chunk["choices"]
        if each["index"] == choice
    ]


def test_a_stream_is_word_for_word_as_the_dialect_has_it() -> None:
    stream = written([BEGAN, TextPiece("He"), Finished("stop"), Counted(Usage(1, 2))])
    head = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m",'
    role = b'"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},'
    assert stream == b"".join(
        [
            head + role + b'"logprobs":null,"finish_reason":null}],"usage":null}\n\n',
            head + b'"choices":[{"index":0,"delta":{"content":"He"},"logprobs":null,',
            b'"finish_reason":null}],"usage":null}\n\n',
            head + b'"choices":[{"index":0,"delta":{},"logprobs":null,',
            b'"finish_reason":"stop"}],"usage":null}\n\n',
            head + b'"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,',
            b'"total_tokens":3}}\n\n',
            b"data: [DONE]\n\n",
        ]
    )


def test_who_did_not_ask_for_usage_does_not_see_it() -> None:
    stream = written(RICH, include_usage=False)
    assert b"usage" not in stream
    assert all(chunk.choices for chunk in chunks(stream))


def test_usage_has_a_chunk_of_its_own_and_the_others_have_null() -> None:
    *others, last = raw(written(RICH))
    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }


def test_an_unknown_usage_has_no_chunk() -> None:
    assert all(chunk.choices for chunk in chunks(written([TextPiece("a"), Finished("stop")])))


def test_every_chunk_has_the_same_id_time_and_model() -> None:
    heads = {(c.id, c.created, c.model, c.object) for c in chunks(written(RICH))}
    assert heads == {("chatcmpl-1", 5, "m", "chat.completion.chunk")}


def test_what_the_vendor_does_not_tell_is_made_up_once() -> None:
    heads = {(c.id, c.created, c.model) for c in chunks(written([TextPiece("a"), *RICH[2:]]))}
    ((made, created, model),) = heads
    assert made.startswith("chatcmpl-")
    assert created > 1_700_000_000
    assert model == "model"


def test_nothing_is_sent_before_there_is_something_to_say() -> None:
    writer = StreamWriter("m")
    assert writer.write(BEGAN) == b""
    assert writer.write(COUNTED) == b""
    assert writer.write(TextPiece("a")).count(b"data: ") == 2


def test_pieces_are_sent_at_once() -> None:
    writer = StreamWriter("m")
    writer.write(TextPiece("a"))
    for piece in (TextPiece("b"), ThinkingPiece("c"), RefusalPiece("d"), CallBegan(0, "1", "f")):
        assert writer.write(piece).count(b"data: ") == 1
    assert writer.write(CallPiece(0, "{}")).count(b"data: ") == 1


def test_an_id_and_a_name_come_once_and_indexes_are_dense() -> None:
    found: list[Event] = [CallBegan(3, "call_1", "f"), CallPiece(3, "{")]
    found.append(CallBegan(5, "call_2", "g"))
    found += [CallPiece(5, "{}"), CallPiece(3, "}")]
    pieces = [piece for delta in deltas(written(found)) for piece in delta.get("tool_calls", [])]
    assert pieces == [
        {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": "f", "arguments": ""},
        },
        {"index": 0, "function": {"arguments": "{"}},
        {
            "index": 1,
            "id": "call_2",
            "type": "function",
            "function": {"name": "g", "arguments": ""},
        },
        {"index": 1, "function": {"arguments": "{}"}},
        {"index": 0, "function": {"arguments": "}"}},
    ]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    found: list[Event] = [CallBegan(0, "call_1", "f"), Finished("tool_calls")]
    (said,) = read(accumulated(chunks(written(found)))).choices
    assert said.tools == [("f", {})]
    pieces = [delta["tool_calls"] for delta in deltas(written(found)) if "tool_calls" in delta]
    assert pieces[1] == [{"index": 0, "function": {"arguments": "{}"}}]
    message = write_answer(found, "m")["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("order", [[1, 0], [2, 1, 0], [0, 2, 1]])
def test_choices_open_in_order(order: list[int]) -> None:
    found: list[Event] = [TextPiece(str(at), at) for at in order]
    found += [TextPiece("!", at) for at in order]
    found += [Finished("stop", at) for at in order]
    shown = [each.index for chunk in chunks(written(found)) for each in chunk.choices]
    assert list(dict.fromkeys(shown)) == sorted(order)
    said = read(accumulated(chunks(written(found)))).choices
    assert [each.text for each in said] == [f"{at}!" for at in sorted(order)]


def test_a_choice_that_never_comes_leaves_no_gap() -> None:
    found: list[Event] = [TextPiece("b", 1), TextPiece("d", 3), Finished("stop", 3)]
    said = read(accumulated(chunks(written(found)))).choices
    assert [each.text for each in said] == ["b", "d"]
    assert [c.message.content for c in completion(write_answer(found, "m")).choices] == ["b", "d"]


def test_a_choice_finishes_once_and_after_all_else() -> None:
    found: list[Event] = [TextPiece("a"), Finished("stop"), TextPiece("b"), Finished("length")]
    reasons = [c.choices[0].finish_reason for c in chunks(written(found))]
    assert reasons == [None, None, None, "length"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [([], "stop"), ([TextPiece("a")], "stop"), ([CallBegan(0, "1", "f")], "tool_calls")],
)
def test_an_answer_always_ends_for_some_reason(found: list[Event], reason: FinishReason) -> None:
    assert chunks(written(found))[-1].choices[0].finish_reason == reason
    assert completion(write_answer(found, "m")).choices[0].finish_reason == reason


def test_thoughts_stream_and_their_seals_come_with_the_end() -> None:
    found = deltas(written(RICH))
    assert [d["reasoning_content"] for d in found if "reasoning_content" in d] == ["a ", "thought"]
    *before, last = found
    assert last["thinking_blocks"] == [
        {"type": "thinking", "thinking": "a thought", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
    ]
    assert last["reasoning_details"] == [{"type": "reasoning.encrypted", "data": "e"}]
    assert last["extra_content"] == {"google": {"thought_signature": "g"}}
    assert not any("thinking_blocks" in delta for delta in before)


def test_sources_come_with_the_end() -> None:
    last = deltas(written(RICH))[-1]
    (note,) = last["annotations"]
    assert note["url_citation"] == {
        "start_index": 11,
        "end_index": 11,
        "title": "x",
        "url": "https://x.test",
    }
    assert last["citations"] == [{"type": "char_location", "cited_text": "c"}]


def test_the_sources_of_other_dialects_have_their_addresses() -> None:
    found: list[dict[str, Any]] = [
        {"url": "u1"},
        {
            "groundingMetadata": {
                "groundingChunks": [{"web": {"uri": "u2", "title": "t"}}, {"web": {"uri": "u3"}}]
            }
        },
        {"citationMetadata": {"citations": [{"uri": "u4", "startIndex": 1, "endIndex": 2}]}},
        {"type": "url_citation", "url_citation": {"url": "u5", "content": "c"}},
        {"type": "url_citation", "url": "u6", "title": "t", "start_index": 3, "end_index": 4},
        {"url": "u1"},
    ]
    answer = completion(write_answer([Cited(each) for each in found], "m"))
    notes = [note.url_citation for note in answer.choices[0].message.annotations or []]
    assert [note.url for note in notes] == ["u1", "u2", "u3", "u4", "u5", "u6"]
    assert [(note.start_index, note.end_index) for note in notes[3:]] == [(1, 2), (0, 0), (3, 4)]


def test_why_content_was_withheld_is_a_refusal() -> None:
    found: list[Event] = [Finished("content_filter", explanation="blocked: SAFETY")]
    message = completion(write_answer(found, "m")).choices[0].message
    assert (message.content, message.refusal) == (None, "blocked: SAFETY")
    assert read(accumulated(chunks(written(found)))).choices[0].refusal == "blocked: SAFETY"


def test_a_refusal_is_not_said_twice() -> None:
    found: list[Event] = [RefusalPiece("I "), RefusalPiece("will not"), Finished("stop")]
    found[-1] = Finished("content_filter", explanation="refused")
    assert completion(write_answer(found, "m")).choices[0].message.refusal == "I will not"
    assert read(accumulated(chunks(written(found)))).choices[0].refusal == "I will not"


def test_a_custom_call_goes_as_the_wire_has_it() -> None:
    found: list[Event] = [CallBegan(0, "1", "c", custom=True), CallPiece(0, "i")]
    call = completion(write_answer(found, "m")).choices[0].message.tool_calls or []
    assert call[0].model_dump() == {
        "id": "1",
        "type": "custom",
        "custom": {"name": "c", "input": "i"},
    }
    first, second = (d["tool_calls"][0] for d in deltas(written(found)) if "tool_calls" in d)
    assert first == {
        "index": 0,
        "id": "1",
        "type": "custom",
        "custom": {"name": "c", "input": ""},
    }
    assert second == {"index": 0, "custom": {"input": "i"}}


def test_the_whole_answer_says_the_same_as_the_stream() -> None:
    whole = completion(write_answer(RICH, "model"))
    assert read(whole) == read(accumulated(chunks(written(RICH))))
    assert whole.choices[0].logprobs is None


def test_the_content_is_null_only_beside_calls_or_a_refusal() -> None:
    def content(*found: Event) -> Any:
        return write_answer(found, "m")["choices"][0]["message"]["content"]

    assert content(CallBegan(0, "1", "f")) is None
    assert content(RefusalPiece("no")) is None
    assert content(ThinkingPiece("h")) == ""
    assert content(TextPiece("t"), CallBegan(0, "1", "f")) == "t"


def test_log_probabilities_of_a_vendor_of_the_dialect_are_kept() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97]}
    told = {"content": [{**entry, "top_logprobs": [entry]}], "refusal": None}
    choice = {"index": 0, "message": {"content": "a"}, "logprobs": told, "finish_reason": "stop"}
    found = read_answer({"choices": [choice]})
    assert completion(write_answer(found, "m")).choices[0].model_dump()["logprobs"] == told
    answer = accumulated(chunks(written(found)))
    assert answer.choices[0].model_dump()["logprobs"]["content"] == told["content"]

    reader = StreamReader()
    pieces = [
        {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": told}]},
        {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": told}]},
    ]
    streamed_events = [e for piece in pieces for e in reader.feed(orjson.dumps(piece))]
    streamed_events += reader.feed(b"[DONE]")
    logprobs = completion(write_answer(streamed_events, "m")).choices[0].logprobs
    assert logprobs is not None and len(logprobs.content or []) == 2


def test_details_with_equal_numbers_are_renumbered_for_the_accumulator() -> None:
    items = [{"type": "reasoning.text", "text": t, "format": "f", "index": 0} for t in "ab"]
    found: list[Event] = [ThinkingSealed(details=item) for item in items]
    (said,) = read(accumulated(chunks(written(found)))).choices
    assert said.extra["reasoning_details"] == [{**items[0]}, {**items[1], "index": 1}]


def test_what_is_written_is_read_again() -> None:
    """But for the pieces' borders and places: a client that is a gateway itself loses nothing."""
    again = feed(StreamReader(), written(RICH))
    rewritten = read(accumulated(chunks(written(again))))
    wanted = read(accumulated(chunks(written(RICH))))
    assert rewritten.choices[0].extra == wanted.choices[0].extra
    assert rewritten == wanted


def test_the_state_of_thoughts_comes_back_with_the_clients_next_question() -> None:
    """Whatever a client keeps of the message, it sends back as it got it."""
    message = accumulated(chunks(written(RICH))).choices[0].message.model_dump(exclude_none=True)
    chat = read_chat({"messages": [{"role": "user", "content": "q"}, message]})
    whole = write_answer(RICH, "m")["choices"][0]["message"]
    assert (
        chat.messages[1]
        == read_chat({"messages": [{"role": "user", "content": "q"}, whole]}).messages[1]
    )
    kinds = [type(part).__name__ for part in chat.messages[1].parts]
    assert kinds == ["Thinking"] * 3 + ["Text"] + ["ToolCall"] * 2


def test_the_sdks_own_helper_reads_the_stream_from_a_socket(upstream: Upstream) -> None:
    with streamed(upstream, written(RICH)) as found:
        assert read(accumulated(list(found))) == read(completion(write_answer(RICH, "model")))


def test_an_error_in_the_middle_reaches_the_sdk(upstream: Upstream) -> None:
    writer = StreamWriter("m")
    begun = writer.write(TextPiece("a"))
    broken = begun + error_event(UpstreamOverloaded("too much to do"))
    with streamed(upstream, broken) as found:
        with pytest.raises(openai.APIError, match="too much to do"):
            list(found)
