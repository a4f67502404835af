"""Every recorded exchange passes the gateway unchanged: the question up, the answer down.

Each is asked by OpenAI's SDK through the gateway and straight at the replaying upstream, as bare
bytes, and by a client whose settings put something in. Besides the model's name, which is asked
for as `provider/model`, no row edits any of the recorded questions: their vendors took them so.
DeepSeek, xAI, Cohere, Perplexity and the local servers are not among the recordings; what is known
of them is in `test_quirks.py`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

import openai
import pytest

from gateway.config import PROVIDER_IDS
from tests.doors.conftest import Tally
from tests.running import Answered, Running
from tests.upstream import Received, Recording, Sse, Upstream, load

RECORDINGS = load()
STREAMS = [recording for recording in RECORDINGS if recording.stream]
# Vendors without a row of their own.
ROWS = {"zai": "openai-compatible", "cerebras": "openai-compatible"}
# Rows that may not be asked for a stream's usage, or give it unasked.
USAGE_UNASKED = ("groq", "mistral", "openrouter")
# Where a row puts an output cap if the question names none.
CAP_FIELDS = {"openai": "max_completion_tokens"}
CAPS = ["max_tokens", "max_completion_tokens"]
CAP = 50
SYSTEM_PROMPT = "Answer in the King's “English”."
CHOPS = ("whole", "events", "characters", "bytes", "random")


@dataclass(frozen=True)
class Heard:
    """What the SDK made of an answer: its values, and the error it ended with."""

    values: list[dict[str, Any]]
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Passage:
    """The ways of one recording, and the log's rows of the first two.

    `injected` is what became of the question at a client with settings.
    """

    straight: Heard
    heard: Heard
    received: Received
    raw: Answered
    raw_received: Received
    injected: Received
    rows: list[dict[str, Any]]


def _name(recording: Recording) -> str:
    return f"{recording.provider}-{recording.id}"


each = pytest.mark.parametrize("recording", RECORDINGS, ids=_name)
each_stream = pytest.mark.parametrize("recording", STREAMS, ids=_name)


@pytest.fixture(scope="module")
def replay() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def passages(gateway: Running, replay: Upstream, sdk: openai.OpenAI) -> dict[str, Passage]:
    """All are played before the first test, so that the log is waited for once."""
    names = {one.id: f"recording {one.id}" for one in RECORDINGS}
    ways = {one.id: _play(gateway, replay, sdk, one, names[one.id]) for one in RECORDINGS}
    return {
        played: Passage(**way, rows=gateway.rows(2, client_name=names[played]))
        for played, way in ways.items()
    }


@each
def test_it_passes_unchanged(
    recording: Recording, passages: dict[str, Passage], tally: Tally
) -> None:
    passage = passages[recording.id]
    with tally.counting(recording):
        assert passage.received.json == recording.request
        assert passage.heard == passage.straight
        assert (passage.heard.error is None) == (recording.status == 200 and not _fails(recording))


@each
def test_its_bytes_are_relayed(recording: Recording, passages: dict[str, Passage]) -> None:
    passage = passages[recording.id]
    assert passage.raw_received.body == _bare(recording, recording.request["model"])
    assert passage.raw.status == recording.status
    if recording.stream:
        assert _relayed(recording, passage.raw.body)
    elif recording.status == 200:
        assert passage.raw.body == recording.body()


@each
def test_settings_inject_what_they_say_and_no_more(
    recording: Recording, passages: dict[str, Passage]
) -> None:
    expected = {**recording.request}
    system = {"role": "system", "content": SYSTEM_PROMPT}
    expected["messages"] = [system, *expected["messages"]]
    asked = [name for name in CAPS if name in expected]
    for name in asked or [CAP_FIELDS.get(recording.provider, "max_tokens")]:
        expected[name] = CAP
    assert passages[recording.id].injected.json == expected


@each
def test_the_log_says_what_the_recording_says(
    recording: Recording, passages: dict[str, Passage]
) -> None:
    told = _told(recording)
    for row in passages[recording.id].rows:
        assert {name: row[name] for name in told} == told


@each_stream
@pytest.mark.parametrize("chop", CHOPS)
def test_a_stream_passes_in_any_pieces(
    recording: Recording, chop: str, gateway: Running, replay: Upstream
) -> None:
    key = _client(gateway, replay, recording, f"{chop} {recording.id}")
    replay.replay(recording, api_key=_key(f"{chop} {recording.id}"), chop=chop)
    answer = gateway.chat(key, _bare(recording, _asked_name(recording)))
    assert _relayed(recording, answer.body)


@each_stream
@pytest.mark.parametrize("newline", [b"\r\n", b"\r"], ids=["crlf", "cr"])
def test_a_stream_passes_with_other_line_ends(
    recording: Recording, newline: bytes, gateway: Running, replay: Upstream
) -> None:
    name = f"line ends {newline.hex()} {recording.id}"
    key = _client(gateway, replay, recording, name)
    events = [event.replace(b"\n", newline) for event in recording.answer().parts()]
    replay.script(lambda received: _key(name) in received.keys, Sse(events, done=False))
    answer = gateway.chat(key, _bare(recording, _asked_name(recording)))
    assert newline in answer.body
    assert _relayed(recording, answer.body.replace(newline, b"\n"))


@each_stream
def test_usage_is_asked_for_and_hidden_from_who_did_not_ask(
    recording: Recording, gateway: Running, replay: Upstream
) -> None:
    name = f"no usage {recording.id}"
    key = _client(gateway, replay, recording, name)
    replay.replay(recording, api_key=_key(name))
    unasked = {**recording.request, "model": _asked_name(recording)}
    unasked.pop("stream_options", None)
    answer = gateway.chat(key, unasked)
    if recording.provider in USAGE_UNASKED:
        assert "stream_options" not in replay.requests[-1].json
        assert _relayed(recording, answer.body)
    else:
        assert replay.requests[-1].json["stream_options"] == {"include_usage": True}
        assert _events(answer.body) == _without_usage(recording)


def _play(
    gateway: Running, replay: Upstream, sdk: openai.OpenAI, recording: Recording, name: str
) -> dict[str, Any]:
    key = _client(gateway, replay, recording, name)
    settled = _client(
        gateway,
        replay,
        recording,
        f"settled {name}",
        system_prompt=SYSTEM_PROMPT,
        max_output_tokens=CAP,
    )
    replay.replay(recording, api_key=_key(name))
    replay.replay(recording, api_key=_key(f"settled {name}"))
    address = _address(replay, recording)
    straight = _hear(sdk.with_options(base_url=address, api_key=_key(name)), recording.request)
    asked = {**recording.request, "model": f"{_row(recording)}/{recording.request['model']}"}
    heard = _hear(sdk.with_options(api_key=key), asked)
    received = replay.requests[-1]
    raw = gateway.chat(key, _bare(recording, _asked_name(recording)))
    raw_received = replay.requests[-1]
    gateway.chat(settled, asked)
    return {
        "straight": straight,
        "heard": heard,
        "received": received,
        "raw": raw,
        "raw_received": raw_received,
        "injected": replay.requests[-1],
    }


def _client(
    gateway: Running, replay: Upstream, recording: Recording, name: str, **fields: Any
) -> str:
    return gateway.client(
        name=name,
        provider=_row(recording),
        provider_base_url=_address(replay, recording),
        provider_api_key=_key(name),
        **fields,
    )


def _row(recording: Recording) -> str:
    return ROWS.get(recording.provider, recording.provider)


def _address(replay: Upstream, recording: Recording) -> str:
    return replay.origin + recording.path.removesuffix("/chat/completions")


def _key(name: str) -> str:
    """The upstream key of the client of that name; it tells the upstream what to replay."""
    return "key-of-" + name.replace(" ", "-")


def _asked_name(recording: Recording) -> str:
    """The very name, unless it would be taken for another provider's."""
    model: str = recording.request["model"]
    return f"{_row(recording)}/{model}" if model.partition("/")[0] in PROVIDER_IDS else model


