"""A client's receipts: each call's own, and what they add up to."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.running import Answered, Running
from tests.upstream import Json, Received, Sse, Upstream, chunks, completion, failure

HELLO = [{"role": "user", "content": "Hello"}]
ASKED = {"model": "gpt-4o", "messages": HELLO}
TOKENS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
)
USAGE = {
    "prompt_tokens": 1_000,
    "completion_tokens": 200,
    "total_tokens": 1_200,
    "prompt_tokens_details": {"cached_tokens": 600},
    "completion_tokens_details": {"reasoning_tokens": 50},
}


@pytest.fixture(scope="module")
def spare() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory, spare: Upstream) -> Iterator[Running]:
    """Two workers, so that a receipt is often asked for at the one that has not written it."""
    settings = {
        "upstream": {"max_retries": 1, "max_retry_delay": 0.01},
        "providers": {"groq": {"api_key": "key-of-groq", "base_url": spare.base_url}},
        "prices": {"groq": {"spare": {"input": 1, "output": 2}}},
    }
    with Running(tmp_path_factory.mktemp("counting"), settings, workers=2) as running:
        yield running


def _client(counting: Running, upstream: Upstream, **fields: Any) -> str:
    own = {"provider_base_url": upstream.base_url, "provider_api_key": "key-of-own"}
    return counting.client(**{"provider": "openai", **own, **fields})


def _get(counting: Running, path: str, key: str | None, **headers: str) -> Answered:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        given["x-api-key"] = key
    return counting.call("GET", path, headers=given)


def _receipt(counting: Running, key: str, answer: Answered) -> dict[str, Any]:
    got = _get(counting, f"/v1/requests/{answer.headers['x-request-id']}", key)
    assert got.status == 200, got.body
    told: dict[str, Any] = json.loads(got.body, parse_float=Decimal)
    return told


def _answer(usage: dict[str, Any] = USAGE) -> Json:
    return Json(completion(usage=False) | {"usage": usage})


def test_a_receipt_says_what_was_used_and_what_it_cost(
    counting: Running, upstream: Upstream
) -> None:
    upstream.always(_answer())
    key = _client(counting, upstream)
    answer = counting.chat(key, ASKED, x_request_id="mine")
    receipt = _receipt(counting, key, answer)
    began = datetime.fromisoformat(receipt.pop("started_at"))
    assert abs((datetime.now(UTC) - began).total_seconds()) < 60
    way_up = receipt.pop("asked_ms") + receipt.pop("connect_ms")
    assert way_up <= receipt.pop("first_byte_ms") <= receipt.pop("total_ms")
    assert receipt.pop("price").pop("source").startswith("genai-prices ")
    assert receipt.pop("tool_rounds") is None
    assert receipt == {
        "object": "receipt",
        "request_id": answer.headers["x-request-id"],
        "client_request_id": "mine",
        "door": "openai",
        "model_asked": "gpt-4o",
        "provider": "openai",
        "model": "gpt-4o",
        "streamed": False,
        "status": 200,
        "error_code": None,
        "error_message": None,
        "attempts": 1,
        "attempt_log": [],
        "input_tokens": 1_000,
        "output_tokens": 200,
        "cached_tokens": 600,
        "cache_write_tokens": None,
        "reasoning_tokens": 50,
        "input_audio_tokens": None,
        "output_audio_tokens": None,
        "estimated": False,
        # 400 at $2.50, 600 from the cache at $1.25, 200 at $10, each a million
        "cost_usd": Decimal("0.003750000000"),
        "finish_reason": "stop",
        "tool_names": [],
        "dropped_params": [],
        "limits": [],
        "flags": [],
    }


def test_the_price_is_stored_as_it_was(counting: Running, upstream: Upstream) -> None:
    upstream.always(_answer())
    key = _client(counting, upstream)
    price = _receipt(counting, key, counting.chat(key, ASKED))["price"]
    assert price["model"] == "gpt-4o"
    assert price["usd_per_million"] == {"input": "2.5", "cached_input": "1.25", "output": "10"}
    assert price["usd_per_thousand"] == {"web_searches": "10"}


def test_a_faster_service_costs_more(counting: Running, upstream: Upstream) -> None:
    upstream.always(_answer())
    key = _client(counting, upstream, budget_usd_day=1)
    usual, fast = (
        _receipt(counting, key, counting.chat(key, {**ASKED, "model": "gpt-5", **more}))
        for more in ({}, {"service_tier": "priority"})
    )
    assert fast["price"]["model"] == "gpt-5 (priority)"
    assert fast["cost_usd"] > usual["cost_usd"]
    (left,) = _get(counting, "/v1/usage", key).json["limits"]
    assert left["used"] == pytest.approx(float(usual["cost_usd"] + fast["cost_usd"]), abs=1e-8)


def test_what_has_no_price_has_no_cost(counting: Running, upstream: Upstream) -> None:
    upstream.always(_answer())
    key = _client(counting, upstream, provider="vllm")
    receipt = _receipt(counting, key, counting.chat(key, ASKED))
    assert (receipt["cost_usd"], receipt["price"]) == (None, None)
    assert receipt["input_tokens"] == 1_000


def test_a_receipt_tells_of_every_attempt(
    counting: Running, upstream: Upstream, spare: Upstream
) -> None:
    upstream.always(failure(500, "no"))
    spare.always(_answer())
    key = _client(counting, upstream, fallback_models=["mistral/x", "groq/spare"])
    answer = counting.chat(key, ASKED)
    receipt = _receipt(counting, key, answer)
    skipped, first, second = receipt["attempt_log"]
    assert "Mistral" in skipped["skipped"]
    for one in (first, second):
        assert (one["provider"], one["model"], one["status"]) == ("openai", "gpt-4o", 502)
    assert receipt["attempts"] == 3 == int(answer.headers["x-gateway-attempts"])
    assert (receipt["provider"], receipt["model"]) == ("groq", "spare")
    assert receipt["cost_usd"] == Decimal("0.0014")


def test_a_refusal_has_a_receipt_too(counting: Running, upstream: Upstream) -> None:
    upstream.always(failure(400, "wrong", code="some_code"))
    key = _client(counting, upstream)
    receipt = _receipt(counting, key, counting.chat(key, ASKED))
    assert (receipt["status"], receipt["error_code"]) == (400, "some_code")
    assert (receipt["cost_usd"], receipt["input_tokens"]) == (None, None)


def test_a_receipt_says_which_limits_applied_and_what_is_left(
    counting: Running, upstream: Upstream
) -> None:
    upstream.always(_answer())
    key = _client(
        counting,
        upstream,
        rate_limit_hour=10,
        quota_output_tokens_day=10_000,
        budget_usd_day="1.5",
    )
    receipt = _receipt(counting, key, counting.chat(key, {**ASKED, "max_tokens": 500}))
    left = {one["limit"]: (one["size"], one["left"]) for one in receipt["limits"]}
    assert left == {
        "rate_limit_hour": (10, 9),
        "quota_output_tokens_day": (10_000, 9_800),
        "budget_usd_day": (Decimal("1.5"), Decimal("1.49625")),
    }


@pytest.mark.parametrize("id_", ["req_" + 24 * "0", "req_x", "x" * 300, "%2e%2e"])
def test_there_is_no_receipt_of_what_never_was(
    counting: Running, upstream: Upstream, id_: str
) -> None:
    got = _get(counting, f"/v1/requests/{id_}", _client(counting, upstream))
    assert (got.status, got.error["code"]) == (404, "not_found")


def test_another_clients_receipt_is_not_there(counting: Running, upstream: Upstream) -> None:
    upstream.always(_answer())
    one, other = _client(counting, upstream), _client(counting, upstream)
    answer = counting.chat(one, ASKED)
    path = f"/v1/requests/{answer.headers['x-request-id']}"
    unknown = _get(counting, "/v1/requests/req_" + 24 * "0", other)
    for _ in range(4):
        got = _get(counting, path, other)
        assert got.status == unknown.status == 404
        assert got.body.replace(path[13:].encode(), b"") == unknown.body.replace(
            b"req_" + 24 * b"0", b""
        )
    assert _get(counting, path, one).status == 200


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/requests/req_000000000000000000000000"])
def test_without_a_key_nothing_is_told(counting: Running, path: str) -> None:
    assert _get(counting, path, None).error["code"] == "invalid_api_key"
    anthropic = _get(counting, path, "gm_wrong", anthropic_version="2023-06-01")
    assert (anthropic.status, anthropic.json["type"]) == (401, "error")
    google = counting.call("GET", path, headers={"x-goog-api-key": "gm_wrong"})
    assert google.json["error"]["status"] == "UNAUTHENTICATED"


def test_usage_tells_where_the_limits_stand(counting: Running, upstream: Upstream) -> None:
    upstream.always(_answer())
    key = _client(counting, upstream, rate_limit_day=10, budget_usd_month=2, max_concurrent=3)
    counting.chat(key, {**ASKED, "max_tokens": 500})
    told = {one.pop("limit"): one for one in _get(counting, "/v1/usage", key).json["limits"]}
    assert 0 < told["rate_limit_day"].pop("resets_in") <= 86_400
    assert 0 < told["budget_usd_month"].pop("resets_in") <= 31 * 86_400
    assert told == {
        "rate_limit_day": {"size": 10, "used": 1, "reserved": 0, "left": 9},
        "budget_usd_month": {"size": 2.0, "used": 0.00375, "reserved": 0, "left": 1.99625},
        "max_concurrent": {"size": 3, "used": 0, "reserved": 0, "left": 3, "resets_in": None},
    }


def test_the_receipts_add_up_to_the_usage(
    counting: Running, upstream: Upstream, spare: Upstream
) -> None:
    """Whole and streamed, failed and refused, with and without a price, at two workers."""
    dice = random.Random(7)
    upstream.always(_any_answer)
    spare.always(_answer({**USAGE, "prompt_tokens": 77}))
    key = _client(counting, upstream, name="adds up", fallback_models=["groq/spare"])

    def call(number: int) -> str:
        model = dice.choice(["gpt-4o", "gpt-4o-mini", "no-such-model", "vllm/x"])
        asked = {**ASKED, "model": model, "stream": number % 2 == 0, "seed": number}
        return counting.chat(key, asked).headers["x-request-id"]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(call, range(80)))
    counting.rows(80, client_name="adds up")
    receipts = [
        json.loads(_get(counting, f"/v1/requests/{one}", key).body, parse_float=Decimal)
        for one in ids
    ]
    used = json.loads(_get(counting, "/v1/usage", key).body, parse_float=Decimal)
    for span in ("today", "month"):
        assert used[span]["requests"] == len(receipts)
        assert used[span]["errors"] == sum(one["status"] >= 400 for one in receipts) > 0
        for name in TOKENS:
            assert used[span][name] == sum(one[name] or 0 for one in receipts), name
        assert used[span]["cost_usd"] == sum(one["cost_usd"] or 0 for one in receipts) > 0
        unpriced = [one for one in receipts if one["cost_usd"] is None and one["input_tokens"]]
        assert used[span]["unpriced"] == len(unpriced) > 0
        assert used[span]["estimated"] == sum(one["estimated"] for one in receipts) > 0


def _any_answer(received: Received) -> Json | Sse:
    seed = received.json["seed"]
    if seed % 7 == 0:
        return failure(400, "wrong")
    if seed % 5 == 0:
        return failure(500, "broken")
    usage = {**USAGE, "prompt_tokens": 700 + seed, "completion_tokens": 100 + seed}
    if received.json["stream"]:
        last = {**chunks([], usage=True)[-1], "usage": usage}
        return Sse([*chunks(["Hello"]), last] if seed % 3 else chunks(["Hello"]))
    return _answer(usage) if seed % 3 else Json(completion(usage=False))
