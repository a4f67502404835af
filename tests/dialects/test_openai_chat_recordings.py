"""Recorded traffic read into the canonical words and out again says what it said before.

Of 198 recordings three are refusals of the vendor (a status of 400 or 404), which no dialect reads,
and one stream breaks off with an error event.
"""

import json
import random
from typing import Any

import openai
import pytest
from openai._models import construct_type
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.conversation import Began, Counted, ThinkingSealed
from gateway.dialects.openai_chat import StreamReader, read_answer, write_answer
from gateway.sse import data_of, events
from tests.dialects.openai_chat_sdk import (
    Read,
    accumulated,
    chunks,
    completion,
    feed,
    read,
    streamed,
    written,
)
from tests.upstream import Recording, Upstream, load

RECORDINGS = load()
WHOLE = [r for r in RECORDINGS if not r.stream and r.status == 200]
STREAMS = [r for r in RECORDINGS if r.stream]
BROKEN = [r for r in STREAMS if b"event: error" in r.body()]
ENDED = [r for r in STREAMS if r not in BROKEN]
# Members in which a client sends a model's thoughts back.
STATE = ("reasoning_details", "thinking_blocks", "extra_content")


def names(recording: Recording) -> str:
    return f"{recording.provider}-{recording.id}"


def whole(recording: Recording) -> Read:
    """The recording as the package itself reads it: not strictly, since vendors are not."""
    answer: Any = construct_type(type_=ChatCompletion, value=recording.response)
    return read(answer)


def chunks_of(recording: Recording) -> list[Any]:
    return [
        construct_type(type_=ChatCompletionChunk, value=json.loads(data))
        for event in events(recording.body())
        if (data := data_of(event)) and data != b"[DONE]"
    ]


def as_stream(recording: Recording) -> Read:
    """The recorded stream as the package's accumulator reads it, but for what breaks it."""
    found = chunks_of(recording)
    reason, usage = None, None
    for chunk in found:
        groq = (chunk.model_extra or {}).get("x_groq") or {}
        usage = chunk.usage or groq.get("usage") or usage
        for choice in chunk.choices:
            choice.delta.role = None  # some vendors repeat it
            reason = choice.finish_reason or reason
    answer: Any = accumulated([chunk for chunk in found if chunk.choices])
    answer.choices[0].finish_reason = reason
    if isinstance(usage, dict):
        usage = construct_type(type_=CompletionUsage, value=usage)
    answer.usage = usage
    return read(answer)


def same(got: Read, wanted: Read) -> None:
    """Details that the recording has are found again; members of its own are not asked for."""
    assert got.usage == wanted.usage
    assert len(got.choices) == len(wanted.choices)
    for mine, theirs in zip(got.choices, wanted.choices, strict=True):
        assert (mine.text, mine.reasoning, mine.tools, mine.finish, mine.refusal) == (
            theirs.text,
            theirs.reasoning,
            theirs.tools,
            theirs.finish,
            theirs.refusal,
        )
        for member in STATE:
            assert mine.extra.get(member) == theirs.extra.get(member)


def test_these_are_all() -> None:
    assert len(RECORDINGS) == 198
    assert (len(WHOLE), len(ENDED), len(BROKEN)) == (173, 21, 1)
    assert [r.status for r in RECORDINGS if r.status != 200] == [404, 400, 400]


@pytest.mark.parametrize("recording", WHOLE, ids=names)
def test_a_whole_answer_is_read_and_written(recording: Recording) -> None:
    answer = write_answer(read_answer(recording.response), "model")
    same(read(completion(answer)), whole(recording))
    assert answer["id"] == recording.response["id"]
    assert answer["model"] == recording.response["model"]
    assert answer["created"] == recording.response["created"]


@pytest.mark.parametrize("recording", WHOLE, ids=names)
def test_a_whole_answer_is_streamed(recording: Recording) -> None:
    stream = written(read_answer(recording.response))
    same(read(accumulated(chunks(stream))), whole(recording))