def _bare(recording: Recording, model: str) -> bytes:
    """The question as bytes that no JSON writer of the gateway's would give."""
    members = {**recording.request, "model": model}.items()
    written = (f'"{k}":{json.dumps(v, indent=1, ensure_ascii=False)}' for k, v in members)
    return ("{" + ",".join(written) + "}").encode()


def _hear(sdk: openai.OpenAI, question: dict[str, Any]) -> Heard:
    values: list[dict[str, Any]] = []
    rest = {k: v for k, v in question.items() if k not in ("model", "messages", "stream")}
    try:
        answer = sdk.chat.completions.create(
            model=question["model"],
            messages=question["messages"],
            stream=question["stream"],
            extra_body=rest,
        )
        chunks = answer if isinstance(answer, openai.Stream) else [answer]
        for chunk in chunks:
            values.append(chunk.model_dump(warnings=False))
    except openai.APIError as error:
        return Heard(values, _described(error))
    return Heard(values)


def _described(error: openai.APIError) -> dict[str, Any]:
    """An error as its catcher sees it; a `param` that is not given is null."""
    body: Any = error.body
    return {
        "class": type(error),
        "status": getattr(error, "status_code", None),
        "text": str(error),
        "code": error.code,
        "type": error.type,
        "body": {"param": None, **body},
    }


