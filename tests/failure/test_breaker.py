"""A target that keeps failing is passed over while there is another, and comes back by itself."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED
from tests.running import Answered, Running
from tests.upstream import Answer, Json, Sse, Upstream, chunks, completion, failure

PAUSE = 60  # is never over while a test runs
SHORT_PAUSE = 2


@pytest.fixture(scope="module")
def other() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def sparing(tmp_path_factory: pytest.TempPathFactory, other: Upstream) -> Iterator[Running]:
    """A gateway whose breaker opens after three failures, and which knows one more vendor."""
    with Running(tmp_path_factory.mktemp("sparing"), _settings(other, PAUSE)) as running:
        yield running


@pytest.fixture
def probing(tmp_path: Path, other: Upstream) -> Iterator[Running]:
    """The same, which soon tries again."""
    with Running(tmp_path, _settings(other, SHORT_PAUSE)) as running:
        yield running


def _settings(other: Upstream, pause: float) -> dict[str, Any]:
    return {
        "upstream": {"max_retries": 0, "first_byte_timeout": 1, "idle_timeout": 1},
        "breaker": {"failures": 3, "pause": pause},
        "providers": {"openai": {"api_key": "key-of-openai", "base_url": other.base_url}},
    }


@pytest.fixture
def key(sparing: Running, upstream: Upstream, other: Upstream) -> Iterator[str]:
    """Of a client whose own vendor is `upstream`, and whose fallback is `other`."""
    other.always(Json(completion("from the other")))
    yield _with_fallback(sparing, upstream)
    other.clear()


def _with_fallback(gateway: Running, upstream: Upstream) -> str:
    return _client(gateway, upstream, fallback_models=["openai/spare"])


def _client(sparing: Running, upstream: Upstream, **fields: Any) -> str:
    own = {"provider_base_url": upstream.base_url, "provider_api_key": "key-of-own"}
    return sparing.client(provider="openai-compatible", **own, **fields)


def _noted(sparing: Running, answer: Answered) -> list[dict[str, Any]]:
    (row,) = sparing.rows(1, request_id=answer.headers["x-request-id"])
    return list(json.loads(row["attempt_log"] or "[]"))


BROKEN: list[Answer] = [
    failure(500, "no"),
    failure(503, "no"),
    Json(completion(), head_delay=5),
    Json(b"rubbish"),
    Json(completion(), reset="before-head"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=["500", "503", "slow", "rubbish", "reset"])
def test_what_keeps_failing_is_passed_over_and_said(
    sparing: Running, upstream: Upstream, key: str, broken: Answer
) -> None:
    upstream.always(broken)
    answers = [sparing.chat(key, QUESTION) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert len(upstream.requests) == 3
    first, last = _noted(sparing, answers[0]), _noted(sparing, answers[-1])
    assert [one.get("provider") for one in first] == ["openai-compatible"]
    assert f"passed over for {PAUSE:g} s where there is another: {first[0]['message']}" in (
        sparing.output
    )
    assert last == [{"skipped": f"openai-compatible/{QUESTION['model']} keeps failing"}]
    assert answers[-1].headers["x-gateway-attempts"] == "1"
    assert answers[-1].headers["x-gateway-provider"] == "openai"


def test_one_call_tries_it_again_after_a_while(
    probing: Running, upstream: Upstream, other: Upstream
) -> None:
    upstream.always(failure(500, "no"))
    other.always(Json(completion("from the other")))
    key = _with_fallback(probing, upstream)

    def open_ones() -> float:
        return probing.metric("ai_gateway_breaker_open", provider="openai-compatible")

    for _ in range(3):
        probing.chat(key, QUESTION)
    assert open_ones() == 1
    time.sleep(SHORT_PAUSE)
    for _ in range(3):
        probing.chat(key, QUESTION)
    assert len(upstream.requests) == 4
    upstream.always(Json(completion("back")))
    time.sleep(SHORT_PAUSE)
    said = [probing.chat(key, QUESTION).json["choices"][0]["message"]["content"] for _ in range(3)]
    assert said == ["back"] * 3
    assert open_ones() == 0
    other.clear()


def test_the_last_target_is_always_asked(sparing: Running, upstream: Upstream) -> None:
    upstream.always(failure(500, "no"))
    alone = _client(sparing, upstream)
    assert [sparing.chat(alone, QUESTION).status for _ in range(6)] == [502] * 6
    assert len(upstream.requests) == 6


def test_of_two_that_fail_the_last_is_asked(
    sparing: Running, upstream: Upstream, other: Upstream, key: str
) -> None:
    upstream.always(failure(500, "no"))
    other.always(failure(500, "no either"))
    answers = [sparing.chat(key, {**QUESTION, "model": "both fail"}) for _ in range(6)]
    assert {answer.status for answer in answers} == {502}
    assert len(upstream.requests) == 3
    assert len(other.requests) == 6
    other.always(Json(completion()))  # so that it is well again for those that come after
    assert sparing.chat(key, QUESTION).status == 200


@pytest.mark.parametrize(
    "refusal",
    [failure(400, "wrong"), failure(401, "no such key"), failure(429, "slow down")],
    ids=["400", "401", "429"],
)
def test_refusals_open_nothing(
    sparing: Running, upstream: Upstream, key: str, refusal: Answer
) -> None:
    upstream.always(refusal)
    for _ in range(5):
        sparing.chat(key, QUESTION)
    assert len(upstream.requests) == 5


def test_streams_that_break_off_count(sparing: Running, upstream: Upstream, key: str) -> None:
    upstream.always(Sse(chunks(["a", "b"]), truncate=2))
    for _ in range(3):
        assert b"error" in sparing.chat(key, STREAMED).body
    assert len(upstream.requests) == 3
    assert sparing.chat(key, QUESTION).headers["x-gateway-provider"] == "openai"
    assert len(upstream.requests) == 3
