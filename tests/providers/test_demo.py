"""The offline demo, judged by the openai SDK's own types."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from threading import Thread
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import validate
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.errors import UpstreamUnreachable
from gateway.providers.demo import MODELS, DemoAnswer, open_demo
from gateway.providers.demo.reply import LONG_ANSWER, LONGEST_ANSWER, count_tokens, tokens

Json = dict[str, Any]

WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
CLOCK: Json = {"type": "function", "function": {"name": "get_time"}}
BOTH = [WEATHER, CLOCK]
CITY_SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer", "minimum": 1}},
    "required": ["city", "population"],
    "additionalProperties": False,
}
CITY = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY_SCHEMA}}


def body(said: Any = "Hello there", **members: Any) -> Json:
    return {"model": "demo", "messages": [{"role": "user", "content": said}], **members}


def allowing(*tools: Json) -> Json:
    return {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [*tools]}}


def read(answer: DemoAnswer) -> bytes:
    return b"".join(iter(answer.read_block, b""))


def ask(asked: Json) -> ChatCompletion:
    answer = open_demo(asked, 0)
    written = orjson.loads(read(answer))
    assert (answer.status, answer.headers) == (200, {"content-type": "application/json"}), written
    return ChatCompletion.model_validate(written, strict=True)


def events(asked: Json) -> list[bytes]:
    """The data of each event of a stream that was asked for."""
    answer = open_demo({**asked, "stream": True}, 0)
    assert answer.headers == {"content-type": "text/event-stream; charset=utf-8"}
    *whole, rest = read(answer).split(b"\n\n")
    assert rest == b"" and all(event.startswith(b"data: ") for event in whole)
    return [event.removeprefix(b"data: ") for event in whole]


def chunks(asked: Json) -> list[ChatCompletionChunk]:
    *data, done = events(asked)
    assert done == b"[DONE]"
    return [ChatCompletionChunk.model_validate(orjson.loads(each), strict=True) for each in data]


def refused(asked: Json) -> Json:
    """The error of a body that is not taken."""
    answer = open_demo(asked, 0)
    written = orjson.loads(read(answer))
    assert answer.status == 400 and answer.headers == {"content-type": "application/json"}, written
    assert list(written) == ["error"]
    assert list(written["error"]) == ["message", "type", "param", "code"]
    assert written["error"]["type"] == "invalid_request_error"
    return dict(written["error"])


def said_by(completion: ChatCompletion, index: int = 0) -> str:
    content = completion.choices[index].message.content
    assert content is not None
    return content


def calls_of(completion: ChatCompletion, index: int = 0) -> list[tuple[str, Any]]:
    calls = completion.choices[index].message.tool_calls or []
    functions = [call.function for call in calls if call.type == "function"]
    return [(function.name, json.loads(function.arguments)) for function in functions]


# What an answer says


def test_it_is_honest_and_helps_on() -> None:
    completion = ask(body("What is the meaning of life?"))
    text = said_by(completion)
    assert completion.model == "demo"
    assert "built-in offline demo" in text and "no model was asked" in text
    assert "What is the meaning of life?" in text
    for hint in ("create-client", "/admin", "tools", "response_format", *MODELS[1:]):
        assert hint in text
    assert completion.choices[0].finish_reason == "stop"


def test_the_same_body_gets_the_same_answer() -> None:
    one, other = ask(body(n=2)), ask(body(n=2))
    other.created = one.created
    assert one == other
    assert ask(body("Hello!")).id != one.id


def test_a_long_text_is_quoted_in_part() -> None:
    text = said_by(ask(body("word " * 10_000)))
    assert "word word" in text and "…" in text and len(text) < 2_000


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([{"type": "image_url", "image_url": {"url": "data:,"}}], ["1 image, which"]),
        ([{"type": "image_url", "image_url": {}}] * 2, ["2 images, which the demo cannot see"]),
        (
            [{"type": "input_audio", "input_audio": {}}],
            ["1 audio clip, which the demo cannot hear"],
        ),
        ([{"type": "file", "file": {}}] * 3, ["3 files, which the demo cannot read"]),
        (
            [{"type": "file", "file": {}}, {"type": "image_url", "image_url": {}}],
            ["1 image, which", "1 file, which"],
        ),
        ([], ["You wrote no text."]),
    ],
)
def test_attachments_are_acknowledged(parts: list[Json], told: list[str]) -> None:
    text = said_by(ask(body(parts)))
    assert all(each in text for each in told)


def test_the_last_words_of_the_user_count() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first words"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "last words"}]},
    ]
    text = said_by(ask({"model": "demo", "messages": messages}))
    assert "last words" in text and "first words" not in text


def test_it_answers_without_a_user() -> None:
    asked = {"model": "demo", "messages": [{"role": "system", "content": "Be brief."}]}
    assert "You wrote no text." in said_by(ask(asked))


# Tokens


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Hello", 1),
        ("Hello, world!", 4),
        ("  two\n words ", 3),
        ("extraordinarily", 2),
        ("日本", 1),
        (" ", 1),
    ],
)
def test_a_token_is_a_word_or_a_mark(text: str, count: int) -> None:
    assert count_tokens(text) == len(tokens(text)) == count


@settings(deadline=None)
@given(st.text())
def test_tokens_are_the_text(text: str) -> None:
    assert "".join(tokens(text)) == text
    assert count_tokens(text) == len(tokens(text))


@settings(deadline=None)
@given(st.text(), st.integers(1, 3))
def test_usage_is_counted(said: str, n: int) -> None:
    completion = ask(body(said, n=n))
    usage = completion.usage
    assert usage is not None
    counts = [count_tokens(said_by(completion, index)) for index in range(n)]
    assert usage.completion_tokens == sum(counts) and min(counts) >= 30
    assert usage.prompt_tokens == count_tokens(f"user\n{said}")
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details and usage.completion_tokens_details


@pytest.mark.parametrize("cap", [1, 2, 29, 60])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_cap_cuts_exactly(name: str, cap: int) -> None:
    completion = ask(body(n=2, **{name: cap}))
    whole = said_by(ask(body(n=2)))
    assert [choice.finish_reason for choice in completion.choices] == ["length"] * 2
    assert said_by(completion) == "".join(tokens(whole)[:cap])
    assert completion.usage and completion.usage.completion_tokens == 2 * cap


def test_the_smaller_cap_holds_and_one_that_is_just_enough_cuts_nothing() -> None:
    assert count_tokens(said_by(ask(body(max_tokens=9, max_completion_tokens=5)))) == 5
    whole = said_by(ask(body()))
    completion = ask(body(max_tokens=count_tokens(whole)))
    assert said_by(completion) == whole and completion.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "said", ["a long answer", "Write an essay", "tell me a STORY", "1000 words", "write ten words"]
)
def test_asked_for_much_it_writes_on(said: str) -> None:
    for cap, expected in ((None, LONG_ANSWER), (7_001, 7_001), (10**12, LONGEST_ANSWER)):
        completion = ask(body(said, max_tokens=cap))
        assert completion.choices[0].finish_reason == "length"
        assert count_tokens(said_by(completion)) == expected


@pytest.mark.parametrize("said", ["how long is it", "as long as you like", "3 words", "belong"])
def test_not_everything_asks_for_much(said: str) -> None:
    assert ask(body(said)).choices[0].finish_reason == "stop"


# stop


@pytest.mark.parametrize("stop", ["\n", "asked", ["nowhere", "model", "demo"], "no model was"])
def test_it_ends_before_a_stop(stop: str | list[str]) -> None:
    whole, completion = said_by(ask(body())), ask(body(stop=stop))
    stops = [stop] if isinstance(stop, str) else stop
    assert said_by(completion) == whole[: min(at for s in stops if (at := whole.find(s)) >= 0)]
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage
    assert completion.usage.completion_tokens == count_tokens(said_by(completion))


@pytest.mark.parametrize("stop", [None, "", [], ["", "nowhere"]])
def test_a_stop_that_does_not_occur_cuts_nothing(stop: Any) -> None:
    assert said_by(ask(body(stop=stop))) == said_by(ask(body()))


def test_a_cap_may_come_before_a_stop() -> None:
    completion = ask(body(stop="asked", max_tokens=2))
    assert completion.choices[0].finish_reason == "length"


# n


def test_choices_differ_from_their_first_word_on() -> None:
    completion = ask(body(n=8, max_tokens=1))
    assert [choice.index for choice in completion.choices] == list(range(8))
    assert len({said_by(completion, index) for index in range(8)}) == 8


# response_format


def test_json_object() -> None:
    completion = ask(body("my words", response_format={"type": "json_object"}, n=2))
    said = [json.loads(said_by(completion, index)) for index in (0, 1)]
    assert isinstance(said[0], dict) and "my words" in said[0].values() and said[0] != said[1]


def test_json_that_fits_a_schema() -> None:
    completion = ask(body("a long story", response_format=CITY, n=2))
    said = [json.loads(said_by(completion, index)) for index in (0, 1)]
    for each in said:
        validate(each, CITY_SCHEMA)
    assert said[0] != said[1]
    assert completion.choices[0].finish_reason == "stop"


def test_json_is_cut_by_a_cap_alone() -> None:
    completion = ask(body(response_format=CITY, max_tokens=3))
    assert count_tokens(said_by(completion)) == 3
    assert completion.choices[0].finish_reason == "length"


def test_json_without_a_schema_is_an_object() -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "any"}}
    assert isinstance(json.loads(said_by(ask(body(response_format=asked)))), dict)


def test_a_schema_that_nothing_fits_is_refused() -> None:
    schema = {"name": "none", "schema": {"type": "object", "enum": []}}
    error = refused(body(response_format={"type": "json_schema", "json_schema": schema}))
    assert error["param"] == "response_format.json_schema.schema"


# Tools


@pytest.mark.parametrize(
    ("said", "members", "called"),
    [
        ("hello", {}, ["get_weather"]),
        ("hello", {"tool_choice": "auto"}, ["get_weather"]),
        ("hello", {"tool_choice": "required"}, ["get_weather"]),
        ("please GET_TIME", {}, ["get_time"]),
        ("get_timezone", {}, ["get_weather"]),
        ("get_time and get_weather", {}, ["get_weather", "get_time"]),
        ("get_time, get_weather", {"parallel_tool_calls": False}, ["get_weather"]),
        ("get_weather", {"tool_choice": {"type": "function", "function": {"name": "get_time"}}},
         ["get_time"]),
        (
            "get_weather",
            {"tool_choice": allowing(CLOCK)},
            ["get_time"],
        ),
        ("get_time", {"response_format": CITY}, ["get_time"]),
    ],
)  # fmt: skip
def test_it_calls(said: str, members: Json, called: list[str]) -> None:
    completion = ask(body(said, tools=BOTH, n=2, **members))
    for index in (0, 1):
        calls = calls_of(completion, index)
        assert [name for name, _ in calls] == called
        for name, arguments in calls:
            validate(arguments, WEATHER["function"]["parameters"] if name == "get_weather" else {})
        assert completion.choices[index].message.content is None
        assert completion.choices[index].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "members", [{"tool_choice": "none"}, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}]
)
def test_it_does_not_call(members: Json) -> None:
    completion = ask(body(**{"tools": BOTH, **members}))
    assert completion.choices[0].message.tool_calls is None
    assert "built-in offline demo" in said_by(completion)


def conversation(turns: int) -> Json:
    """Calls and results, as long as a client goes on with them."""
    messages: list[Json] = [{"role": "user", "content": "get_time and get_weather"}]
    for _ in range(turns):
        answer = ask({"model": "demo", "messages": messages, "tools": BOTH}).choices[0].message
        messages.append(answer.model_dump(mode="json", exclude_none=True))
        for place, call in enumerate(answer.tool_calls or ()):
            result = {"role": "tool", "tool_call_id": call.id, "content": f"result {place}"}
            messages.append(result)
        messages.append({"role": "user", "content": "again: get_time and get_weather"})
    return {"model": "demo", "messages": messages, "tools": BOTH}


def test_call_ids_are_unique_over_a_conversation() -> None:
    messages = conversation(4)["messages"]
    ids = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    assert len(ids) == len(set(ids)) == 8 and all(each.startswith("call_") for each in ids)
    completion = ask(body("get_time and get_weather", tools=BOTH, n=3))
    calls = [call.id for choice in completion.choices for call in choice.message.tool_calls or ()]
    assert len(set(calls)) == 6


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_results_are_answered_in_text(choice: str) -> None:
    asked = conversation(1)
    asked["messages"].pop()
    text = said_by(ask({**asked, "tool_choice": choice}))
    assert "result 0" in text and "result 1" in text and count_tokens(text) >= 30


@pytest.mark.parametrize("cap", [1, 3, 12, 14])
def test_calls_are_cut_by_a_cap(cap: int) -> None:
    completion = ask(body("get_time and get_weather", tools=BOTH, max_tokens=cap))
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage and completion.usage.completion_tokens == cap


def test_arguments_that_nothing_fits_are_refused() -> None:
    tool = {
        "name": "f",
        "parameters": {"type": "object", "required": ["a"], "properties": {"a": False}},
    }
    error = refused(body(tools=[{"type": "function", "function": tool}]))
    assert error["param"] == "tools[0].function.parameters"


# Streams


def test_a_stream_brings_one_token_a_chunk() -> None:
    first, *middle, last = chunks(body())
    assert first.choices[0].delta.role == "assistant" and first.choices[0].delta.content == ""
    assert all(count_tokens(each.choices[0].delta.content or "") == 1 for each in middle)
    assert last.choices[0].finish_reason == "stop" and last.choices[0].delta.content is None
    assert len({(each.id, each.created, each.model) for each in (first, *middle, last)}) == 1


def test_choices_are_opened_in_their_order() -> None:
    streamed = [chunk.choices[0] for chunk in chunks(body(n=4))]
    assert [choice.index for choice in streamed[:4]] == [0, 1, 2, 3]
    assert all(choice.delta.role == "assistant" for choice in streamed[:4])


def test_usage_comes_last_and_only_when_it_is_asked_for() -> None:
    options = {"include_usage": True}
    *others, last, done = map(bytes, events(body(n=2, stream_options=options)))
    written = [orjson.loads(each) for each in others]
    assert done == b"[DONE]" and all(each["usage"] is None for each in written)
    assert orjson.loads(last)["choices"] == []
    assert ChatCompletion.model_validate(orjson.loads(last) | {"object": "chat.completion"}).usage
    for members in ({}, {"stream_options": None}, {"stream_options": {"include_usage": False}}):
        assert not any(b'"usage"' in each for each in events(body(**members)))


def test_a_streamed_call_names_itself_once() -> None:
    deltas = [chunk.choices[0].delta for chunk in chunks(body("get_time get_weather", tools=BOTH))]
    parts = [call for delta in deltas for call in delta.tool_calls or ()]
    grouped = {index: list(group) for index, group in groupby(parts, lambda part: part.index)}
    assert list(grouped) == [0, 1]
    for first, *later in grouped.values():
        assert first.id and first.type == "function" and first.function
        assert first.function.name and first.function.arguments == ""
        assert later and all(part.id is part.type is None for part in later)
        assert all(part.function and part.function.name is None for part in later)
    assert 2 <= len(grouped[0]) <= 6


def joined(asked: Json) -> tuple[list[Any], Any]:
    """Choices and usage of a stream, put together as a client does."""
    options = {"include_usage": True}
    *streamed, last = chunks({**asked, "stream_options": options})
    made: dict[int, Json] = {}
    for choice in (chunk.choices[0] for chunk in streamed):
        seen = made.setdefault(choice.index, {"text": None, "calls": [], "finish": None})
        if choice.delta.content is not None:
            seen["text"] = (seen["text"] or "") + choice.delta.content
        for call in choice.delta.tool_calls or ():
            assert call.function
            if call.id:
                seen["calls"].append([call.id, call.function.name, ""])
            seen["calls"][call.index][2] += call.function.arguments
        seen["finish"] = choice.finish_reason
    return [made[index] for index in sorted(made)], last.usage


def as_joined(completion: ChatCompletion) -> tuple[list[Any], Any]:
    made = []
    for choice in completion.choices:
        calls = [call for call in choice.message.tool_calls or () if call.type == "function"]
        named = [[call.id, call.function.name, call.function.arguments] for call in calls]
        text, finish = choice.message.content, choice.finish_reason
        made.append({"text": text, "calls": named, "finish": finish})
    return made, completion.usage


SAID = st.text(max_size=40) | st.sampled_from(
    ["get_time and get_weather", [{"type": "text", "text": "hi"}], []]
)
BODIES = st.builds(
    body,
    SAID,
    n=st.sampled_from([None, 1, 2, 8]),
    max_tokens=st.none() | st.integers(1, 40),
    max_completion_tokens=st.none() | st.integers(1, 200),
    stop=st.none() | st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=4),
    tools=st.sampled_from([None, [WEATHER], BOTH]),
    tool_choice=st.sampled_from([None, "auto", "none"]),
    parallel_tool_calls=st.sampled_from([None, True, False]),
    response_format=st.sampled_from([None, {"type": "text"}, {"type": "json_object"}, CITY]),
)


@settings(deadline=None)
@given(BODIES)
def test_whole_and_streamed_are_the_same(asked: Json) -> None:
    completion = ask(asked)
    assert joined(asked) == as_joined(completion)
    cap = min(filter(None, (asked["max_tokens"], asked["max_completion_tokens"])), default=None)
    if cap and completion.usage:
        assert completion.usage.completion_tokens <= cap * len(completion.choices)


def test_a_long_stream_is_the_same_too() -> None:
    asked = body("a long story", n=2, stop="Paragraph 9.")
    assert joined(asked) == as_joined(ask(asked))


# Bad bodies

PART: Json = {"type": "text", "text": "hi"}
FUNCTION: Json = {"type": "function", "function": {"name": "x"}}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"n": "2"}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"stop": 5}, "stop"),
        ({"stop": ["a", 5]}, "stop[1]"),
        ({"stop": list("abcde")}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 2}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"tools": {}}, "tools"),
        ({"tools": []}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [CLOCK, {"type": "other"}]}, "tools[1].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": BOTH, "tool_choice": "never"}, "tool_choice"),
        ({"tools": BOTH, "tool_choice": ""}, "tool_choice"),
        ({"tools": BOTH, "tool_choice": 5}, "tool_choice"),
        ({"tools": BOTH, "tool_choice": {}}, "tool_choice.type"),
        ({"tools": BOTH, "tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tools": BOTH, "tool_choice": FUNCTION}, "tool_choice"),
        (
            {"tools": BOTH, "tool_choice": allowing(FUNCTION)},
            "tool_choice",
        ),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {}}},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}},
            "response_format.json_schema.schema",
        ),
        ({"messages": [{}]}, "messages[0].role"),
        ({"messages": [{"role": "boss", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [PART, 5]}]}, "messages[0].content[1]"),
        ({"messages": [{"role": "user", "content": [{"type": 5}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0].image_url",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": 5}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [5]}]}, "messages[0].tool_calls[0]"),
    ],
)  # fmt: skip
def test_a_bad_member_is_named(members: Json, param: str) -> None:
    error = refused(body(**members))
    assert error["param"] == param and error["message"]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("odd", [nested(900), 1 << 70, "\ud800"])
def test_what_cannot_be_written_is_refused(odd: Any) -> None:
    assert refused(body(metadata=odd))["param"] is None


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats(0, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(
    "n stop tools tool_choice response_format stream_options max_tokens modalities logprobs"
    " messages role content type text tool_calls function name parameters allowed_tools"
    " json_schema schema image_url stream parallel_tool_calls".split()
)


def replaced(value: Any, path: Sequence[int], odd: Any) -> Any:
    """A copy of `value` in which the member at the end of `path` is another."""
    if not path or not isinstance(value, dict | list) or not value:
        return odd
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    copy = value.copy()
    copy[key] = replaced(value[key], path[1:], odd)
    return copy


FULL = body(
    [PART, {"type": "image_url", "image_url": {"url": "u"}}],
    tools=BOTH,
    tool_choice=allowing(CLOCK),
    response_format=CITY,
    stop=["a", "b"],
    n=2,
    stream_options={"include_usage": True},
    stream=True,
)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=7),
    ODD | st.dictionaries(NAMES, ODD),
    st.dictionaries(NAMES, ODD, max_size=2),
)
def test_odd_members_are_answered_or_refused(path: list[int], odd: Any, more: Json) -> None:
    asked = replaced({**FULL, **more}, path, odd)
    messages = asked.get("messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        asked["messages"] = FULL["messages"]
    answer = open_demo(asked, 0)
    data = read(answer)
    assert answer.status in (200, 400, 404)
    assert (
        data.endswith(b"[DONE]\n\n")
        if answer.status == 200 and asked.get("stream")
        else orjson.loads(data)
    )


# Faults and pace


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "code", "headers"),
    [
        ("demo-error-429", 429, "rate_limit_exceeded", {"retry-after": "1"}),
        ("demo-error-500", 500, "internal_error", {}),
        ("gpt-5", 404, "model_not_found", {}),
    ],
)
def test_errors_by_model_name(
    model: str, status: int, code: str, headers: dict[str, str], stream: bool
) -> None:
    answer = open_demo(body(model=model, stream=stream), 50)
    assert answer.status == status
    assert answer.headers == {"content-type": "application/json", **headers}
    error = orjson.loads(read(answer))["error"]
    assert list(error) == ["message", "type", "param", "code"] and error["code"] == code


def test_an_unknown_model_is_told_which_there_are() -> None:
    message = orjson.loads(read(open_demo(body(model="gpt-5"), 0)))["error"]["message"]
    assert "gpt-5" in message and all(model in message for model in MODELS)


@pytest.mark.parametrize("pace", [0, 1_000_000])
@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_answer_breaks_off_in_the_middle(stream: bool, pace: float) -> None:
    answer = open_demo(body(model="demo-cut", stream=stream), pace)
    data = b""
    with pytest.raises(UpstreamUnreachable, match="cut"):
        while True:
            block = answer.read_block()
            assert block
            data += block
    whole = read(open_demo(body(stream=stream), 0))
    count = whole.count(b"\n\n") if stream else len(whole)
    assert abs((data.count(b"\n\n") if stream else len(data)) - count // 2) <= 3
    assert b"[DONE]" not in data and b'"finish_reason":"' not in data


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_answer_is_a_whole_answer(stream: bool) -> None:
    data = read(open_demo(body(model="demo-slow", stream=stream), 50, slow_seconds=0.001))
    assert data.endswith(b"data: [DONE]\n\n" if stream else b"}")
    assert data.count(b"built") == 1 and b'"model":"demo-slow"' in data


def test_a_paced_stream_comes_event_by_event_and_another_in_blocks() -> None:
    asked = body(stream=True, n=3)
    paced, at_once = open_demo(asked, 1_000_000), open_demo(asked, 0)
    blocks = list(iter(paced.read_block, b""))
    assert Counter(block.count(b"\n\n") for block in blocks) == {1: len(blocks)}
    joined_blocks = list(iter(at_once.read_block, b""))
    assert len(joined_blocks) < len(blocks)
    assert sum(block.count(b"\n\n") for block in joined_blocks) == len(blocks)


def test_nothing_comes_after_the_end_or_a_close() -> None:
    answer = open_demo(body(), 0)
    read(answer)
    assert answer.read_block() == b""
    closed = open_demo(body(stream=True), 0)
    closed.close()
    closed.close()
    assert closed.read_block() == b""


@pytest.mark.parametrize("model", ["demo-slow", "demo-cut"])
def test_a_close_from_elsewhere_ends_a_pause(model: str) -> None:
    answer = open_demo(body(model=model, stream=True), 1 / 3600, slow_seconds=3600)
    got: list[bytes] = []
    reader = Thread(target=lambda: got.extend(iter(answer.read_block, b"")), daemon=True)
    reader.start()
    answer.close()
    reader.join(timeout=30)
    assert not reader.is_alive() and len(got) <= 2
