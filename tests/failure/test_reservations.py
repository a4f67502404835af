"""Limits on tokens, calls and money as four workers keep them together, on every shared store."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.limits import limits_of
from gateway.store.counter_file import SqliteCounters
from gateway.store.counter_redis import RedisCounters
from gateway.store.counters import Counters
from tests.clients import client as imagined
from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.redis_server import RedisServer
from tests.running import Answered, Running
from tests.upstream import Answer, Json, Received, Sse, Upstream, chunks, completion

CALLS = 200


class Fleet:
    """A gateway of four workers, and its counters as one more worker would see them."""

    def __init__(self, gateway: Running, counters: Counters) -> None:
        self.gateway = gateway
        self._counters = counters

    def new_client(self, upstream: Upstream, **fields: Any) -> "Limited":
        made = self.gateway.new_client(
            provider="openai-compatible",
            provider_base_url=upstream.base_url,
            provider_api_key="upstream-key",
            **fields,
        )
        return Limited(self, made["api_key"], made["client"]["id"], fields)

    def standing(self, client_id: int, fields: dict[str, Any]) -> dict[str, tuple[int, int]]:
        """By limit: what counts, and how much of it is reserved."""
        limits = limits_of(imagined(**fields))
        states = self._counters.look(client_id, limits).states
        return {state.limit.name: (state.used, state.reserved) for state in states}


class Limited:
    """A client with limits."""

    def __init__(self, fleet: Fleet, key: str, number: int, fields: dict[str, Any]) -> None:
        self._fleet = fleet
        self.number = number
        self._fields = fields
        self.key = key

    def standing(self) -> dict[str, tuple[int, int]]:
        return self._fleet.standing(self.number, self._fields)

    def ask(self, **fields: Any) -> Answered:
        return self._fleet.gateway.chat(self.key, {**QUESTION, **fields})

    def settled(self) -> dict[str, int]:
        """What was used, once nothing is reserved any more."""

        def nothing_reserved() -> bool:
            return not any(reserved for _, reserved in self.standing().values())

        self._fleet.gateway.wait_until(nothing_reserved, "every reservation to be settled")
        return {name: used for name, (used, _) in self.standing().items()}


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp(request.param)
    prices = {"priced": {"input": 10, "output": 100}, "free": {"input": 0, "output": 0}}
    settings: dict[str, Any] = {
        "upstream": {"max_retries": 0},
        "prices": {"openai-compatible": prices},
    }
    with ExitStack() as stack:
        if request.param == "redis":
            server = stack.enter_context(RedisServer(folder / "redis"))
            settings["redis"] = {"url": server.url}
        gateway = stack.enter_context(Running(folder, settings, workers=4))
        counters: Counters = (
            RedisCounters(server.url)
            if request.param == "redis"
            else SqliteCounters(gateway.data / "shared.db")
        )
        yield Fleet(gateway, stack.enter_context(closing(counters)))


def obedient(received: Received) -> Answer:
    """Up to 500 tokens, and never more than the question's cap."""
    tokens = min(received.json.get("max_tokens", 500), random.randint(1, 500))
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
    if received.json.get("stream"):
        events = chunks(["word "] * 5, usage=True)
        events[-1]["usage"] = usage
        return Sse(events)
    return Json({**completion(), "usage": usage})


def together(calls: int, ask: Callable[[], Answered]) -> list[Answered]:
    with ThreadPoolExecutor(calls) as threads:
        return [one.result() for one in [threads.submit(ask) for _ in range(calls)]]


@pytest.mark.parametrize("besides", [{}, {"max_concurrent": 1000, "tokens_per_minute": 10**9}])
def test_a_hundred_a_minute_are_a_hundred_of_a_thousand(
    fleet: Fleet, upstream: Upstream, besides: dict[str, int]
) -> None:
    upstream.always(Json(completion()))
    one = fleet.new_client(upstream, rate_limit_minute=100, **besides)
    if (left := 60 - time.time() % 60) < 25:
        time.sleep(left)  # the next minute lets its own share through, as it should

    def twenty(_: int) -> list[int]:
        with Caller(fleet.gateway) as caller:
            statuses = []
            for _ in range(20):
                caller.send(request(one.key, QUESTION))
                statuses.append(caller.answer().status)
            return statuses

    with ThreadPoolExecutor(50) as threads:
        statuses = Counter(status for some in threads.map(twenty, range(50)) for status in some)
    assert statuses == {200: 100, 429: 900}
    assert len(upstream.requests) == 100


