"""Recorded responses read into the canonical words and out again say what they said before.

Of 123 recordings three are refusals of the vendor (a status of 400), which no dialect reads; three
whole ones are queued for the background and say nothing yet.
"""

import random
from dataclasses import replace

import pytest

from gateway.chat import Learned
from gateway.conversation import Counted, Event, Finished, ThinkingSealed
from gateway.dialects.passage import Overheard, noted
from gateway.dialects.responses import StreamReader, read_answer, write_answer
from gateway.sse import data_of, events
from tests.dialects.responses_sdk import (
    RECORDINGS,
    Read,
    accumulated,
    done_items,
    feed,
    last_response,
    lenient,
    read,
    said,
    strict,
    written,
)
from tests.upstream import Recording, Upstream

ANSWERED = [r for r in RECORDINGS if r.status == 200]
QUEUED = [r for r in ANSWERED if not r.stream and r.response["status"] == "queued"]
WHOLE = [r for r in ANSWERED if not r.stream and r not in QUEUED]
STREAMS = [r for r in ANSWERED if r.stream]


# The package copies items of OpenAI's tools by types that are newer than the recorded ones.
copied = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")


def names(recording: Recording) -> str:
    return f"{recording.provider}-{recording.id}"


def wanted(recording: Recording) -> Read:
    """The recording as the package itself reads it: not strictly, since vendors are not."""
    if not recording.stream:
        return read(lenient(recording.response))
    return read(lenient({**last_response(recording), "output": done_items(recording)}))


def found(recording: Recording) -> list[Event]:
    if recording.stream:
        return feed(StreamReader(), recording.body())
    return read_answer(recording.response)


def test_these_are_all() -> None:
    assert len(RECORDINGS) == 123
    assert (len(WHOLE), len(QUEUED), len(STREAMS)) == (109, 3, 8)
    assert [r.status for r in RECORDINGS if r not in ANSWERED] == [400, 400, 400]


@pytest.mark.parametrize("recording", WHOLE, ids=names)
def test_a_whole_answer_is_read_and_written(recording: Recording) -> None:
    answer = write_answer(read_answer(recording.response), "model", request=recording.request)
    assert read(lenient(answer)) == wanted(recording)
    assert answer["id"] == recording.response["id"]
    assert answer["model"] == recording.response["model"]
    assert answer["created_at"] == recording.response["created_at"]


@pytest.mark.parametrize("recording", WHOLE + STREAMS, ids=names)
def test_the_strict_types_take_what_is_written(recording: Recording) -> None:
    strict(write_answer(found(recording), "model", request=recording.request))


@pytest.mark.parametrize("recording", WHOLE, ids=names)
def test_a_whole_answer_is_streamed(recording: Recording) -> None:
    stream = written(read_answer(recording.response), request=recording.request)
    assert read(lenient(said(stream)[-1]["response"])) == wanted(recording)


@copied
def test_the_sdk_accumulates_each_of_them_from_a_socket(upstream: Upstream) -> None:
    for recording in WHOLE:
        answer = accumulated(upstream, written(read_answer(recording.response)))
        assert read(answer) == wanted(recording)


@pytest.mark.parametrize("recording", QUEUED, ids=names)
def test_a_queued_response_says_nothing_yet(recording: Recording) -> None:
    told = read_answer(recording.response)
    assert not any(isinstance(event, Finished | Counted) for event in told)
    assert len(told) == 1


@copied
@pytest.mark.parametrize("recording", STREAMS, ids=names)
def test_a_stream_is_read_and_written(recording: Recording, upstream: Upstream) -> None:
    reader = StreamReader()
    told = feed(reader, recording.body())
    assert reader.ended and reader.failure is None
    assert read(strict(write_answer(told, "model"))) == wanted(recording)
    stream = written(told)
    assert read(strict(said(stream)[-1]["response"])) == wanted(recording)
    assert read(accumulated(upstream, stream)) == wanted(recording)


@pytest.mark.parametrize("recording", STREAMS, ids=names)
def test_it_does_not_matter_where_a_stream_is_cut(recording: Recording) -> None:
    whole = feed(StreamReader(), recording.body())
    size = len(recording.body())
    for seed in range(5):
        cuts = random.Random(seed).sample(range(size), min(size, 200))
        assert feed(StreamReader(), recording.body(), cuts) == whole


@pytest.mark.parametrize("recording", STREAMS, ids=names)
def test_a_stream_that_is_cut_short_has_not_ended(recording: Recording) -> None:
    told = [e for e in events(recording.body()) if data_of(e)]
    last = next(at for at, e in enumerate(told) if b'"response.completed"' in e)
    reader = StreamReader()
    feed(reader, b"".join(told[:last]))
    assert not reader.ended and reader.failure is None


@pytest.mark.parametrize("recording", WHOLE + STREAMS, ids=names)
def test_what_is_overheard_is_what_the_record_wants(recording: Recording) -> None:
    learned = Learned()
    if recording.stream:
        passage = Overheard(StreamReader(), learned, 1 << 24)
        passed = passage.feed(recording.body()) + passage.finish()
        assert passed.strip() == recording.body().strip()
        assert learned.ended
    else:
        for _ in noted(read_answer(recording.response), learned):
            pass
    says = wanted(recording)
    assert learned.tool_names == [name for name, _ in says.tools]
    assert learned.finish_reason == ("tool_calls" if says.tools else "stop")
    assert learned.usage is not None and says.usage is not None
    assert learned.usage.input_tokens == says.usage["input"]
    assert learned.usage.output_tokens == says.usage["output"]
    assert learned.usage.cached_tokens == says.usage["cached"]
    assert learned.usage.reasoning_tokens == says.usage["reasoning"]
    assert learned.delivered >= len(says.text) + len(says.reasoning)


def test_a_response_that_is_whole_only_at_its_end_is_read_there() -> None:
    """Some servers send no items on the way."""
    for recording in STREAMS:
        told = [e for e in events(recording.body()) if b'"response.completed"' in data_of(e)]
        again = write_answer(feed(StreamReader(), b"".join(told)), "model")
        assert read(strict(again)) == read(lenient(last_response(recording)))


def test_items_alone_suffice() -> None:
    """Without their deltas, items tell as much when they are done."""
    for recording in STREAMS:
        kept = [e for e in events(recording.body()) if b'.delta"' not in data_of(e)]
        again = write_answer(feed(StreamReader(), b"".join(kept)), "model")
        assert read(strict(again)) == wanted(recording)


def test_reasoning_items_are_kept_as_they_came() -> None:
    kept = [e.details for r in ANSWERED for e in found(r) if isinstance(e, ThinkingSealed)]
    given = [
        item
        for r in ANSWERED
        for item in (done_items(r) if r.stream else r.response["output"])
        if item["type"] == "reasoning"
    ]
    assert len(kept) == len(given)
    for mine, theirs in zip(kept, given, strict=True):
        assert mine is not None and mine["id"] == theirs["id"]


def test_an_answer_without_usage_has_none() -> None:
    told = [e for e in read_answer(WHOLE[0].response) if not isinstance(e, Counted)]
    assert write_answer(told, "model")["usage"] is None
    assert replace(wanted(WHOLE[0]), usage=None) == read(strict(write_answer(told, "model")))
