"""Recorded streams on their way to each door: where the network cut them makes no difference.

Whole recordings are streamed, too, in the words of the vendor that answered: what a door makes of
the stream says what the recording says.
"""

import json
import random
import re
from typing import Any

import pytest

from gateway.chat import Learned
from gateway.conversation import (
    CallBegan,
    CallPiece,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
)
from gateway.dialects.passage import Overheard, Passage, Translated
from gateway.dialects.table import DIALECTS
from gateway.sse import data_of, events, name_of
from tests.dialects.test_between_dialects import FILES, chats
from tests.upstream import Recording

DOORS = ("openai", "anthropic", "gemini")
VENDORS = tuple(FILES)
EVERY = {vendor: [one for one in chats(vendor) if one.status == 200] for vendor in VENDORS}
STREAMS = [(vendor, one) for vendor in VENDORS for one in EVERY[vendor] if one.stream]
WHOLE = [(vendor, one) for vendor in DOORS for one in EVERY[vendor] if not one.stream]
LIMIT = 1 << 24


def name(given: Any) -> str:
    return given if isinstance(given, str) else f"{given.provider}-{given.id}"


def translating(vendor: str, door: str, learned: Learned) -> Passage:
    writer = DIALECTS[door].StreamWriter("model", include_usage=True)
    return Translated(DIALECTS[vendor].StreamReader(), writer, learned, LIMIT)


def passed(passage: Passage, parts: list[bytes]) -> bytes:
    out = b"".join(map(passage.feed, parts))
    return out if passage.failure is not None else out + passage.finish()


def noted(learned: Learned) -> bytes:
    """All that was learned, but for ids that were made up."""
    return re.sub(rb"call_gw[0-9a-f]+", b"", repr(learned).encode())


def ways_to_cut(stream: bytes) -> list[list[bytes]]:
    """Into single bytes, and four times anywhere."""
    ways = [[stream[at : at + 1] for at in range(len(stream))]]
    for seed in range(4):
        found = random.Random(seed).choices(range(1, len(stream)), k=len(stream) // 40 + 1)
        cuts = [0, *sorted(found), len(stream)]
        ways.append([stream[a:b] for a, b in zip(cuts, cuts[1:], strict=False)])
    return ways


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("vendor", "recording"), STREAMS, ids=name)
def test_a_stream_is_translated_the_same(vendor: str, recording: Recording, door: str) -> None:
    learned = Learned()
    passage = translating(vendor, door, learned)
    wanted = passed(passage, [recording.body()])
    for parts in ways_to_cut(recording.body()):
        again = Learned()
        other = translating(vendor, door, again)
        assert without_chance(passed(other, parts)) == without_chance(wanted)
        assert noted(again) == noted(learned)
        assert other.failure == passage.failure


@pytest.mark.parametrize(("vendor", "recording"), STREAMS, ids=name)
def test_a_stream_is_overheard_the_same(vendor: str, recording: Recording) -> None:
    stream = recording.body()
    learned = Learned()
    whole = Overheard(DIALECTS[vendor].StreamReader(), learned, LIMIT)
    wanted = passed(whole, [stream])
    assert whole.failure is not None or wanted == stream
    for parts in ways_to_cut(stream):
        again = Learned()
        other = Overheard(DIALECTS[vendor].StreamReader(), again, LIMIT)
        assert passed(other, parts) == wanted
        assert noted(again) == noted(learned)
        assert other.failure == whole.failure


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("vendor", "recording"), WHOLE, ids=name)
def test_a_whole_answer_may_come_as_a_stream(vendor: str, recording: Recording, door: str) -> None:
    answered = DIALECTS[vendor].read_answer(recording.response)
    writer = DIALECTS[vendor].StreamWriter("model", include_usage=True)
    stream = b"".join(map(writer.write, answered)) + writer.end()
    parts = ways_to_cut(stream)[1]
    told = read(door, passed(translating(vendor, door, Learned()), parts))
    assert told == said(DIALECTS[door].read_answer(written(door, answered)))


def written(door: str, found: list[Event]) -> dict[str, Any]:
    return DIALECTS[door].write_answer(found, "model")


def read(dialect: str, stream: bytes) -> dict[str, Any]:
    reader = DIALECTS[dialect].StreamReader()
    found: list[Event] = []
    for event in events(stream):
        if data := data_of(event):
            found += reader.feed(data, name_of(event))
    found += reader.finish()
    assert reader.ended and reader.failure is None
    return said(found)


def said(found: list[Event]) -> dict[str, Any]:
    """What an answer says, however it is cut into events."""
    counted = [event.usage for event in found if isinstance(event, Counted)]
    return {
        "text": "".join(event.text for event in found if isinstance(event, TextPiece)),
        "thought": "".join(event.text for event in found if isinstance(event, ThinkingPiece)),
        "refusal": "".join(event.text for event in found if isinstance(event, RefusalPiece)),
        "calls": [event.name for event in found if isinstance(event, CallBegan)],
        "arguments": [arguments(e.call, found) for e in found if isinstance(e, CallBegan)],
        "finish": [event.reason for event in found if isinstance(event, Finished)],
        "usage": counted[-1:],
    }


def arguments(call: int, found: list[Event]) -> Any:
    pieces = [e.arguments for e in found if isinstance(e, CallPiece) and e.call == call]
    return json.loads("".join(pieces) or "{}")


def without_chance(stream: bytes) -> bytes:
    """Without the time, and the ids that are made up where a vendor gives none."""
    return re.sub(rb'"(?:id|created)":(?:"[^"]*"|[0-9]+)', b"", stream)