def test_a_quota_of_output_tokens_is_never_passed(fleet: Fleet, upstream: Upstream) -> None:
    upstream.always(obedient)
    one = fleet.new_client(upstream, quota_output_tokens_day=10_000)
    answers = together(CALLS, lambda: one.ask(stream=True, max_tokens=500))
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {200, 429} and statuses[200] >= 20
    used = one.settled()["quota_output_tokens_day"]
    assert 0 < used <= 10_000
    rows = fleet.gateway.rows(CALLS, client_id=one.number)
    assert sum(row["output_tokens"] or 0 for row in rows) == used
    for answer in answers:
        if answer.status == 429:
            assert answer.error["code"] == "quota_exceeded"
            assert "10000 output tokens per day (UTC)" in answer.error["message"]
            assert answer.headers["x-ratelimit-limit-tokens"] == "10000"


def test_a_budget_is_never_passed(fleet: Fleet, upstream: Upstream) -> None:
    upstream.always(obedient)
    one = fleet.new_client(upstream, budget_usd_day=1, budget_usd_month=50)
    asked = {"model": "priced", "stream": True, "max_tokens": 500}
    answers = together(CALLS, lambda: one.ask(**asked))
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {200, 429} and statuses[200] >= 15
    used = one.settled()
    rows = fleet.gateway.rows(CALLS, client_id=one.number)
    costs = [Decimal(str(row["cost_usd"])) for row in rows if row["status"] == 200]
    assert len(costs) == statuses[200]
    assert 0 < sum(costs) <= 1
    assert used == dict.fromkeys(used, int(sum(costs) * 10**9))
    for answer in answers:
        if answer.status == 429:
            assert answer.error["code"] == "budget_exceeded"
            assert "$1.00 per day (UTC)" in answer.error["message"]


class TestAModelWithoutAPrice:
    def test_is_refused_under_a_budget(self, fleet: Fleet, upstream: Upstream) -> None:
        one = fleet.new_client(upstream, budget_usd_month=1, rate_limit_day=5)
        answer = one.ask()
        assert (answer.status, answer.error["code"]) == (400, "unpriced_model")
        assert "`test-model`" in answer.error["message"]
        assert set(one.settled().values()) == {0}
        assert not upstream.requests

    def test_is_allowed_where_the_client_says_so(self, fleet: Fleet, upstream: Upstream) -> None:
        upstream.always(Json(completion()))
        one = fleet.new_client(upstream, budget_usd_month=1, allow_unpriced=True)
        assert one.ask().status == 200

    def test_gives_way_to_one_that_has(self, fleet: Fleet, upstream: Upstream) -> None:
        upstream.always(Json(completion()))
        one = fleet.new_client(upstream, budget_usd_month=1, fallback_models=["free"])
        answer = one.ask()
        assert (answer.status, answer.headers["x-gateway-model"]) == (200, "free")


def test_fifty_calls_without_a_cap_fit_into_a_quota_of_a_million(
    fleet: Fleet, upstream: Upstream
) -> None:
    upstream.always(Json(completion(), head_delay=1.0))
    one = fleet.new_client(
        upstream,
        tokens_per_minute=10**6,
        quota_input_tokens_day=10**6,
        quota_output_tokens_day=10**6,
    )
    assert [answer.status for answer in together(50, one.ask)] == [200] * 50
    assert {received.json["max_tokens"] for received in upstream.requests} == {4096}
    assert one.settled()["quota_output_tokens_day"] == 50 * 4


def test_so_many_calls_at_the_same_time_and_no_more(fleet: Fleet, upstream: Upstream) -> None:
    upstream.always(Json(completion(), hang="before-head"))
    one = fleet.new_client(upstream, max_concurrent=5, rate_limit_day=100)
    with ThreadPoolExecutor(20) as threads:
        calls = [threads.submit(one.ask) for _ in range(20)]
        upstream.wait(5)
        fleet.gateway.wait_until(lambda: sum(call.done() for call in calls) == 15, "15 refusals")
        assert one.standing()["max_concurrent"] == (5, 5)
        upstream.release()
        answers = [call.result() for call in calls]
    assert Counter(answer.status for answer in answers) == {200: 5, 429: 15}
    codes = {answer.error["code"] for answer in answers if answer.status == 429}
    assert codes == {"concurrency_limit_exceeded"}
    assert one.settled() == {"max_concurrent": 0, "rate_limit_day": 5}