def test_the_sdk_reads_each_of_them_from_a_socket(upstream: Upstream) -> None:
    for recording in WHOLE:
        with streamed(upstream, written(read_answer(recording.response))) as found:
            same(read(accumulated(list(found))), whole(recording))


@pytest.mark.parametrize("recording", ENDED, ids=names)
def test_a_stream_is_read_and_written(recording: Recording) -> None:
    reader = StreamReader()
    found = feed(reader, recording.body())
    assert reader.ended and reader.failure is None
    wanted = as_stream(recording)
    same(read(accumulated(chunks(written(found)))), wanted)
    same(read(completion(write_answer(found, "model"))), wanted)


@pytest.mark.parametrize("recording", ENDED, ids=names)
def test_it_does_not_matter_where_a_stream_is_cut(recording: Recording) -> None:
    wanted = feed(StreamReader(), recording.body())
    size = len(recording.body())
    for seed in range(5):
        cuts = random.Random(seed).sample(range(size), min(size, 200))
        assert feed(StreamReader(), recording.body(), cuts) == wanted


@pytest.mark.parametrize("recording", ENDED, ids=names)
def test_a_stream_without_its_terminator_is_read_the_same(recording: Recording) -> None:
    stream = recording.body().replace(b"data: [DONE]", b"")
    assert feed(StreamReader(), stream) == feed(StreamReader(), recording.body())


@pytest.mark.parametrize("recording", ENDED, ids=names)
def test_a_stream_that_is_cut_short_has_not_ended(recording: Recording) -> None:
    told = [e for e in events(recording.body()) if data_of(e)]
    first = next(at for at, e in enumerate(told) if b'"finish_reason":"' in e)
    reader = StreamReader()
    feed(reader, b"".join(told[:first]))
    assert not reader.ended


def test_a_stream_that_breaks_off_tells_what_upstream_said() -> None:
    reader = StreamReader()
    found = feed(reader, BROKEN[0].body())
    assert reader.failure["error"]["code"] == "tool_use_failed"
    assert not reader.ended
    assert isinstance(found[0], Began)


def test_the_sdk_sees_the_same_failure(upstream: Upstream) -> None:
    with streamed(upstream, BROKEN[0].body()) as found:
        with pytest.raises(openai.APIError, match="Tool"):
            list(found)


def test_seals_of_thoughts_are_found() -> None:
    """Signed by Google, encrypted by OpenAI and xAI; three whole answers and streams have them."""
    formats = []
    for recording in RECORDINGS:
        if recording.status == 200:
            found = (
                feed(StreamReader(), recording.body())
                if recording.stream
                else read_answer(recording.response)
            )
            formats += [e.details for e in found if isinstance(e, ThinkingSealed)]
    told = sorted(str(details and details["format"]) for details in formats)
    assert told == ["google-gemini-v1", "openai-responses-v1", "openai-responses-v1"] + [
        "xai-responses-v1"
    ]


@pytest.mark.parametrize("recording", WHOLE, ids=names)
def test_what_a_vendor_says_besides_is_kept_for_clients_of_the_dialect(
    recording: Recording,
) -> None:
    """Costs, times, predictions; and how the answer came about."""
    answer = write_answer(read_answer(recording.response), "model")
    given = recording.response
    assert answer["usage"].items() >= figures(given["usage"]).items()
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        told = given["usage"].get(name) or {}
        assert told.items() <= answer["usage"].get(name, {}).items()
    assert answer.get("system_fingerprint") == given.get("system_fingerprint")
    if given.get("service_tier") != "on_demand":
        assert answer.get("service_tier") == given.get("service_tier")


def figures(usage: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in usage.items() if not isinstance(value, dict)}


def test_usage_is_told_once_and_last() -> None:
    for recording in WHOLE:
        found = read_answer(recording.response)
        assert isinstance(found[-1], Counted)
        assert sum(isinstance(event, Counted) for event in found) == 1
