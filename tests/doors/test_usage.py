"""Every recording's usage stands in the log's columns exactly, and costs what it should.

What is expected is read here from the recordings themselves, by the vendors' own documents. Each
recording is asked for at the door of its own dialect and at another one; and each whole answer once
more as a stream that reports the same usage, which costs the same to the last place.
"""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running
from tests.upstream import Recording, Sse, Upstream, load
from tests.upstream.recordings import RECORDINGS

FILES = ("openai-chat", "openai-responses", "anthropic", "gemini")
ROWS = {"zai": "openai-compatible", "cerebras": "openai-compatible"}
COLUMNS = ("input", "output", "cached", "cache_write", "reasoning", "input_audio", "output_audio")
# So far apart that no mistake between two classes can cost the same.
RATES = {
    "input": Decimal(3),
    "output": Decimal(1_000),
    "cached_input": Decimal("0.000007"),
    "cache_write": Decimal(10_000_019),
    "cache_write_1h": Decimal(300_000_023),
    "input_audio": Decimal("0.0311"),
    "output_audio": Decimal(77_003),
}


@dataclass(frozen=True)
class Told:
    """A `usage` as its vendor words it, and the dialect of it."""

    dialect: str
    found: dict[str, Any]

    @property
    def columns(self) -> dict[str, int | None]:
        counts = READERS[self.dialect](self.found)
        return {f"{name}_tokens": counts.get(name) for name in COLUMNS}

    @property
    def cost(self) -> Decimal:
        """By the rates above; nothing in the recordings was spoken, or heard from a cache."""
        counts = {name: count or 0 for name, count in READERS[self.dialect](self.found).items()}
        cached, written = counts.get("cached", 0), counts.get("cache_write", 0)
        long = (self.found.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0)
        heard = counts.get("input_audio", 0)
        costs = (
            (counts["input"] - cached - written - heard) * RATES["input"],
            heard * RATES["input_audio"],
            cached * RATES["cached_input"],
            (written - long) * RATES["cache_write"],
            long * RATES["cache_write_1h"],
            counts["output"] * RATES["output"],
        )
        return sum(costs, Decimal()) / 10**6


def _of_openai(found: dict[str, Any]) -> dict[str, int | None]:
    into, out = (found.get(f"{half}_tokens_details") or {} for half in ("prompt", "completion"))
    cached = into.get("cached_tokens", found.get("num_cached_tokens"))
    return {
        "input": found["prompt_tokens"],
        "output": found["completion_tokens"],
        "cached": cached,
        "cache_write": into.get("cache_write_tokens"),
        "reasoning": out.get("reasoning_tokens"),
        "input_audio": into.get("audio_tokens"),
        "output_audio": out.get("audio_tokens"),
    }


def _of_responses(found: dict[str, Any]) -> dict[str, int | None]:
    into, out = (found.get(f"{half}_tokens_details") or {} for half in ("input", "output"))
    return {
        "input": found["input_tokens"],
        "output": found["output_tokens"],
        "cached": into.get("cached_tokens"),
        "cache_write": into.get("cache_write_tokens"),
        "reasoning": out.get("reasoning_tokens"),
    }


def _of_anthropic(found: dict[str, Any]) -> dict[str, int | None]:
    read, written = (found.get(f"cache_{way}_input_tokens") for way in ("read", "creation"))
    return {
        "input": found["input_tokens"] + (read or 0) + (written or 0),
        "output": found["output_tokens"],
        "cached": read,
        "cache_write": written,
        "reasoning": (found.get("output_tokens_details") or {}).get("thinking_tokens"),
    }


def _of_gemini(found: dict[str, Any]) -> dict[str, int | None]:
    thoughts = found.get("thoughtsTokenCount")
    return {
        "input": found.get("promptTokenCount", 0) + found.get("toolUsePromptTokenCount", 0),
        "output": found.get("candidatesTokenCount", 0) + (thoughts or 0),
        "cached": found.get("cachedContentTokenCount"),
        "reasoning": thoughts,
        "input_audio": _heard(found, "promptTokensDetails"),
        "output_audio": _heard(found, "candidatesTokensDetails"),
    }


