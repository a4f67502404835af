"""What vendors of this dialect really send: each oddity is read as what it means."""

from typing import Any

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
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.openai_chat import StreamReader, read_answer

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def whole(message: dict[str, Any], reason: Any = "stop", **fields: Any) -> list[Event]:
    """The events between the beginning and the end."""
    choice = {"index": 0, "message": message, "finish_reason": reason}
    began, *events = read_answer({"id": "i", "choices": [choice], **fields})
    assert began == Began("i")
    return events


def stream(*chunks: Any, done: bool = True) -> list[Event]:
    """The events of a stream, but for the beginning."""
    reader = StreamReader()
    events: list[Event] = []
    for chunk in chunks:
        events += reader.feed(orjson.dumps(chunk))
    if done:
        events += reader.feed(b"[DONE]")
    return [event for event in events + reader.finish() if not isinstance(event, Began)]


def delta(reason: Any = None, index: int = 0, **members: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": members, "finish_reason": reason}]}


def calls(events: list[Event]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call."""
    found = {event.call: [event.id, event.name, ""] for event in events_of(events, CallBegan)}
    assert list(found) == list(range(len(found)))
    for piece in events_of(events, CallPiece):
        found[piece.call][2] += piece.arguments
    return [(call_id, name, arguments) for call_id, name, arguments in found.values()]


def events_of(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def usage(events: list[Event]) -> Usage:
    (counted,) = events_of(events, Counted)
    found: Usage = counted.usage
    return found


# ---- how it ends


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("error", "length"),
        ("insufficient_system_resource", "length"),
        ("eos", "stop"),
        ("tool_calls", "stop"),
        ("", "stop"),
        (None, "stop"),
        (5, "stop"),
    ],
)
def test_a_word_for_the_end_is_understood(word: Any, reason: Any) -> None:
    assert whole({"content": "t"}, word) == [TextPiece("t"), Finished(reason)]


@pytest.mark.parametrize("word", ["stop", "tool_calls", "function_call", "", None])
def test_an_answer_that_calls_tools_ends_for_that(word: Any) -> None:
    """vLLM says "stop" after the call of a named tool."""
    assert whole({"tool_calls": [CALL]}, word)[-1] == Finished("tool_calls")
    assert stream(delta(tool_calls=[CALL]), delta(word))[-1] == Finished("tool_calls")


def test_a_call_that_was_cut_off_ends_for_length() -> None:
    assert whole({"tool_calls": [CALL]}, "length")[-1] == Finished("length")


def test_the_end_comes_after_what_a_vendor_adds_to_it() -> None:
    events = stream(delta(content="a"), delta("stop"), delta(content="b"), delta("stop"))
    assert events == [TextPiece("a"), TextPiece("b"), Finished("stop")]


def test_each_choice_ends_for_itself() -> None:
    events = stream(
        delta(index=1, content="b"),
        delta(content="a"),
        delta("length", index=1),
        delta("stop"),
    )
    assert events[:2] == [TextPiece("b", 1), TextPiece("a")]
    assert events[2:] == [Finished("stop"), Finished("length", 1)]


def test_a_stream_that_only_says_it_is_done_has_ended() -> None:
    assert stream(delta(content="a")) == [TextPiece("a"), Finished("stop")]


def test_a_stream_that_says_neither_has_not() -> None:
    assert stream(delta(content="a"), done=False) == [TextPiece("a")]


def test_nothing_is_read_after_the_terminator() -> None:
    reader = StreamReader()
    assert reader.feed(b"[DONE]") == []
    assert reader.feed(orjson.dumps(delta(content="a"))) == []
    assert reader.finish() == []


# ---- failures


@pytest.mark.parametrize(
    ("data", "name", "failure"),
    [
        (b'{"error":{"message":"m"}}', None, {"error": {"message": "m"}}),
        (b'{"error":"m","choices":[]}', None, {"error": "m", "choices": []}),
        (b'[{"error":{"code":503}}]', None, {"error": {"code": 503}}),
        (b'{"object":"error","message":"m"}', None, {"object": "error", "message": "m"}),
        (b'{"detail":"m"}', None, {"detail": "m"}),
        (b'{"message":"m"}', "error", {"message": "m"}),
        (b"<html>", None, "<html>"),
        (b"broken", "error", "broken"),
        (b'{"x_groq":{"error":"m"},"choices":[]}', None, {"error": "m"}),
    ],
)
def test_a_failure_is_told_as_it_came(data: bytes, name: str | None, failure: Any) -> None:
    reader = StreamReader()
    assert reader.feed(data, name) == []
    assert reader.failure == failure
    assert not reader.ended
    assert reader.feed(orjson.dumps(delta(content="a"))) == []


def test_a_choice_that_ends_with_an_error_is_a_failure() -> None:
    reader = StreamReader()
    events = reader.feed(orjson.dumps(delta("error", content="a")))
    assert events[1:] == [TextPiece("a")]
    assert reader.failure["error"]["code"] == "error"
    assert reader.finish() == []


def test_an_error_that_is_null_is_none() -> None:
    assert stream({**delta(content="a"), "error": None})[0] == TextPiece("a")


def test_what_is_unreadable_in_the_middle_is_passed_over() -> None:
    reader = StreamReader()
    reader.feed(orjson.dumps(delta(content="a")))
    assert reader.feed(b"{") == [] == reader.feed(b"") == reader.feed(b"5")
    assert reader.failure is None


# ---- the beginning


def test_azures_first_chunk_is_not_the_beginning() -> None:
    reader = StreamReader()
    empty = {"choices": [], "id": "", "model": "", "created": 0, "prompt_filter_results": [{}]}
    assert reader.feed(orjson.dumps(empty)) == []
    first = {**delta(content="a"), "id": "i", "model": "m", "created": 5}
    assert reader.feed(orjson.dumps(first)) == [Began("i", "m", 5), TextPiece("a")]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (1_700_000_000, 1_700_000_000),
        (1_700_000_000.75, 1_700_000_000),
        (1_700_000_000_123, 1_700_000_000),
        ("1700000000", 1_700_000_000),
        (0, None),
        (True, None),
        ("now", None),
        (None, None),
        (1e300, None),
    ],
)
def test_the_time_is_in_seconds(given: Any, seconds: int | None) -> None:
    (began,) = read_answer({"created": given})
    assert began == Began(created=seconds)


@pytest.mark.parametrize("choices", [None, [], {}, "x", [None]])
def test_an_answer_without_choices_is_empty(choices: Any) -> None:
    assert read_answer({"choices": choices}) == [Began()]
    assert stream({"id": "i", "choices": choices}) == []


def test_choices_without_an_index_are_counted() -> None:
    found = read_answer({"choices": [{"message": {"content": t}} for t in "ab"]})
    assert events_of(found, TextPiece) == [TextPiece("a"), TextPiece("b", 1)]
    same = read_answer({"choices": [{"index": 0, "message": {"content": t}} for t in "ab"]})
    assert events_of(same, TextPiece) == [TextPiece("a"), TextPiece("b", 1)]


# ---- text


def test_the_content_may_be_a_list() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}], "closed": True},
        {"type": "text", "text": "a"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "b"},
    ]
    cited = Cited({"type": "reference", "reference_ids": [1]})
    wanted = [ThinkingPiece("h"), TextPiece("a"), TextPiece("b"), cited, Finished("stop")]
    assert whole({"content": content}) == wanted
    assert stream(delta(content=content), delta("stop")) == wanted


def test_perplexitys_message_beside_the_delta_is_not_read_twice() -> None:
    chunk = delta(content="b")
    chunk["choices"][0]["message"] = {"role": "assistant", "content": "ab"}
    assert events_of(stream(delta(content="a"), chunk), TextPiece) == [
        TextPiece("a"),
        TextPiece("b"),
    ]


def test_a_whole_message_in_a_chunk_is_read_if_there_is_no_delta() -> None:
    chunk = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}
    assert stream(chunk) == [TextPiece("a"), Finished("stop")]


def test_a_refusal_is_told_wherever_it_stands() -> None:
    wanted = [RefusalPiece("no"), Finished("stop")]
    assert whole({"content": None, "refusal": "no"}) == wanted
    assert whole({"content": [{"type": "refusal", "refusal": "no"}]}) == wanted
    assert stream(delta(refusal="no"), delta("stop")) == wanted


# ---- thoughts


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_have_two_names(name: str) -> None:
    wanted = [ThinkingPiece("h"), TextPiece("t"), Finished("stop")]
    assert whole({name: "h", "content": "t"}) == wanted
    thought: Any = {name: "h"}
    assert stream(delta(**thought), delta(content="t"), delta("stop")) == wanted


def test_the_same_thoughts_under_both_names_count_once() -> None:
    both: dict[str, Any] = {"reasoning": "h", "reasoning_content": "h"}
    assert events_of(whole(both), ThinkingPiece) == [ThinkingPiece("h")]
    assert events_of(stream(delta(**both)), ThinkingPiece) == [ThinkingPiece("h")]


def test_a_block_of_thoughts_that_comes_twice_counts_once_and_a_word_twice() -> None:
    block = "The user wants to know the capital of France."
    events = stream(delta(reasoning_content=block), delta(reasoning_content=block))
    assert events_of(events, ThinkingPiece) == [ThinkingPiece(block)]
    assert len(events_of(stream(*[delta(reasoning="ha ")] * 2), ThinkingPiece)) == 2


def test_openrouters_details_are_put_together_and_sealed_where_the_thoughts_end() -> None:
    kind = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    events = stream(
        delta(reasoning="a", reasoning_details=[{**kind, "text": "a"}]),
        delta(reasoning="b", reasoning_details=[{**kind, "text": "b"}]),
        delta(reasoning_details=[{**kind, "text": None, "signature": "s"}]),
        delta(content="t"),
        delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "d", "index": 1}]),
        delta("stop"),
    )
    item = {**kind, "text": "ab", "signature": "s"}
    assert events == [
        ThinkingPiece("a"),
        ThinkingPiece("b"),
        ThinkingSealed("s", details=item),
        TextPiece("t"),
        ThinkingSealed(details={"type": "reasoning.encrypted", "data": "d", "index": 1}),
        Finished("stop"),
    ]


def test_details_without_plain_thoughts_are_the_thoughts() -> None:
    item = {"type": "reasoning.summary", "summary": "h"}
    wanted = [ThinkingPiece("h"), ThinkingSealed(details=item)]
    assert stream(delta(reasoning_details=[item]), done=False) == wanted
    assert whole({"reasoning_details": [item]})[:2] == wanted


def test_litellms_blocks_are_read_with_their_seals() -> None:
    signed = {"type": "thinking", "thinking": "", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "d"}
    piece = {"type": "thinking", "thinking": "h"}
    events = stream(
        delta(reasoning_content="h", thinking_blocks=[piece]),
        delta(thinking_blocks=[signed, redacted]),
        delta(content="t"),
        done=False,
    )
    wanted = [ThinkingPiece("h"), ThinkingSealed("s"), ThinkingSealed(redacted="d"), TextPiece("t")]
    assert events == wanted
    blocks = [{**signed, "thinking": "h"}, redacted]
    message = {"reasoning_content": "h", "thinking_blocks": blocks, "content": "t"}
    assert whole(message)[:-1] == wanted


def test_googles_signatures_are_read() -> None:
    own = {"extra_content": {"google": {"thought_signature": "g"}}}
    assert whole({"content": "t", **own})[:2] == [TextPiece("t"), TextPiece("", signature="g")]
    call = {**CALL, **own}
    assert whole({"tool_calls": [call]})[0] == CallBegan(0, "a", "f", signature="g")
    assert whole({"tool_calls": [CALL], **own})[0] == CallBegan(0, "a", "f", signature="g")
    assert stream(delta(tool_calls=[call]))[0] == CallBegan(0, "a", "f", signature="g")


# ---- tool calls


def test_calls_may_be_null_or_none() -> None:
    nothing: list[Any] = [None, [], {}, "x"]
    for calls_given in nothing:
        assert whole({"content": "t", "tool_calls": calls_given})[-1] == Finished("stop")


def test_a_call_arrives_in_pieces() -> None:
    events = stream(
        delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
        delta(
            tool_calls=[{"index": 0, "id": None, "function": {"name": None, "arguments": ":1}"}}]
        ),
        delta("tool_calls"),
    )
    assert calls(events) == [("a", "f", '{"a":1}')]


@pytest.mark.parametrize("first", [1, 7])
def test_calls_count_from_nought(first: int) -> None:
    pieces = [{**CALL, "id": str(at), "index": first + at} for at in range(2)]
    found = calls(stream(delta(tool_calls=pieces)))
    assert [call_id for call_id, _, _ in found] == ["0", "1"]


def test_calls_without_an_index_are_one_each() -> None:
    """Google's and Mistral's come whole."""
    second = {**CALL, "id": "b"}
    assert len(calls(stream(delta(tool_calls=[CALL, second])))) == 2
    assert len(calls(stream(delta(tool_calls=[CALL]), delta(tool_calls=[second])))) == 2


def test_calls_that_all_have_index_0_are_told_apart_by_their_ids() -> None:
    pieces = [{**CALL, "id": call_id, "index": 0} for call_id in "ab"]
    assert len(calls(stream(delta(tool_calls=pieces)))) == 2
    assert len(calls(whole({"tool_calls": pieces}))) == 2


def test_an_id_and_a_name_that_are_repeated_are_the_same_call() -> None:
    pieces = [{**CALL, "index": 0, "function": {"name": "f", "arguments": a}} for a in ("{", "}")]
    assert calls(stream(*[delta(tool_calls=[piece]) for piece in pieces])) == [("a", "f", "{}")]


@pytest.mark.parametrize("call_id", [None, "", "null", 5])
def test_a_call_without_an_id_gets_one(call_id: Any) -> None:
    for events in (
        whole({"tool_calls": [{**CALL, "id": call_id}] * 2}),
        stream(delta(tool_calls=[{**CALL, "id": call_id}] * 2)),
    ):
        ids = [found for found, _, _ in calls(events)]
        assert len(set(ids)) == 2
        assert all(len(found) == 29 and found.startswith("call_") for found in ids)


def test_an_id_that_is_given_twice_stays_with_the_first() -> None:
    (first, *_), (second, *_) = calls(whole({"tool_calls": [CALL, CALL]}))
    assert first == "a"
    assert second != "a"
    two = [{"index": at, "message": {"tool_calls": [CALL]}} for at in range(2)]
    began = events_of(read_answer({"choices": two}), CallBegan)
    assert began[0].id == "a" != began[1].id


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"a": 1}, '{"a":1}'), (None, ""), ("", ""), ("{", "{"), (5, "5"), ('" "', '" "')],
)
def test_arguments_may_be_of_any_kind(arguments: Any, text: str) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    assert calls(whole({"tool_calls": [call]})) == [("a", "f", text)]
    assert calls(stream(delta(tool_calls=[call]))) == [("a", "f", text)]


def test_a_call_without_arguments_has_none() -> None:
    assert calls(whole({"tool_calls": [{"id": "a", "function": {"name": "f"}}]})) == [
        ("a", "f", "")
    ]


def test_a_name_may_come_after_the_arguments_or_never() -> None:
    events = stream(
        delta(tool_calls=[{"index": 0, "id": "a", "function": {"arguments": "{"}}]),
        delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "}"}}]),
        delta(tool_calls=[{"index": 1, "id": "b", "function": {"arguments": "{}"}}]),
        delta("tool_calls"),
    )
    assert calls(events) == [("a", "f", "{}")]


def test_the_older_form_of_a_call_is_read() -> None:
    old = {"function_call": {"name": "f", "arguments": "{}"}}
    ((_, name, arguments),) = calls(whole(old, "function_call"))
    assert (name, arguments) == ("f", "{}")
    pieces = [{"name": "f", "arguments": ""}, {"arguments": "{"}, {"arguments": "}"}]
    ((_, name, arguments),) = calls(stream(*[delta(function_call=piece) for piece in pieces]))
    assert (name, arguments) == ("f", "{}")


def test_a_custom_call_has_its_input() -> None:
    call = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "i"}}
    assert whole({"tool_calls": [call]})[:2] == [
        CallBegan(0, "a", "c", custom=True),
        CallPiece(0, "i"),
    ]


# ---- sources


def test_sources_are_told_once_wherever_they_stand() -> None:
    perplexity = {"citations": ["u", "v"], "search_results": [{"url": "u", "title": "t"}]}
    wanted = [Cited({"url": "u", "title": "t"}), Cited({"url": "v"})]
    assert events_of(whole({"content": "a"}, **perplexity), Cited) == wanted
    chunks = [{**delta(content=text), **perplexity} for text in "ab"]
    assert events_of(stream(*chunks), Cited) == wanted


def test_annotations_are_told_at_the_end() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "u"}}
    assert stream(delta(annotations=[note]), delta(content="a"), delta("stop")) == [
        TextPiece("a"),
        Cited(note),
        Finished("stop"),
    ]


# ---- usage


def test_usage_may_come_in_any_chunk_and_the_last_one_counts() -> None:
    def counts(prompt: int, completion: int) -> dict[str, Any]:
        return {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}

    own = {**delta("stop"), "usage": None}
    for chunks in (
        [delta(content="a"), own, {"choices": [], **counts(1, 2)}],
        [delta(content="a"), {**delta("stop"), **counts(1, 2)}],
        [{**delta(content="a"), **counts(1, 1)}, {**delta("stop"), **counts(1, 2)}, own],
        [delta("stop"), {"choices": [], "x_groq": {"id": "g", **counts(1, 2)}}],
    ):
        events = stream(*chunks)
        assert usage(events) == Usage(1, 2)
        assert isinstance(events[-1], Counted)


@pytest.mark.parametrize(
    ("reported", "meant"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(1, 2)),
        # xAI: reasoning is not part of the completion, the cached may not be part of the prompt.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(10, 25, reasoning_tokens=20),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 30},
            },
            Usage(40, 5, cached_tokens=30),
        ),
        # OpenAI: it is.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 25,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(10, 25, reasoning_tokens=20),
        ),
        # DeepSeek, Mistral, Perplexity: names of their own.
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": 4},
            Usage(10, 1, cached_tokens=4),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "num_cached_tokens": 4},
            Usage(10, 1, cached_tokens=4),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "prompt_token_details": {"cached_tokens": 4},
            },
            Usage(10, 1, cached_tokens=4),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 9, "reasoning_tokens": 4},
            Usage(10, 9, reasoning_tokens=4),
        ),
    ],
)
def test_counts_mean_what_openais_do(reported: dict[str, Any], meant: Usage) -> None:
    assert usage(whole({"content": "a"}, usage=reported)) == meant


@pytest.mark.parametrize("reported", [None, {}, [], "x", {"total_tokens": 5}])
def test_an_answer_may_be_without_usage(reported: Any) -> None:
    assert events_of(whole({"content": "a"}, usage=reported), Counted) == []