def _fails(recording: Recording) -> bool:
    """Whether it is a stream that ends in an error."""
    return recording.stream and b'\ndata: {"error":' in recording.body()


def _relayed(recording: Recording, body: bytes) -> bool:
    """Whether a streamed answer is the recorded one, up to an error if it ends in one.

    Comments before the first event are the gateway's own to send.
    """
    recorded, passed = _events(recording.body()), _events(body)
    if _fails(recording):
        assert passed.pop().startswith(b'data: {"error":')
        assert recorded.pop().startswith(b"event: error\n")
    return passed == recorded


def _events(stream: bytes) -> list[bytes]:
    events = [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]
    return list(dropwhile(lambda event: event.startswith(b":"), events))


def _without_usage(recording: Recording) -> list[bytes]:
    """The recorded events without what says the usage."""
    kept = []
    for event in _events(recording.body()):
        if b'"usage":{' not in event:
            kept.append(event.replace(b',"usage":null', b""))
        elif b'"choices":[]' not in event:
            before, _, _ = event.partition(b',"usage":{')
            kept.append(before + b"}\n\n")
    return kept


def _told(recording: Recording) -> dict[str, Any]:
    """The columns of the log, read from the recording itself."""
    chunks = _chunks(recording)
    choices = [choice for chunk in chunks for choice in chunk.get("choices") or ()]
    said = [choice.get("message") or choice.get("delta") or {} for choice in choices]
    calls = [call for one in said for call in one.get("tool_calls") or ()]
    names = [call["function"]["name"] for call in calls if call["function"].get("name")]
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    usage = next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), None)
    estimated = usage is None and recording.status == 200
    return {
        "provider": _row(recording),
        "model": recording.request["model"],
        "status": 502 if _fails(recording) else recording.status,
        "streamed": recording.stream,
        "attempts": 1,
        "finish_reason": reasons[0] if reasons else None,
        "tool_names": json.dumps(names, separators=(",", ":")) if names else None,
        "estimated": estimated,
    } | ({} if estimated else _counts(usage or {}))


def _counts(usage: dict[str, Any]) -> dict[str, Any]:
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": usage.get("prompt_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "cached_tokens": prompt.get("cached_tokens", usage.get("num_cached_tokens")),
        "cache_write_tokens": prompt.get("cache_write_tokens"),
        "reasoning_tokens": completion.get("reasoning_tokens"),
    }


def _chunks(recording: Recording) -> list[dict[str, Any]]:
    if not recording.stream:
        return [recording.response]
    lines = [line for line in str(recording.response).split("\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]