def _heard(found: dict[str, Any], details: str) -> int | None:
    counts = [one["tokenCount"] for one in found.get(details, ()) if one["modality"] == "AUDIO"]
    return sum(counts) if counts else None


READERS = {
    "openai-chat": _of_openai,
    "openai-responses": _of_responses,
    "anthropic": _of_anthropic,
    "gemini": _of_gemini,
}


def told(file: str, recording: Recording) -> Told | None:
    """What a recording reports; None if it reports nothing."""
    if recording.status != 200 or recording.path.endswith(("/count_tokens", "EmbedContents")):
        return None
    found = _streamed_usage(recording) if recording.stream else _usage(recording.response)
    return Told(file, found) if found else None


def _usage(body: dict[str, Any]) -> dict[str, Any]:
    for place in (body, body.get("message"), body.get("response"), body.get("x_groq")):
        if isinstance(place, dict) and (found := place.get("usage", place.get("usageMetadata"))):
            return dict(found)
    return {}


def _streamed_usage(recording: Recording) -> dict[str, Any]:
    """The last report; Anthropic's leaves out figures that it told before."""
    found: dict[str, Any] = {}
    for line in recording.response.splitlines():
        if line.startswith("data: {") and (usage := _usage(json.loads(line[6:]))):
            found = {**found, **usage} if recording.provider == "anthropic" else usage
    return found


EVERY = [
    (file, recording)
    for file in FILES
    for recording in load(RECORDINGS.with_name(f"{file}.jsonl.gz"))
]
TOLD = {
    recording.id: (recording, usage)
    for file, recording in EVERY
    if (usage := told(file, recording)) is not None
}


@pytest.fixture(scope="module")
def replay() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    rates = {name: float(rate) for name, rate in RATES.items()}
    rows = {ROWS.get(recording.provider, recording.provider) for _, recording in EVERY}
    prices = {row: {"*": {**rates}} for row in rows}
    with Running(Path(tmp_path_factory.mktemp("usage")), {"prices": prices}) as running:
        yield running


@pytest.fixture(scope="module")
def rows(gateway: Running, replay: Upstream) -> dict[str, list[dict[str, Any]]]:
    """The log's rows of each recording: its own door, another one, and the same as a stream."""

    def play(one: tuple[Recording, Told]) -> str:
        recording, usage = one
        provider = ROWS.get(recording.provider, recording.provider)
        made = gateway.new_client(
            provider=provider,
            provider_base_url=_address(replay, recording),
            provider_api_key=f"key-of-{recording.id}",
            model_aliases={"*": f"{provider}/{_model(recording)}"},
        )
        replay.replay(recording, api_key=f"key-of-{recording.id}")
        _ask(gateway, made["api_key"], usage.dialect, recording.stream)
        other = "anthropic" if usage.dialect.startswith("openai") else "openai-chat"
        if usage.dialect != "openai-responses":  # asked for by the Responses door alone
            _ask(gateway, made["api_key"], other, recording.stream)
        if not recording.stream:
            name = f"streamed-{recording.id}"
            gateway.admin(
                "PATCH",
                f"/clients/{made['client']['id']}",
                {"provider_api_key": name},
            )
            replay.script(lambda received: name in received.keys, _as_stream(usage))
            _ask(gateway, made["api_key"], usage.dialect, stream=True)
        return str(made["client"]["name"])

    with ThreadPoolExecutor(6) as pool:
        names = dict(zip(TOLD, pool.map(play, TOLD.values()), strict=True))
    total = sum(3 if not recording.stream else 2 for recording, _ in TOLD.values())
    total -= sum(usage.dialect == "openai-responses" for _, usage in TOLD.values())
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for row in gateway.rows(total):
        found[row["client_name"]].append(row)
    return {recording: found[name] for recording, name in names.items()}


def _name(recording: str) -> str:
    return f"{TOLD[recording][0].provider}-{recording}"


@pytest.mark.parametrize("recording", TOLD, ids=_name)
def test_the_columns_hold_what_the_vendor_reported(
    recording: str, rows: dict[str, list[dict[str, Any]]]
) -> None:
    usage = TOLD[recording][1]
    assert rows[recording]
    for row in rows[recording]:
        assert {name: row[name] for name in usage.columns} == usage.columns
        assert row["estimated"] == 0


