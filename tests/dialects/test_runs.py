"""A burst of events is metered as each event by itself is, whatever stands among them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat import Learned, Usage
from gateway.dialects.openai import StreamMeter
from gateway.dialects.runs import LEAST, Runs
from tests.upstream import Recording, load

STREAMS = [recording for recording in load() if recording.stream]
TEXTS = st.sampled_from(
    ["", "word", 'she said "no"', '"usage":{}', "\\", "[DONE]", "\n\ndata: x", "é"]
)
USAGE = {"prompt_tokens": 1, "completion_tokens": 2}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


OTHERS = [
    b": comment\n\n",
    chunk({"role": "assistant", "content": ""}),
    chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}),
    chunk({"content": "x"}, "stop"),
    chunk({"content": "x"}, usage=USAGE),
    chunk({"content": "x", "error": None}),
    chunk({"content": "x"}, x_groq={"usage": USAGE}),
    b"data: [DONE]\n\n",
    b'data: {"error":{"message":"no"}}\n\n',
    b'data: {"choices":[],"usage":null}\r\n\r\n',
]


@st.composite
def bursts(draw: st.DrawFn) -> list[bytes]:
    """A row of like events, in which a few others may stand anywhere."""
    form = draw(st.sampled_from(["bare", "null usage", "padded"]))
    more: dict[str, Any] = {} if form == "bare" else {"usage": None}
    events = []
    for text in draw(st.lists(TEXTS, min_size=30, max_size=60)):
        if form == "padded":
            more["obfuscation"] = "x" * (len(text) % 5)
        events.append(chunk({"content": text}, **more))
    for at, other in draw(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(OTHERS)))):
        events.insert(at, other)
    return events


def metered(parts: list[bytes], *, hide_usage: bool) -> tuple[bytes, Learned, Any]:
    learned = Learned()
    meter = StreamMeter(learned, hide_usage=hide_usage, limit=1 << 20)
    passed = b"".join(map(meter.feed, parts)) + meter.finish()
    meter.measure()
    if learned.usage is not None:  # then nobody asks for the size of the text
        learned.delivered = 0
    return passed, learned, meter.failure


@given(bursts(), st.booleans())
def test_a_burst_is_metered_as_its_events_are(events: list[bytes], hide_usage: bool) -> None:
    whole = metered([b"".join(events)], hide_usage=hide_usage)
    assert whole == metered(events, hide_usage=hide_usage)


@pytest.mark.parametrize("recording", STREAMS, ids=lambda one: f"{one.provider}-{one.id}")
@pytest.mark.parametrize("hide_usage", [False, True])
def test_a_recorded_stream_may_come_at_once(recording: Recording, hide_usage: bool) -> None:
    body = recording.body()
    one_by_one = [bytes([byte]) for byte in body]
    whole = metered([body], hide_usage=hide_usage)
    assert whole == metered(one_by_one, hide_usage=hide_usage)


@pytest.mark.parametrize("form", [{}, {"usage": None}, {"usage": None, "obfuscation": "xyz"}])
def test_most_of_a_burst_need_not_be_looked_at(form: dict[str, Any]) -> None:
    first, last = chunk({"role": "assistant"}, **form), chunk({}, "stop", **form)
    like = [chunk({"content": f" word{number}"}, **form) for number in range(50)]
    block = b"".join((first, *like, last))
    others = Runs(lambda text: True).others(block)
    assert len(block) > LEAST
    assert [block[start:end] for start, end in others] == [first, last]


def test_usage_within_a_burst_is_learned_and_hidden() -> None:
    like = [chunk({"content": "word"}, usage=None)] * 50
    told = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    passed, learned, _ = metered([b"".join((*like, told, *like))], hide_usage=True)
    assert passed == chunk({"content": "word"}) * 100
    assert learned.usage == Usage(input_tokens=1, output_tokens=2)
