"""Recorded answers of Claude: through our events, Anthropic's SDK reads what it read before."""

from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import Counted, Event, Finished, TextPiece
from gateway.dialects.anthropic import StreamReader, read_answer, write_answer
from gateway.sse import Cutter, data_of, events
from tests.dialects.anthropic_sdk import (
    STREAMS,
    WHOLE,
    Sdk,
    is_strictly_a_message,
    name,
    read,
    sdk,
    streamed,
)
from tests.upstream import Recording

# Two MCP answers whose server_tool_use lacks a figure that the SDK's types have come to ask for.
NOT_STRICT_THEMSELVES = 2


@pytest.fixture(scope="module")
def claude() -> Iterator[Sdk]:
    with sdk() as running:
        yield running


def test_there_are_156_answers_of_which_six_are_streams() -> None:
    assert (len(WHOLE), len(STREAMS)) == (154, 6)


@pytest.mark.parametrize("recording", WHOLE, ids=name)
def test_a_whole_answer_is_read_the_same(claude: Sdk, recording: Recording) -> None:
    written = write_answer(read_answer(recording.response), "m")
    assert claude.whole(written) == claude.whole(recording.response)


@pytest.mark.parametrize("recording", WHOLE, ids=name)
def test_a_whole_answer_is_read_the_same_as_a_stream(claude: Sdk, recording: Recording) -> None:
    replayed = claude.stream(streamed(read_answer(recording.response)))
    expected = claude.whole(recording.response)
    # What the SDK's accumulator takes from the head of a stream alone.
    for figure in ("cache_creation", "service_tier", "inference_geo"):
        expected["usage"].pop(figure, None)
        replayed["usage"].pop(figure, None)
    assert replayed == expected


def test_what_is_written_is_as_strict_as_the_recording() -> None:
    lax = [row for row in WHOLE if not is_strictly_a_message(row.response)]
    assert len(lax) == NOT_STRICT_THEMSELVES
    for row in WHOLE:
        written = write_answer(read_answer(row.response), "m")
        assert row in lax or is_strictly_a_message(written), row.id


@pytest.mark.parametrize("recording", STREAMS, ids=name)
def test_a_stream_is_read_the_same(claude: Sdk, recording: Recording) -> None:
    found = read(recording.body())
    expected = claude.stream([recording.body()])
    assert claude.whole(write_answer(found, "m")) == expected
    assert claude.stream(streamed(found)) == expected


@pytest.mark.parametrize("recording", STREAMS, ids=name)
@settings(deadline=None)
@given(data=st.data())
def test_it_does_not_matter_where_a_stream_is_cut(
    recording: Recording, data: st.DataObject
) -> None:
    body = recording.body()
    places = st.lists(st.integers(0, len(body)), max_size=20)
    cuts = [0, *sorted(data.draw(places)), len(body)]
    reader, cutter = StreamReader(), Cutter(len(body))
    found: list[Event] = []
    for start, end in zip(cuts, cuts[1:], strict=False):
        for event in events(cutter.feed(body[start:end])):
            found += reader.feed(data_of(event))
    assert found + reader.finish() == read(body)


@pytest.mark.parametrize("recording", STREAMS, ids=name)
def test_a_stream_broken_off_has_not_ended(recording: Recording) -> None:
    whole = list(events(recording.body()))
    reader = StreamReader()
    last = next(at for at, event in enumerate(whole) if b"event: message_delta" in event)
    found = [event for one in whole[:last] for event in reader.feed(data_of(one))]
    assert not reader.ended
    assert not any(isinstance(event, Finished) for event in found)
    # What the vendor has counted so far is known nevertheless.
    assert [type(event) for event in reader.finish()] == [Counted]


def test_the_stop_reason_ends_a_stream_too() -> None:
    reader = StreamReader()
    found = reader.feed(b'{"type":"message_delta","delta":{"stop_reason":"end_turn"}}')
    assert (reader.ended, found) == (True, [Finished("stop")])


def test_an_error_event_is_kept_whole_and_ends_the_reading() -> None:
    reader = StreamReader()
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert reader.feed(orjson.dumps(error), "error") == []
    assert reader.failure == error
    assert reader.feed(b'{"type":"message_stop"}') == []
    assert not reader.ended


def test_an_error_in_openais_shape_is_one_too() -> None:
    reader = StreamReader()
    reader.feed(b'{"error":{"message":"no"}}')
    assert reader.failure == {"error": {"message": "no"}}


def test_garbage_is_a_failure() -> None:
    reader = StreamReader()
    reader.feed(b"<html>")
    assert reader.failure == "<html>"


@pytest.mark.parametrize(
    "data", [b"", b"[DONE]", b"[]", b"3", b'{"type":"ping"}', b'{"type":"new_event","x":1}', b"{}"]
)
def test_what_it_does_not_know_gives_nothing(data: bytes) -> None:
    reader = StreamReader()
    assert (reader.feed(data), reader.failure, reader.ended) == ([], None, False)


def test_the_events_name_stands_in_for_a_missing_type() -> None:
    reader = StreamReader()
    reader.feed(b'{"message":{"id":"msg_1","content":[]}}', "message_start")
    piece = b'{"index":0,"delta":{"type":"text_delta","text":"Hi"}}'
    assert reader.feed(piece, "content_block_delta") == [TextPiece("Hi")]


def test_a_message_that_begins_with_content_and_begins_twice_is_read_once() -> None:
    start = {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "m", "content": [{"type": "text", "text": "Hi"}]},
    }
    reader = StreamReader()
    first = reader.feed(orjson.dumps(start))
    assert TextPiece("Hi") in first
    assert reader.feed(orjson.dumps(start)) == []
