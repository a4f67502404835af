"""What holds for any question and any answer, however odd."""

import copy
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import Chat
from gateway.dialects.anthropic import (
    StreamReader,
    StreamWriter,
    read_answer,
    read_chat,
    write_answer,
    write_chat,
)
from gateway.errors import BadRequest
from gateway.sse import data_of, events
from tests.dialects.anthropic_chats import MODEL, chats, json_values
from tests.dialects.anthropic_sdk import ALL, STREAMS, WHOLE


@settings(deadline=None, max_examples=2500, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(chats())
def test_a_chat_that_can_be_said_is_read_back_the_same(chat: Chat) -> None:
    written = write_chat(chat, MODEL, stream=False)
    assert written.dropped == []
    assert read_chat(orjson.loads(orjson.dumps(written.body))) == chat


@settings(deadline=None, max_examples=2500, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(chats(), st.sampled_from(["claude-3-haiku", "claude-sonnet-5-5", "claude-opus-5", "glm-5"]))
def test_any_model_gets_a_question_or_a_refusal(chat: Chat, model: str) -> None:
    try:
        body = write_chat(chat, model, stream=True).body
    except BadRequest as refusal:
        assert refusal.code == "unsupported_parameter"
    else:
        assert orjson.loads(orjson.dumps(body)) == body
        assert body["max_tokens"] == chat.max_tokens
        assert body.get("thinking", {}).get("budget_tokens", 0) < body["max_tokens"]


@settings(deadline=None, max_examples=2500, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(st.dictionaries(st.text(), json_values) | st.builds(dict, messages=json_values))
def test_any_object_passes_or_is_refused(body: dict[str, Any]) -> None:
    _pass_or_refuse(body)


@settings(deadline=None, max_examples=2500, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(st.data(), st.sampled_from(ALL))
def test_a_question_with_something_odd_in_it_passes_or_is_refused(
    data: st.DataObject, recording: Any
) -> None:
    _pass_or_refuse(_with_something_odd(recording.request, data))


def _pass_or_refuse(body: dict[str, Any]) -> None:
    try:
        chat = read_chat(body)
    except BadRequest as refusal:
        assert refusal.param is not None and f"`{refusal.param}`" in refusal.message
        return
    try:
        write_chat(chat, MODEL, stream=False)
    except BadRequest as refusal:
        assert refusal.code == "unsupported_parameter"


@settings(deadline=None, max_examples=2500, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(st.data(), st.sampled_from(WHOLE))
def test_an_answer_with_something_odd_in_it_is_read_nevertheless(
    data: st.DataObject, recording: Any
) -> None:
    body = _with_something_odd(recording.response, data)
    found = read_answer(body)
    orjson.dumps(write_answer(found, "m"))
    writer = StreamWriter("m")
    for event in found:
        writer.write(event)
    assert b"message_stop" in writer.end()


@settings(deadline=None, max_examples=2500, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(st.data(), st.sampled_from(STREAMS))
def test_a_stream_with_something_odd_in_it_is_read_nevertheless(
    data: st.DataObject, recording: Any
) -> None:
    chunks = [orjson.loads(data_of(event)) for event in events(recording.body())]
    at = data.draw(st.integers(0, len(chunks) - 1))
    chunks[at] = _with_something_odd(chunks[at], data)
    reader, writer = StreamReader(), StreamWriter("m")
    for chunk in chunks:
        for event in reader.feed(orjson.dumps(chunk)):
            writer.write(event)
    for event in reader.finish():
        writer.write(event)
    assert b"message_stop" in writer.end()


@settings(deadline=None, max_examples=2500, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(st.binary() | json_values.map(orjson.dumps), st.none() | st.text())
def test_any_bytes_can_be_fed(data: bytes, name: str | None) -> None:
    reader = StreamReader()
    reader.feed(data, name)
    reader.finish()


def _with_something_odd(value: Any, data: st.DataObject) -> Any:
    """The value with one of its inner values, or all of it, replaced or taken out."""
    odd = copy.deepcopy(value)
    place = odd
    while isinstance(place, (dict, list)) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key: Any = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            if data.draw(st.booleans()):
                place[key] = data.draw(json_values)
            else:
                del place[key]
            return odd
        place = place[key]
    return odd
