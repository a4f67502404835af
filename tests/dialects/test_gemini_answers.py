"""Recorded answers of Gemini models: through our events, Google's SDK reads what it read before."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from google.genai import types

from gateway.conversation import CallBegan, Counted, Event, Finished, TextPiece
from gateway.dialects.gemini import StreamReader, StreamWriter, read_answer, write_answer
from tests.dialects.gemini_sdk import STREAMS, WHOLE, Sdk, chunks_of, ids, model_of, sdk, view
from tests.upstream import Recording


@pytest.fixture(scope="module")
def google() -> Iterator[Sdk]:
    with sdk() as running:
        yield running


def name(recording: Recording) -> str:
    return recording.id


def streamed(recording: Recording) -> list[Event]:
    reader = StreamReader()
    read = [event for data in chunks_of(recording) for event in reader.feed(data)]
    assert reader.ended and reader.failure is None
    return [*read, *reader.finish()]


def events_of(recording: Recording) -> list[Event]:
    return streamed(recording) if recording.stream else read_answer(recording.response)


def reference(google: Sdk, recording: Recording) -> list[types.GenerateContentResponse]:
    if not recording.stream:
        return google.whole(recording.body())
    return google.stream(b"data: " + data + b"\r\n\r\n" for data in chunks_of(recording))


def rewritten(events: list[Event]) -> list[bytes]:
    writer = StreamWriter("m")
    return [*map(writer.write, events), writer.end()]


def test_all_recordings_are_here() -> None:
    assert (len(WHOLE), len(STREAMS)) == (108, 15)


@pytest.mark.parametrize("recording", [*WHOLE, *STREAMS], ids=name)
def test_a_whole_answer_is_read_as_the_recorded_one(google: Sdk, recording: Recording) -> None:
    wanted = reference(google, recording)
    body = write_answer(events_of(recording), model_of(recording))
    got = google.whole(orjson.dumps(body))
    assert view(got) == view(wanted)
    assert_ids(ids(got), ids(wanted))


@pytest.mark.parametrize("recording", [*WHOLE, *STREAMS], ids=name)
def test_a_streamed_answer_is_read_as_the_recorded_one(google: Sdk, recording: Recording) -> None:
    wanted = reference(google, recording)
    got = google.stream(rewritten(events_of(recording)))
    assert view(got) == view(wanted)
    assert_ids(ids(got), ids(wanted))
    assert all(answer.response_id and answer.model_version for answer in got)


def assert_ids(got: list[str | None], wanted: list[str | None]) -> None:
    """Gemini's own ids stay; where it gave none, there is one now."""
    assert len(set(got)) == len(got) and None not in got
    assert [mine if theirs else None for mine, theirs in zip(got, wanted, strict=True)] == wanted


def foreign(events: list[Event]) -> list[Event]:
    """The events as another vendor would have given them, without Gemini's own words."""
    return [
        replace(event, native=None)
        if isinstance(event, TextPiece | CallBegan | Finished | Counted)
        else event
        for event in events
    ]


@pytest.mark.parametrize("recording", [*WHOLE, *STREAMS], ids=name)
def test_our_own_words_are_googles_types_to_the_letter(recording: Recording) -> None:
    events = foreign(events_of(recording))
    body = write_answer(events, "m")
    strict(body)
    chunks = [orjson.loads(piece[6:]) for piece in rewritten(events) if piece]
    for chunk in chunks:
        strict(chunk)
        assert list(chunk)[-2:] == ["modelVersion", "responseId"]
        assert all("index" in candidate for candidate in chunk["candidates"])
    assert "finishReason" in chunks[-1]["candidates"][0] and "usageMetadata" in chunks[-1]
    assert chunks[-1]["usageMetadata"] == body["usageMetadata"]
    assert core(body["usageMetadata"]) == core(recorded_usage(recording))


def strict(body: dict[str, Any]) -> None:
    types.GenerateContentResponse.model_validate_json(orjson.dumps(body), strict=True)


def recorded_usage(recording: Recording) -> dict[str, Any]:
    last = orjson.loads(chunks_of(recording)[-1]) if recording.stream else recording.response
    found: dict[str, Any] = last["usageMetadata"]
    return found


def core(usage: dict[str, Any]) -> tuple[int, ...]:
    """What every vendor counts; Gemini's tools' prompts are part of the prompt."""
    prompt = usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0)
    others = ("candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount")
    return prompt, *(usage.get(name, 0) for name in others), usage["totalTokenCount"]
