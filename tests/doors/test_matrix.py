"""Every recorded answer, asked for at each of the three doors with that door's own SDK.

What the door's SDK reads equals what the vendor's own SDK reads straight from the recording, in the
words of `readings`. Where door and vendor speak the same dialect the bytes are the same, up and
down. All calls are made before the first test.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.doors.conftest import Tally
from tests.doors.readings import Reading, of_anthropic, of_gemini, of_openai
from tests.running import Answered, Running
from tests.upstream import Received, Recording, Upstream, load
from tests.upstream.recordings import RECORDINGS

FILES = ("openai-chat", "anthropic", "gemini")
# Vendors without a row of their own.
ROWS = {"zai": "openai-compatible", "cerebras": "openai-compatible"}
ALL = {file: load(RECORDINGS.with_name(f"{file}.jsonl.gz")) for file in FILES}


def _excluded(recording: Recording) -> str | None:
    """Why a recording has no reading to compare."""
    if recording.path.endswith("/count_tokens"):
        return "counts tokens"
    if recording.path.endswith(":batchEmbedContents"):
        return "embeds"
    if recording.status != 200:
        return "refused by its vendor"
    if recording.stream and b'\ndata: {"error":' in recording.body():
        return "broken off by its vendor"
    return None


EVERY = [recording for recordings in ALL.values() for recording in recordings]
CHATS = [recording for recording in EVERY if _excluded(recording) is None]
REFUSED = [recording for recording in EVERY if _excluded(recording) == "refused by its vendor"]
BROKEN = [recording for recording in EVERY if _excluded(recording) == "broken off by its vendor"]
RELAYED = [recording for recording in CHATS if recording.provider in ("anthropic", "gemini")]
DOORS = ("openai", "anthropic", "gemini")
EXCLUDED = {
    "counts tokens": 6,
    "embeds": 3,
    "refused by its vendor": 6,
    "broken off by its vendor": 1,
}


@dataclass(frozen=True)
class Failed:
    """An error as the SDK's caller catches it."""

    status: int | None
    message: str


@dataclass
class Played:
    """`straight`: what the vendor's own SDK read; `raw`: a relayed answer, and its question."""

    straight: Reading | Failed
    read: dict[str, Reading | Failed] = field(default_factory=dict)
    raw: Answered | None = None
    received: Received | None = None


class Sdks:
    """The three SDKs, each asking a short question at one origin."""

    def __init__(self, origin: str) -> None:
        self._openai = openai.OpenAI(base_url=f"{origin}/v1", api_key="none", max_retries=0)
        self._anthropic = anthropic.Anthropic(base_url=origin, api_key="none", max_retries=0)
        self._gemini = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=origin))

    def close(self) -> None:
        self._openai.close()
        self._anthropic.close()
        self._gemini.close()

    def openai(self, key: str, model: str, stream: bool, base_url: str | None = None) -> Reading:
        chat = self._openai.with_options(api_key=key, base_url=base_url)
        asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "q"}]}
        if stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        return of_openai(chat.chat.completions.create(**asked))

    def anthropic(self, key: str, model: str, stream: bool) -> Reading:
        """By the beta half of the SDK, which knows all blocks that the recordings hold."""
        messages = self._anthropic.with_options(api_key=key).beta.messages
        asked: dict[str, Any] = {
            "model": model,
            "max_tokens": 1000,
            "messages": [{"role": "user", "content": "q"}],
        }
        if not stream:
            return of_anthropic(messages.create(**asked))
        with messages.stream(**asked) as events:
            return of_anthropic(events.get_final_message())

    def gemini(self, key: str, model: str, stream: bool) -> Reading:
        options = types.HttpOptions(headers={"x-goog-api-key": key})
        asked: dict[str, Any] = {
            "model": model,
            "contents": "q",
            "config": types.GenerateContentConfig(http_options=options),
        }
        if stream:
            return of_gemini(self._gemini.models.generate_content_stream(**asked))
        return of_gemini([self._gemini.models.generate_content(**asked)])


@pytest.fixture(scope="module")
def replay() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def played(gateway: Running, replay: Upstream) -> Iterator[dict[str, Played]]:
    recordings = [*CHATS, *REFUSED, *BROKEN]
    by_key = {_key(recording): recording for recording in recordings}
    for key, recording in by_key.items():
        replay.replay(recording, api_key=key)
    straight, doors = Sdks(replay.origin), Sdks(gateway.origin)
    with ThreadPoolExecutor(6) as pool:
        ways = pool.map(lambda one: _play(gateway, replay, straight, doors, one), recordings)
        found = {one.id: way for one, way in zip(recordings, ways, strict=True)}
    for received in replay.requests:  # the raw question was the last of each
        for key in received.keys & by_key.keys():
            found[by_key[key].id].received = received
    yield found
    straight.close()
    doors.close()


def _name(recording: Recording) -> str:
    return f"{recording.provider}-{recording.id}"


each_door = pytest.mark.parametrize("door", DOORS)


def test_every_recording_is_asked_for_or_left_out_by_name() -> None:
    reasons = Counter(reason for one in EVERY if (reason := _excluded(one)))
    assert reasons == EXCLUDED
    assert len(EVERY) == len(CHATS) + reasons.total() == 493
    assert len({one.id for one in EVERY}) == len(EVERY)


