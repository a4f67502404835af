"""OpenAI's dialect: what a question must be, and what a stream tells, however it was cut."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.chat import Learned, Usage
from gateway.dialects.openai import (
    DONE,
    FIELDS,
    StreamMeter,
    error_body,
    error_event,
    meter_answer,
    read_request,
    usage_of,
)
from gateway.errors import BadRequest, NotFound
from gateway.sse import TooLong

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]


def question(**members: Any) -> bytes:
    return orjson.dumps({"messages": HELLO, **members})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "include_usage", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


class TestReadRequest:
    def test_takes_what_it_needs(self) -> None:
        raw = question(
            model="m", stream=True, stream_options={"include_usage": True, "x": 1}, top_k=3
        )
        request = read_request(raw)
        assert (request.raw, request.model) == (raw, "m")
        assert (request.stream, request.include_usage) == (True, True)
        assert request.body["top_k"] == 3

    def test_takes_nulls_for_what_is_not_given(self) -> None:
        request = read_request(question(**dict.fromkeys(FIELDS)))
        assert (request.model, request.stream, request.include_usage) == (None, False, False)

    @pytest.mark.parametrize("model", ["", None])
    def test_takes_an_empty_model_for_none(self, model: str | None) -> None:
        assert read_request(question(model=model)).model is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("model", 1),
            ("model", ["m"]),
            ("stream", "true"),
            ("stream", 1),
            ("stream_options", True),
            ("n", 0),
            ("n", 1.0),
            ("n", True),
            ("max_tokens", -1),
            ("max_tokens", "9"),
            ("max_completion_tokens", 2**64),
            ("temperature", "hot"),
            ("temperature", False),
            ("top_p", []),
            ("frequency_penalty", "0"),
            ("presence_penalty", {}),
            ("seed", 1.5),
            ("logprobs", 0),
            ("top_logprobs", "5"),
            ("logit_bias", []),
            ("stop", 1),
            ("stop", ["a", 1]),
            ("tools", {}),
            ("tools", ["get_weather"]),
            ("tool_choice", 1),
            ("parallel_tool_calls", "no"),
            ("response_format", "json_object"),
            ("user", 7),
            ("metadata", "x"),
        ],
    )
    def test_names_a_field_of_a_wrong_type(self, name: str, value: Any) -> None:
        with pytest.raises(BadRequest) as caught:
            read_request(json.dumps({"messages": HELLO, name: value}).encode())
        assert (caught.value.param, caught.value.code) == (name, "invalid_value")
        assert f"`{name}` must be " in caught.value.message

    @pytest.mark.parametrize(
        ("messages", "param"),
        [
            ([], "messages"),
            ({}, "messages"),
            ("Hello", "messages"),
            (0, "messages"),
            (["Hello"], "messages[0]"),
            ([*HELLO, None], "messages[1]"),
            ([{"content": "Hello"}], "messages[0].role"),
            ([{"role": None}], "messages[0].role"),
            ([{"role": "user", "content": 5}], "messages[0].content"),
            ([{"role": "user", "content": {}}], "messages[0].content"),
            ([{"role": "user", "content": [{}, "a"]}], "messages[0].content[1]"),
        ],
    )
    def test_names_the_message_at_fault(self, messages: Any, param: str) -> None:
        with pytest.raises(BadRequest) as caught:
            read_request(orjson.dumps({"messages": messages}))
        assert caught.value.param == param

    @pytest.mark.parametrize("raw", [b"{}", b'{"messages":null}'])
    def test_tells_when_messages_are_missing(self, raw: bytes) -> None:
        with pytest.raises(BadRequest) as caught:
            read_request(raw)
        assert caught.value.param == "messages"
        assert caught.value.code == "missing_required_parameter"

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"[]",
            b'"text"',
            b"null",
            b"\xff\xfe{}",
            b'{"messages": "\xff"}',
            b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
            b'{"temperature": 1e400}',
            b"[" * 100_000,
            b'{"a":' * 100_000,
        ],
        ids=lambda raw: repr(raw[:20]),
    )
    def test_refuses_what_is_no_json_object(self, raw: bytes) -> None:
        with pytest.raises(BadRequest) as caught:
            read_request(raw)
        assert caught.value.code == "invalid_json"

    @given(
        st.one_of(
            st.binary(max_size=20),
            JSON.map(orjson.dumps),
            st.dictionaries(st.sampled_from(["messages", *FIELDS]), JSON).map(orjson.dumps),
            st.lists(JSON).map(lambda messages: orjson.dumps({"messages": messages})),
        )
    )
    def test_takes_or_refuses_anything(self, raw: bytes) -> None:
        try:
            request = read_request(raw)
        except BadRequest as refusal:
            assert refusal.message
        else:
            assert request.body == orjson.loads(raw)


class TestUsage:
    def test_has_every_count(self) -> None:
        found = {
            "prompt_tokens": 9,
            "completion_tokens": 4,
            "total_tokens": 13,
            "prompt_tokens_details": {
                "cached_tokens": 5,
                "cache_write_tokens": 2,
                "audio_tokens": 1,
            },
            "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 6},
        }
        assert usage_of(found) == Usage(9, 4, 5, 2, 3, 1, 6)

    @pytest.mark.parametrize(
        ("found", "usage"),
        [
            (None, None),
            ({}, None),
            ([], None),
            ("9", None),
            ({"total_tokens": 9}, None),
            ({"prompt_tokens": 0}, Usage(input_tokens=0)),
            ({"prompt_tokens": None, "completion_tokens": 1}, Usage(output_tokens=1)),
            ({"prompt_tokens": "9", "completion_tokens": 1}, Usage(output_tokens=1)),
            ({"prompt_tokens": True, "completion_tokens": -1}, None),
            ({"prompt_tokens": 9.0}, Usage(input_tokens=9)),
            ({"prompt_tokens": 1e300}, None),
            ({"prompt_tokens": 2**63, "completion_tokens": 1}, Usage(output_tokens=1)),
            (
                {"prompt_tokens": 1, "prompt_tokens_details": None, "completion_tokens_details": 5},
                Usage(input_tokens=1),
            ),
            ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8}, Usage(9, cached_tokens=8)),
        ],
    )
    def test_takes_what_is_there(self, found: Any, usage: Usage | None) -> None:
        assert usage_of(found) == usage

    @pytest.mark.parametrize(
        ("total", "output"), [(112, 12), (107, 7), (None, 7), (0, 7), ("112", 7)]
    )
    def test_adds_what_was_reasoned_if_only_the_total_has_it(self, total: Any, output: int) -> None:
        found = {
            "prompt_tokens": 100,
            "completion_tokens": 7,
            "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": 5},
        }
        assert usage_of(found) == Usage(100, output, reasoning_tokens=5)

    @given(
        st.dictionaries(
            st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"]),
            JSON | st.floats(),
        ),
        st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), JSON) | JSON,
    )
    def test_is_made_of_sane_counts_alone(self, counts: dict[str, Any], details: Any) -> None:
        found = counts | {"prompt_tokens_details": details, "completion_tokens_details": details}
        usage = usage_of(found)
        if usage is not None:
            numbers = [getattr(usage, name) for name in Usage.__slots__]
            assert all(n is None or (type(n) is int and 0 <= n < 2**63) for n in numbers)


class TestAWholeAnswer:
    def test_tells(self) -> None:
        calls = [{"function": {"name": "f"}}, {"custom": {"name": "g"}}, {"function": None}, 5]
        learned = Learned()
        body = {
            "choices": [
                {"finish_reason": "tool_calls", "message": {"content": "abc", "tool_calls": calls}},
                {"finish_reason": "stop", "message": {"content": None}},
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }
        meter_answer(body, learned)
        assert learned == Learned(Usage(1, 2), "tool_calls", ["f", "g"], 3, True)

    def test_may_tell_its_usage_as_groq_does(self) -> None:
        learned = Learned()
        meter_answer({"x_groq": {"usage": {"prompt_tokens": 3}}}, learned)
        assert learned.usage == Usage(3)

    @given(st.dictionaries(st.sampled_from(["choices", "usage", "x_groq"]), JSON))
    def test_may_be_odd(self, body: dict[str, Any]) -> None:
        learned = Learned()
        meter_answer(body, learned)
        assert learned.ended


def test_an_error_in_the_sdks_shape() -> None:
    error = NotFound("No such thing", param="model", code="x")
    error.extra = {"metadata": {"a": 1}, "message": "another"}
    own = {"message": "No such thing", "type": "invalid_request_error", "param": "model"}
    assert error_body(error) == {"error": {**own, "code": "x", "metadata": {"a": 1}}}
    assert orjson.loads(error_event(error).removeprefix(b"data: ")) == error_body(error)
    assert error_event(error).endswith(b"\n\n")


# Streams: generated ones, and a plain reading of them to compare with.

COUNTS = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
TEXTS = [
    "Hello",
    "",
    'usage": null, "finish_reason": "stop"',
    '{"usage":{"prompt_tokens":1},"error":"x","tool_calls":[]}',
    ',"usage":null',
    "[DONE]",
    "data: [DONE]\n\n",
    "usage",
    "error",
    "back\\",
    'quote\\"',
    "\u2028\u0085 é 😀",
]


def chunk(choices: Any, **members: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "choices": choices, **members}


def choice(delta: Any, finish_reason: Any = None, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish_reason}


def call(name: str | None, arguments: str) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": 0, "id": "call_1", "type": "function", "function": function}


def chunks() -> st.SearchStrategy[Any]:
    text = st.sampled_from(TEXTS)
    pieces_of_text = st.builds(
        lambda name, text: chunk([choice({name: text})]),
        st.sampled_from(["content", "reasoning_content", "reasoning", "refusal"]),
        text,
    )
    calls = st.builds(
        lambda name, text: chunk([choice({"tool_calls": [call(name, text)]})]),
        st.sampled_from(["get_weather", "usage", None]),
        text,
    )
    ends = st.builds(
        lambda reason, index: chunk([choice({}, reason, index)]),
        st.sampled_from(["stop", "tool_calls", "length", ""]),
        st.integers(0, 1),
    )
    counts = st.sampled_from([COUNTS, {"prompt_tokens": 3, "cost": 0.1}, None, {}, "usage", 5])
    usages = st.builds(
        lambda choices, usage: chunk(choices, usage=usage),
        st.sampled_from([[], [choice({"content": "x"})], [choice({}, "stop")], None]),
        counts,
    )
    odd = st.sampled_from(
        [
            chunk([], x_groq={"id": "r", "usage": COUNTS}),
            chunk([], x_groq=None),
            chunk([], prompt_filter_results=[{"usage": None, "error": None}]),
            chunk([choice(None), None, choice({"tool_calls": None})], error=None),
            chunk([choice({"tool_calls": [None, {"function": 5}, {"custom": {"name": "g"}}]})]),
            {"usage": None},
            {"usage": COUNTS, "nested": {"a": 1, "usage": None, "finish_reason": "x"}},
            [1, {"usage": COUNTS}],
            "finish_reason",
            5,
        ]
    )
    return pieces_of_text | calls | ends | usages | odd


ERRORS = [
    {"error": {"message": "Sorry", "code": 502}},
    chunk([choice({"content": ""}, "error")], error={"message": "Sorry"}),
    {"error": "Sorry"},
    chunk([], x_groq={"error": "Sorry"}),
]


def spelt(found: Any, how: str) -> str:
    if how == "compact":
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    if how == "wide":
        return json.dumps(found, separators=(" , ", " : "))
    return json.dumps(found, indent=1 if how == "lines" else None)


SPELLINGS = st.sampled_from(["compact", "compact", "spaced", "wide", "lines"])


@dataclass
class Stream:
    """Events as they are sent, each with the object that its data stands for."""

    events: list[bytes]
    data: list[Any]

    @property
    def text(self) -> bytes:
        return b"".join(self.events)


@st.composite
def streams(draw: st.DrawFn, ends: tuple[str, ...] = ("\n", "\r\n", "\r")) -> Stream:
    end, spelling = draw(st.sampled_from(ends)), draw(SPELLINGS)
    found: list[Any] = draw(st.lists(chunks(), max_size=8))
    if found and draw(st.integers(0, 3)) == 0:
        found.insert(draw(st.integers(0, len(found))), draw(st.sampled_from(ERRORS)))
    stream = Stream([], [])
    for data in found:
        if draw(st.integers(0, 5)) == 0:
            stream.events.append(f": keep-alive{end}{end}".encode())
            stream.data.append(None)
        stream.events.append(event(spelt(data, spelling), end, draw(st.booleans())))
        stream.data.append(data)
    if draw(st.booleans()):
        stream.events.append(event("[DONE]", end, draw(st.booleans())))
        stream.data.append("[DONE]")
    return stream


def event(data: str, end: str, blank: bool) -> bytes:
    lines = [f"data:{' ' if blank else ''}{line}" for line in data.split("\n")]
    return (end.join(lines) + end + end).encode()


def pieces(text: bytes, places: Iterable[int]) -> list[bytes]:
    return [text[start:end] for start, end in pairwise([0, *sorted(places), len(text)])]


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[Stream, list[bytes]]:
    stream = draw(streams())
    places = st.integers(0, len(stream.text))
    return stream, pieces(stream.text, draw(st.lists(places, max_size=12)))


@dataclass
class Metered:
    passed: bytes
    learned: Learned
    failure: Any


def metered(parts: Iterable[bytes], *, hide_usage: bool = False, choices: int = 1) -> Metered:
    learned = Learned()
    meter = StreamMeter(learned, hide_usage=hide_usage, limit=1 << 20, choices=choices)
    passed = b"".join(map(meter.feed, parts)) + meter.finish()
    meter.measure()
    return Metered(passed, learned, meter.failure)


def plainly(
    stream: Stream, *, hide_usage: bool = False, choices: int = 1
) -> tuple[list[Any], Learned, bool]:
    """What is to be handed on (parsed), what is learned, and whether it ends in an error."""
    passed: list[Any] = []
    learned = Learned()
    finished: set[int] = set()
    for data in stream.data:
        if data == "[DONE]":
            learned.ended = True
        if not isinstance(data, dict):
            passed += [] if data is None else [data]
            continue
        groq = data.get("x_groq") or {}
        if data.get("error") or groq.get("error"):
            return passed, learned, True
        own = usage_of(data.get("usage"))
        learned.usage = own or usage_of(groq.get("usage")) or learned.usage
        given = [one for one in data.get("choices") or [] if one]
        _learn_from(given, learned)
        finished |= {one["index"] for one in given if one["finish_reason"]}
        learned.ended = learned.ended or len(finished) >= choices
        if not hide_usage or own is None:
            passed.append(data)
        elif given:
            passed.append({name: value for name, value in data.items() if name != "usage"})
    return passed, learned, False


def _learn_from(choices: list[dict[str, Any]], learned: Learned) -> None:
    for one in choices:
        learned.finish_reason = one["finish_reason"] or learned.finish_reason
        for called in (one["delta"] or {}).get("tool_calls") or []:
            function = (called or {}).get("function") or (called or {}).get("custom")
            if isinstance(function, dict) and function.get("name"):
                learned.tool_names.append(function["name"])


def parsed(text: bytes) -> list[Any]:
    """The data of each event of a stream whose lines end in one way."""
    found = []
    for block in re.split(rb"(?:\r\n){2}|\n\n|\r\r", text):
        lines = [line for line in re.split(rb"\r\n|\n|\r", block) if line.startswith(b"data:")]
        if lines:
            data = b"\n".join(line[5:] for line in lines).decode()
            found.append("[DONE]" if data.strip() == "[DONE]" else json.loads(data))
    return found


def without_null_usage(found: Any) -> Any:
    if isinstance(found, list):
        return [without_null_usage(item) for item in found]
    if isinstance(found, dict):
        return {
            name: without_null_usage(value)
            for name, value in found.items()
            if (name, value) != ("usage", None)
        }
    return found


class TestAStream:
    @given(cut_streams())
    @example((Stream([DONE], ["[DONE]"]), [DONE]))
    def test_passes_as_it_came(self, cut: tuple[Stream, list[bytes]]) -> None:
        stream, parts = cut
        expected, learned, fails = plainly(stream)
        seen = metered(parts)
        before = len(expected) if fails else len(stream.data)
        assert seen.passed == b"".join(_leading(stream, before) if fails else stream.events)

    @given(cut_streams(), st.integers(1, 3))
    def test_is_learned_from(self, cut: tuple[Stream, list[bytes]], choices: int) -> None:
        stream, parts = cut
        _, learned, fails = plainly(stream, choices=choices)
        seen = metered(parts, choices=choices)
        assert (seen.failure is not None) == fails
        assert replace(seen.learned, delivered=0) == learned

    @given(cut_streams())
    def test_delivers_the_same_however_it_was_cut(self, cut: tuple[Stream, list[bytes]]) -> None:
        stream, parts = cut
        seen, whole = metered(parts).learned, metered([stream.text]).learned
        if whole.usage is not None:  # then nobody asks for the size of the text
            seen.delivered = whole.delivered
        assert seen == whole

    @given(cut_streams())
    def test_hides_usage_alone(self, cut: tuple[Stream, list[bytes]]) -> None:
        stream, parts = cut
        expected, learned, fails = plainly(stream, hide_usage=True)
        seen = metered(parts, hide_usage=True)
        assert (seen.failure is not None) == fails
        assert replace(seen.learned, delivered=0) == learned
        assert without_null_usage(parsed(seen.passed)) == without_null_usage(expected)

    @given(cut_streams())
    def test_hides_the_same_however_it_was_cut(self, cut: tuple[Stream, list[bytes]]) -> None:
        stream, parts = cut
        whole = metered([stream.text], hide_usage=True)
        assert metered(parts, hide_usage=True) == whole

    @given(streams(("\n", "\r\n")))
    def test_needs_no_blank_line_at_its_end(self, stream: Stream) -> None:
        unfinished = stream.text.rstrip(b"\r\n")
        expected, learned, fails = plainly(stream)
        seen = metered([unfinished])
        assert parsed(seen.passed) == expected
        assert (seen.failure is not None) == fails
        assert replace(seen.learned, delivered=0) == learned


class TestAStreamThatIsNone:
    @pytest.mark.parametrize(
        "text",
        [
            b"data: Internal Server Error\n\n",
            b'data: {"id": "half\n\ndata: {}\n\n',
            b": wait\n\nevent: x\n\ndata: no\r\n\r\n",
            b"<html>\n\n<body>Sorry</body>\n\n",
            b"<html>\n",
            b"Error: Sorry\n\n",
            b'{"id": "c", "choices": []}',
            b'{"id": "c"}\n{"id": "c"}\n',
            b"null",
            b"\xff\xfe",
        ],
    )
    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_is_kept_from_the_client(self, text: bytes, size: int) -> None:
        seen = metered(pieces(text, range(size, len(text), size)))
        assert b"data" not in seen.passed and b"<" not in seen.passed
        assert isinstance(seen.failure, str) and seen.failure
        assert not seen.learned.ended

    @pytest.mark.parametrize("blank", [b"", b"\n", b"\r\n\r\n"])
    def test_but_an_error_is_understood(self, blank: bytes) -> None:
        seen = metered([b'{"error": {"message": ', b'"Sorry"}}', blank])
        assert seen == Metered(b"", Learned(), {"error": {"message": "Sorry"}})

    @pytest.mark.parametrize("text", [b"", b"\n", b": wait\n\n", b"data", b'data: {"id":'])
    def test_but_breaks_off_is_no_failure_yet(self, text: bytes) -> None:
        seen = metered([text])
        assert (seen.failure, seen.learned.ended) == (None, False)


def test_what_is_no_json_later_passes() -> None:
    text = b'data: {}\n\ndata: oh: "usage"\n\nevent: x\n\ndata: [DONE]\n\n'
    assert metered([text], hide_usage=True) == Metered(text, Learned(ended=True), None)


@pytest.mark.parametrize("index", [None, "0", [1], {}, 1.5])
def test_a_choice_may_have_an_odd_index(index: Any) -> None:
    text = event(json.dumps(chunk([choice({}, "stop", index)])), "\n", True)
    assert metered([text]).learned == Learned(finish_reason="stop", ended=True)


def test_half_an_event_at_the_end_is_not_passed_on() -> None:
    seen = metered([b"data: {}\n\n", b'data: {"choices": [', b"\n"])
    assert seen == Metered(b"data: {}\n\n", Learned(), None)


def test_nothing_is_passed_on_after_an_error() -> None:
    learned = Learned()
    meter = StreamMeter(learned, hide_usage=False, limit=1000)
    assert meter.feed(b'data: {"a":1}\n\ndata: {"error":"x"}\n\ndata: [DONE]\n\n') == (
        b'data: {"a":1}\n\n'
    )
    assert meter.feed(b"data: {}\n\n") == meter.feed(b"data: {}") == meter.finish() == b""
    assert (meter.failure, learned.ended) == ({"error": "x"}, False)


def test_an_event_without_end_is_too_long() -> None:
    meter = StreamMeter(Learned(), hide_usage=False, limit=100)
    with pytest.raises(TooLong):
        for _ in range(100):
            meter.feed(b"data: x")


def test_delivered_is_text_thought_and_arguments() -> None:
    deltas = [
        {"role": "assistant", "content": "ab\nc"},
        {"reasoning_content": "def", "content": None},
        {"tool_calls": [call("get_weather", '{"q":1}')]},
        {"refusal": "no", "content": ""},
    ]
    text = b"".join(event(json.dumps(chunk([choice(delta)])), "\n", True) for delta in deltas)
    assert metered([text]).learned.delivered == len(rb"ab\nc" + b"def" + rb"{\"q\":1}")


@pytest.mark.parametrize("spelling", ["compact", "spaced"])
def test_the_nulls_that_asking_for_usage_brings_are_hidden(spelling: str) -> None:
    delta = choice({"content": ',"usage":null, "usage": null'})
    asked = event(spelt(chunk([delta], usage=None), spelling), "\n", True)
    unasked = event(spelt(chunk([delta]), spelling), "\n", True)
    assert metered([asked], hide_usage=True).passed == unasked
    assert metered([asked]).passed == asked


def _leading(stream: Stream, count: int) -> list[bytes]:
    """The events before the failing one: so many with data, and the comments among them."""
    found: list[bytes] = []
    for one, data in zip(stream.events, stream.data, strict=True):
        if data is not None:
            count -= 1
            if count < 0:
                break
        found.append(one)
    return found
