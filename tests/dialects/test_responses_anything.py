"""Whatever comes in: nonsense raises BadRequest alone, and what a vendor says raises nothing."""

import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import (
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
from gateway.dialects.responses import (
    StreamReader,
    read_answer,
    read_chat,
    read_request,
    stored_items,
    write_answer,
)
from gateway.errors import BadRequest
from tests.dialects.responses_sdk import RECORDINGS, feed, said, strict, written

# Time is not judged here.
calm = settings(deadline=None, max_examples=200)

WORDS = [
    *("type", "role", "content", "text", "id", "call_id", "name", "arguments", "input", "output"),
    *("summary", "encrypted_content", "tools", "namespace", "format", "image_url", "file_data"),
    *("item", "delta", "response", "error", "status", "usage", "output_index", "annotations"),
    *("message", "user", "assistant", "reasoning", "function_call", "function_call_output"),
    *("custom_tool_call", "input_text", "output_text", "input_image", "input_file", "function"),
    *("web_search_call", "tool_search_output", "local_shell_call", "computer_call_output"),
    *("response.created", "response.output_item.added", "response.output_item.done"),
    *("response.output_text.delta", "response.function_call_arguments.delta"),
    *("response.reasoning_summary_text.delta", "response.completed", "response.failed"),
]
words = st.sampled_from(WORDS) | st.text(max_size=4)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
    max_leaves=15,
)
objects = st.dictionaries(words, anything, max_size=6)


@st.composite
def damaged(draw: st.DrawFn, values: list[Any]) -> Any:
    """A recorded value in which something was replaced or left out."""
    found: Any = json.loads(json.dumps(draw(st.sampled_from(values))))
    for _ in range(draw(st.integers(1, 3))):
        _damage(draw, found)
    return found


def _damage(draw: st.DrawFn, found: Any) -> None:
    while isinstance(found, dict | list) and found:
        keys = list(found) if isinstance(found, dict) else list(range(len(found)))
        key = draw(st.sampled_from(keys))
        if isinstance(found[key], dict | list) and found[key] and draw(st.booleans()):
            found = found[key]
        elif draw(st.booleans()):
            found[key] = draw(anything)
            return
        else:
            del found[key]
            return


QUESTIONS = [r.request for r in RECORDINGS]
ANSWERS = [r.response for r in RECORDINGS if not r.stream and r.status == 200]
STREAMS = [
    [json.loads(line[6:]) for line in str(r.response).splitlines() if line[:7] == "data: {"]
    for r in RECORDINGS
    if r.stream
]


@calm
@given(damaged(QUESTIONS) | st.dictionaries(st.sampled_from(list(QUESTIONS[0]) + WORDS), anything))
def test_a_question_is_read_or_refused(body: Any) -> None:
    try:
        read_request(orjson.dumps(body))
        chat = read_chat(body)
        assert chat.messages or chat.system
    except BadRequest as error:
        assert error.message


@calm
@given(st.lists(objects, max_size=4))
def test_items_are_read_or_refused(items: list[Any]) -> None:
    try:
        read_chat({"input": items})
    except BadRequest as error:
        assert error.param


@calm
@given(damaged(ANSWERS) | anything)
def test_any_answer_is_read_and_can_be_written(body: Any) -> None:
    found = read_answer(body)
    said(written(found))
    strict(write_answer(found, "m"))


@calm
@given(damaged(STREAMS) | st.lists(objects, max_size=5), st.sampled_from([None, "error", "x"]))
def test_any_stream_is_read_and_can_be_written(steps: Any, name: str | None) -> None:
    reader = StreamReader()
    found: list[Event] = []
    for step in steps if isinstance(steps, list) else [steps]:
        found += reader.feed(orjson.dumps(step), name)
    said(written(found + reader.finish()))


@calm
@given(st.binary(max_size=20))
def test_any_bytes_are_read(data: bytes) -> None:
    StreamReader().feed(data)


# ---- any answer of any vendor

texts = st.text(min_size=1, max_size=6)
calls = st.integers(0, 3)
pieces = st.one_of(
    st.builds(TextPiece, texts),
    st.builds(TextPiece, st.just(""), signature=texts),
    st.builds(ThinkingPiece, texts),
    st.builds(ThinkingSealed, signature=texts),
    st.builds(ThinkingSealed, redacted=texts),
    st.builds(RefusalPiece, texts),
    st.builds(lambda call, text: CallPiece(call, text), calls, texts),
    st.builds(Cited, st.fixed_dictionaries({"url": texts})),
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Up to four calls, begun in their order, among pieces of all kinds."""
    found: list[Event] = list(draw(st.lists(pieces, max_size=8)))
    for call in range(draw(calls)):
        custom = draw(st.booleans())
        signature = draw(st.none() | texts)
        place = draw(st.integers(0, len(found)))
        found.insert(place, CallBegan(call, f"c{call}", "f", custom=custom, signature=signature))
    reason = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    return [*found, Finished(reason, explanation=draw(st.none() | texts))]  # type: ignore[arg-type]


def told(found: list[Event]) -> dict[str, Any]:
    return {
        "text": "".join(event.text for event in found if isinstance(event, TextPiece)),
        "thoughts": "".join(event.text for event in found if isinstance(event, ThinkingPiece)),
        "calls": [(e.id, e.name, e.custom) for e in found if isinstance(e, CallBegan)],
    }


@calm
@given(answers())
def test_a_stream_and_a_whole_answer_say_the_same(found: list[Event]) -> None:
    stream = written(found)
    said(stream)
    heard = feed(StreamReader(), stream)
    assert told(heard) == told(found)
    assert told(read_answer(strict_body(found))) == told(found)


def strict_body(found: list[Event]) -> dict[str, Any]:
    body = write_answer(found, "m")
    strict(body)
    return body


@calm
@given(answers())
def test_an_answer_can_always_be_gone_on_from(found: list[Event]) -> None:
    answer = write_answer(found, "m")
    cut = [item for item in answer["output"] if item.get("status") != "incomplete"]
    items = stored_items({"input": "?"}, {"output": cut})
    for item in items:  # a call's arguments may be what no vendor would say
        if item["type"] == "function_call":
            item["arguments"] = "{}"
    chat = read_chat({"input": items})
    assert chat.messages[0].role == "user"


def test_counts_out_of_all_reason_are_passed_over() -> None:
    found = read_answer({"usage": {"input_tokens": -1, "output_tokens": 1e300}, "output": []})
    assert not any(isinstance(event, Counted) for event in found)