@pytest.mark.parametrize("recording", TOLD, ids=_name)
def test_it_costs_what_it_should_streamed_or_whole(
    recording: str, rows: dict[str, list[dict[str, Any]]]
) -> None:
    usage = TOLD[recording][1]
    forms = Counter(row["streamed"] for row in rows[recording])
    assert forms[1] >= 1
    assert {Decimal(row["cost_usd"]) for row in rows[recording]} == {usage.cost}


def test_every_recording_that_reports_is_there() -> None:
    """Some report nothing."""
    silent = [recording for file, recording in EVERY if told(file, recording) is None]
    assert Counter(_kind(recording) for recording in silent) == {
        "refused": 10,
        "counts tokens": 5,
        "embeds": 3,
        "whole": 3,  # begun in the background
        "stream": 1,
    }
    assert len(TOLD) == len(EVERY) - len(silent)
    assert sum(recording.stream for recording, _ in TOLD.values()) > 40


def _kind(recording: Recording) -> str:
    if recording.status != 200:
        return "refused"
    if recording.path.endswith("/count_tokens"):
        return "counts tokens"
    if recording.path.endswith("EmbedContents"):
        return "embeds"
    return "stream" if recording.stream else "whole"


def _model(recording: Recording) -> str:
    if recording.provider == "gemini":
        return recording.path.rpartition("/")[2].partition(":")[0]
    return str(recording.request["model"])


def _address(replay: Upstream, recording: Recording) -> str:
    for end in ("/chat/completions", "/responses"):
        path, found, _ = recording.path.partition(end)
        if found:
            return replay.origin + path
    return replay.origin


def _ask(gateway: Running, key: str, door: str, stream: bool) -> None:
    path, body = QUESTIONS[door]
    if door == "gemini":
        path += ":streamGenerateContent?alt=sse" if stream else ":generateContent"
    elif stream:
        body = {**body, "stream": True}
    headers = {"content-type": "application/json", "x-api-key": key}
    answer = gateway.call("POST", path, json.dumps(body).encode(), headers)
    assert answer.status == 200, (key, door, stream, answer.body)


_SAID = [{"role": "user", "content": "q"}]
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": ("/v1/chat/completions", {"model": "m", "messages": _SAID}),
    "openai-responses": ("/v1/responses", {"model": "m", "input": "q"}),
    "anthropic": ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": _SAID}),
    "gemini": ("/v1beta/models/m", {"contents": [{"parts": [{"text": "q"}]}]}),
}


# The same usage at the end of a stream.


def _as_stream(usage: Told) -> Sse:
    return Sse([_event(one) for one in STREAMS[usage.dialect](usage.found)], done=False)


def _event(data: dict[str, Any]) -> bytes:
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def _chat_stream(usage: dict[str, Any]) -> list[dict[str, Any]]:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [
        {**base, "choices": [choice]},
        {**base, "choices": [end]},
        {**base, "choices": [], "usage": usage},
    ]


def _responses_stream(usage: dict[str, Any]) -> list[dict[str, Any]]:
    begun: dict[str, Any] = {
        "id": "r",
        "object": "response",
        "status": "in_progress",
        "output": [],
        "usage": None,
    }
    ended = {**begun, "status": "completed", "usage": usage}
    return [
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {"type": "response.completed", "sequence_number": 1, "response": ended},
    ]


def _anthropic_stream(usage: dict[str, Any]) -> list[dict[str, Any]]:
    """The input's figures come first, and all of them at the end."""
    first = {**usage, "output_tokens": 1, "output_tokens_details": None}
    message = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": []}
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": {**message, **ending, "usage": first}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": usage},
        {"type": "message_stop"},
    ]


def _gemini_stream(usage: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures grow from event to event."""
    said = {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "index": 0}
    first = {**usage, "candidatesTokenCount": 0}
    return [
        {"candidates": [said], "usageMetadata": first},
        {"candidates": [{**said, "finishReason": "STOP"}], "usageMetadata": usage},
    ]


STREAMS = {
    "openai-chat": _chat_stream,
    "openai-responses": _responses_stream,
    "anthropic": _anthropic_stream,
    "gemini": _gemini_stream,
}