class TestWhateverTheEnding:
    """Nothing stays reserved, and what was used is what the log says."""

    LIMITS = {
        "rate_limit_day": 100,
        "max_concurrent": 5,
        "quota_input_tokens_day": 10**6,
        "quota_output_tokens_day": 10**6,
    }

    @pytest.mark.parametrize(
        ("answer", "streamed", "tokens"),
        [
            (Json(completion()), False, (9, 4)),
            (Sse(chunks(usage=True)), True, (9, 4)),
            (Json({"error": {"message": "no"}}, status=400), False, (0, 0)),
            (Json({"error": {"message": "no"}}, status=500), True, (0, 0)),
            (Json(b"no json"), False, (0, 0)),
            (Sse(chunks(["1234 5678"]), close=2), True, (11, 3)),
            (Sse(chunks(["1234 5678"])), True, (11, 3)),
        ],
        ids=["whole", "stream", "400", "500", "garbage", "cut", "no-usage"],
    )
    def test_of_an_answer(
        self,
        fleet: Fleet,
        upstream: Upstream,
        answer: Answer,
        streamed: bool,
        tokens: tuple[int, int],
    ) -> None:
        upstream.always(answer)
        one = fleet.new_client(upstream, **self.LIMITS)
        one.ask(stream=streamed)
        used = one.settled()
        found = used["quota_input_tokens_day"], used["quota_output_tokens_day"]
        (row,) = fleet.gateway.rows(1, client_id=one.number)
        assert found == (row["input_tokens"] or 0, row["output_tokens"] or 0)
        assert found == tokens
        assert used["rate_limit_day"] == 1

    def test_of_a_client_that_hangs_up(self, fleet: Fleet, upstream: Upstream) -> None:
        upstream.always(Sse(chunks(["1234 5678"] * 5), hang=4))
        one = fleet.new_client(upstream, **self.LIMITS)
        with Caller(fleet.gateway) as caller:
            caller.send(request(one.key, STREAMED))
            _, headers = caller.head()
            next(caller.blocks(headers))
            assert one.standing()["max_concurrent"] == (1, 1)
        used = one.settled()
        (row,) = fleet.gateway.rows(1, client_id=one.number)
        assert (row["status"], row["estimated"]) == (499, 1)
        assert used["quota_output_tokens_day"] == row["output_tokens"] > 0

    def test_of_a_fallback(self, fleet: Fleet, upstream: Upstream) -> None:
        upstream.script("test-model", Json({"error": {"message": "no"}}, status=500))
        upstream.script("second", Json(completion()))
        one = fleet.new_client(upstream, **self.LIMITS, fallback_models=["second"])
        assert one.ask().status == 200
        assert one.settled() == {
            "rate_limit_day": 1,
            "max_concurrent": 0,
            "quota_input_tokens_day": 9,
            "quota_output_tokens_day": 4,
        }

    def test_of_a_refusal(self, fleet: Fleet, upstream: Upstream) -> None:
        one = fleet.new_client(upstream, **{**self.LIMITS, "quota_input_tokens_day": 5})
        assert one.ask().status == 429
        assert set(one.settled().values()) == {0}
        assert not upstream.requests

    def test_of_a_question_that_is_none(self, fleet: Fleet, upstream: Upstream) -> None:
        one = fleet.new_client(upstream, **self.LIMITS)
        assert one.ask(messages=[]).status == 400
        assert one.settled() == {**dict.fromkeys(self.LIMITS, 0), "rate_limit_day": 1}

    def test_of_embeddings(self, fleet: Fleet, upstream: Upstream) -> None:
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        upstream.always(Json({"object": "list", "data": data, "model": "m", "usage": usage}))
        one = fleet.new_client(upstream, **self.LIMITS)
        sent = request(one.key, {"model": "m", "input": "Hello"}, path="/v1/embeddings")
        with Caller(fleet.gateway) as caller:
            caller.send(sent)
            assert caller.answer().status == 200
        used = one.settled()
        assert (used["quota_input_tokens_day"], used["quota_output_tokens_day"]) == (7, 0)
        assert used["rate_limit_day"] == 1

    def test_of_a_count(self, fleet: Fleet, upstream: Upstream) -> None:
        one = fleet.new_client(upstream, **self.LIMITS)
        body = {**QUESTION, "max_tokens": 5}
        with Caller(fleet.gateway) as caller:
            caller.send(request(one.key, body, path="/v1/messages/count_tokens"))
            assert caller.answer().status == 200
        assert one.settled() == {**dict.fromkeys(self.LIMITS, 0), "rate_limit_day": 1}