@each_door
@pytest.mark.parametrize("recording", CHATS, ids=_name)
def test_a_door_says_what_the_vendor_said(
    recording: Recording, door: str, played: dict[str, Played], matrix_tally: Tally
) -> None:
    way = played[recording.id]
    with matrix_tally.counting(recording, f"{door} door, {recording.provider}"):
        assert isinstance(way.straight, Reading), way.straight
        assert way.read[door] == way.straight


def test_what_the_vendors_said_is_worth_comparing(played: dict[str, Played]) -> None:
    readings = [played[one.id].straight for one in CHATS]
    said = [one for one in readings if isinstance(one, Reading)]
    finishes = Counter(one.finish for one in said)
    assert finishes.keys() == {"stop", "length", "tool_calls", "content_filter"}
    assert finishes["tool_calls"] == sum(bool(one.calls) for one in said) > 150
    assert sum(len(one.calls) > 1 for one in said) == 8
    assert sum(bool(one.reasoning) for one in said) > 20
    assert sum(one.tokens.cached > 0 for one in said) > 20
    assert sum(one.tokens.reasoning > 0 for one in said) > 50
    assert sum(bool(one.text) for one in said) > 300


@pytest.mark.parametrize("recording", RELAYED, ids=_name)
def test_within_one_dialect_the_bytes_are_relayed(
    recording: Recording, played: dict[str, Played]
) -> None:
    way = played[recording.id]
    assert way.raw is not None and way.received is not None
    # Older SDKs of Anthropic's add `beta=true`, which says nothing that the headers do not.
    query = recording.query.removeprefix("beta=true")
    assert (way.received.path, way.received.query) == (recording.path, query)
    assert way.received.json == recording.request
    assert (way.raw.status, way.raw.body) == (200, recording.body())


@each_door
@pytest.mark.parametrize("recording", REFUSED, ids=_name)
def test_a_refusal_is_told_in_the_doors_own_words(
    recording: Recording, door: str, played: dict[str, Played]
) -> None:
    message = recording.response["error"]["message"]
    told = played[recording.id].read[door]
    assert isinstance(told, Failed)
    assert (told.status, message in told.message) == (recording.status, True)


@each_door
@pytest.mark.parametrize("recording", BROKEN, ids=_name)
def test_a_stream_that_breaks_off_ends_in_an_error(
    recording: Recording, door: str, played: dict[str, Played]
) -> None:
    way = played[recording.id]
    assert isinstance(way.straight, Failed)
    told = way.read[door]
    assert isinstance(told, Failed)
    assert "Tool" in way.straight.message and "Tool" in told.message


def _play(
    gateway: Running, replay: Upstream, straight: Sdks, doors: Sdks, recording: Recording
) -> Played:
    key = gateway.client(
        provider=_row(recording),
        provider_base_url=_address(replay, recording),
        provider_api_key=_key(recording),
    )
    model = f"{_row(recording)}/{_model(recording)}"
    stream = _streams(recording)
    way = Played(_caught(lambda: _straight(straight, replay, recording)))
    way.read["openai"] = _caught(lambda: doors.openai(key, model, stream))
    way.read["anthropic"] = _caught(lambda: doors.anthropic(key, model, stream))
    way.read["gemini"] = _caught(lambda: doors.gemini(key, model, stream))
    if recording in RELAYED:
        way.raw = _relay(gateway, key, recording)
    return way


def _straight(sdks: Sdks, replay: Upstream, recording: Recording) -> Reading:
    key, stream = _key(recording), _streams(recording)
    if recording.provider == "anthropic":
        return sdks.anthropic(key, "any", stream)
    if recording.provider == "gemini":
        return sdks.gemini(key, "any", stream)
    return sdks.openai(key, "any", stream, _address(replay, recording))


def _caught(read: Callable[[], Reading]) -> Reading | Failed:
    try:
        return read()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        return Failed(error.status_code, error.message)
    except (openai.APIError, anthropic.APIError) as error:
        return Failed(None, error.message)
    except errors.APIError as error:
        return Failed(error.code, error.message or "")


def _relay(gateway: Running, key: str, recording: Recording) -> Answered:
    """The recorded question as bare bytes, at the door of its own dialect."""
    asked, path = {**recording.request}, recording.path
    if recording.provider == "gemini":
        path = path.replace("/models/", "/models/gemini/")
    else:
        asked["model"] = f"anthropic/{asked['model']}"
    target = f"{path}?{recording.query}" if recording.query else path
    headers = {"content-type": "application/json", "x-api-key": key}
    return gateway.call("POST", target, json.dumps(asked).encode(), headers)


def _row(recording: Recording) -> str:
    return ROWS.get(recording.provider, recording.provider)


def _key(recording: Recording) -> str:
    """The upstream key of its client; it tells the upstream what to answer."""
    return f"key-of-{recording.id}"


def _model(recording: Recording) -> str:
    if recording.provider == "gemini":
        return recording.path.rpartition("/")[2].partition(":")[0]
    model: str = recording.request["model"]
    return model


def _streams(recording: Recording) -> bool:
    return recording.stream or bool(recording.request.get("stream"))


def _address(replay: Upstream, recording: Recording) -> str:
    """As the vendor's row wants it: with its path in OpenAI's dialect, the origin in others."""
    path, chat, _ = recording.path.partition("/chat/completions")
    return replay.origin + path if chat else replay.origin