def test_a_count_that_nobody_else_makes_waits_for_the_limits(
    fleet: Fleet, upstream: Upstream
) -> None:
    one = fleet.new_client(upstream, rate_limit_day=2, max_concurrent=1)
    sent = request(one.key, {**QUESTION, "max_tokens": 5}, path="/v1/messages/count_tokens")
    answers = []
    for _ in range(3):
        with Caller(fleet.gateway) as caller:
            caller.send(sent)
            answers.append(caller.answer().status)
    assert answers == [200, 200, 429]
    assert one.settled() == {"rate_limit_day": 2, "max_concurrent": 0}


def test_a_call_keeps_its_place_while_it_falls_back(fleet: Fleet, upstream: Upstream) -> None:
    upstream.script("test-model", Json({"error": {"message": "no"}}, status=500))
    upstream.script("second", Json(completion(), hang="before-head"))
    one = fleet.new_client(upstream, max_concurrent=1, fallback_models=["second"])
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(one.ask)
        upstream.wait(2)
        assert one.standing()["max_concurrent"] == (1, 1)
        others = [answer.status for answer in threads.map(lambda _: one.ask(), range(8))]
        upstream.release()
        assert (first.result().status, others) == (200, [429] * 8)
    assert one.settled() == {"max_concurrent": 0}


def test_a_response_in_the_background_cannot_be_counted(fleet: Fleet, upstream: Upstream) -> None:
    queued = {"id": "resp_1", "object": "response", "status": "queued", "output": []}
    upstream.always(Json(queued))
    own = {"provider": "openai", "provider_api_key": "k"}
    asked = {"model": "gpt-4o", "input": "Hello", "background": True}
    for limits, status in (({"tokens_per_minute": 10**6}, 400), ({"max_input_tokens": 99}, 200)):
        key = fleet.gateway.client(**own, provider_base_url=upstream.base_url, **limits)
        with Caller(fleet.gateway) as caller:
            caller.send(request(key, asked, path="/v1/responses"))
            answer = caller.answer()
        assert answer.status == status
        assert status == 200 or answer.json["error"]["param"] == "background"


class TestACap:
    """What goes upstream."""

    @pytest.mark.parametrize(
        ("fields", "asked", "sent"),
        [
            ({}, None, None),
            ({}, 50_000, 50_000),
            ({"max_output_tokens": 30}, None, 30),
            ({"max_output_tokens": 30}, 20, 20),
            ({"quota_output_tokens_day": 10**6}, None, 4096),
            ({"quota_output_tokens_day": 10**6}, 300, 300),
            ({"quota_output_tokens_day": 100}, 300, 100),
            ({"tokens_per_minute": 10**6}, None, 4096),
            ({"max_concurrent": 9}, None, None),
        ],
    )
    def test_is_sent_only_where_it_is_due(
        self,
        fleet: Fleet,
        upstream: Upstream,
        fields: dict[str, Any],
        asked: int | None,
        sent: int | None,
    ) -> None:
        upstream.always(Json(completion()))
        one = fleet.new_client(upstream, **fields)
        question = {} if asked is None else {"max_tokens": asked}
        assert one.ask(**question).status == 200
        assert upstream.requests[0].json.get("max_tokens") == sent


TEXT = [{"role": "user", "content": "Hello"}]
DOORS = {
    "openai": ("/v1/chat/completions", {"model": "m", "messages": TEXT, "n": 1}),
    "anthropic": ("/v1/messages", {"model": "m", "max_tokens": 300, "messages": TEXT}),
    "responses": ("/v1/responses", {"model": "m", "input": "Hello", "max_output_tokens": 300}),
    "gemini": (
        "/v1beta/models/m:generateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "generationConfig": {"maxOutputTokens": 300},
        },
    ),
}


class TestEveryDoor:
    """Goes the same way."""

    @pytest.mark.parametrize("door", DOORS)
    def test_is_capped_and_settled(self, fleet: Fleet, upstream: Upstream, door: str) -> None:
        upstream.always(Json(completion()))
        one = fleet.new_client(upstream, quota_output_tokens_day=100, tokens_per_minute=10**6)
        path, body = DOORS[door]
        with Caller(fleet.gateway) as caller:
            caller.send(request(one.key, body, path=path))
            answer = caller.answer()
        assert answer.status == 200, answer.body
        assert answer.headers["x-ratelimit-limit-tokens"] == "100"
        assert answer.headers["x-ratelimit-remaining-tokens"] == "0"
        sent = upstream.requests[0].json
        assert sent.get("max_completion_tokens", sent.get("max_tokens")) == 100
        assert one.settled()["quota_output_tokens_day"] == 4

    @pytest.mark.parametrize("door", DOORS)
    def test_is_refused_in_its_own_words(self, fleet: Fleet, upstream: Upstream, door: str) -> None:
        one = fleet.new_client(upstream, quota_output_tokens_day=1, max_output_tokens=50)
        path, body = DOORS[door]
        with Caller(fleet.gateway) as caller:
            caller.send(request(one.key, body, path=path))
            answer = caller.answer()
        assert answer.status == 429
        assert "1 output tokens per day (UTC)" in answer.json["error"]["message"]
        assert not upstream.requests


def test_an_input_that_is_too_long_is_refused_and_costs_nothing(
    fleet: Fleet, upstream: Upstream
) -> None:
    one = fleet.new_client(upstream, max_input_tokens=100, rate_limit_day=5)
    answer = one.ask(messages=[{"role": "user", "content": "x" * 900}])
    assert (answer.status, answer.error["code"]) == (400, "max_input_tokens_exceeded")
    assert "at most 100 " in answer.error["message"]
    assert one.settled() == {"rate_limit_day": 0}


def test_a_killed_workers_reservations_are_freed_and_anothers_are_kept(
    fleet: Fleet, upstream: Upstream
) -> None:
    upstream.always(Sse(chunks(["word "] * 5), hang=3))
    one = fleet.new_client(upstream, max_concurrent=20, quota_output_tokens_day=10**6)
    with ExitStack() as stack:
        callers: list[Caller] = []
        heads: list[Any] = []

        def begin(streams: int) -> None:
            for _ in range(streams):
                caller = stack.enter_context(Caller(fleet.gateway))
                caller.send(request(one.key, {**STREAMED, "max_tokens": 100}))
                callers.append(caller)
                heads.append(caller.head()[1])

        begin(6)
        # Left alone, one worker may take all.
        with fleet.gateway.asleep(owner(fleet.gateway, callers[0])):
            begin(6)
        owners = [owner(fleet.gateway, caller) for caller in callers]
        assert one.standing()["max_concurrent"] == (12, 12)
        victim = max(set(owners), key=owners.count)
        assert len(set(owners)) > 1
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        kept = len(owners) - owners.count(victim)
        while one.standing()["max_concurrent"] != (kept, kept):
            assert time.monotonic() < killed_at + 45, one.standing()
            time.sleep(0.5)
        assert one.standing()["quota_output_tokens_day"] == (100 * kept, 100 * kept)
        # Those of the others outlast many rounds of freeing.
        time.sleep(11)
        assert one.standing()["max_concurrent"] == (kept, kept)
        upstream.release()
        for caller, head, pid in zip(callers, heads, owners, strict=True):
            if pid != victim:
                assert b"[DONE]" in b"".join(caller.blocks(head))
    used = one.settled()
    assert used["max_concurrent"] == 0
    rows = fleet.gateway.rows(kept, client_id=one.number)
    assert used["quota_output_tokens_day"] == sum(row["output_tokens"] for row in rows)


def test_an_end_in_good_order_settles_what_it_cuts(tmp_path: Path, upstream: Upstream) -> None:
    upstream.always(Sse(chunks(["1234 5678"] * 5), hang=4))
    with Running(tmp_path, {"server": {"graceful_timeout": 1}}) as gateway:
        with closing(SqliteCounters(gateway.data / "shared.db")) as counters:
            one = Fleet(gateway, counters).new_client(
                upstream, max_concurrent=5, quota_output_tokens_day=10**6
            )
            with Caller(gateway) as caller:
                caller.send(request(one.key, STREAMED))
                caller.head()
                assert one.standing()["max_concurrent"] == (1, 1)
                gateway.stop()
            (row,) = gateway.rows(1, client_id=one.number)
            assert row["output_tokens"] > 0
            assert one.standing() == {
                "max_concurrent": (0, 0),
                "quota_output_tokens_day": (row["output_tokens"], 0),
            }


def owner(gateway: Running, caller: Caller) -> int:
    """The worker that holds the other end of a connection."""
    ends = f":{gateway.port:04X}", f":{caller.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    (inode,) = [x[9] for x in lines if x[1].endswith(ends[0]) and x[2].endswith(ends[1])]
    for pid in gateway.worker_pids():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(descriptor) == f"socket:[{inode}]":
                return pid
    raise AssertionError("no worker holds the connection")
