"""What a gateway tells of itself to those who watch it."""

import os
import signal
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import client_of
from tests.running import Answered, Running
from tests.upstream import Json, Sse, Upstream, chunks, completion, failure

METRICS = {
    "ai_gateway_requests_total": "counter",
    "ai_gateway_requests_in_progress": "gauge",
    "ai_gateway_input_tokens_total": "counter",
    "ai_gateway_output_tokens_total": "counter",
    "ai_gateway_request_duration_seconds": "histogram",
    "ai_gateway_time_to_first_token_seconds": "histogram",
    "ai_gateway_upstream_errors_total": "counter",
    "ai_gateway_counters_degraded": "gauge",
}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway of four workers, which tries twice."""
    settings = {"upstream": {"max_retries": 1, "max_retry_delay": 0.01}}
    with Running(tmp_path_factory.mktemp("four"), settings, workers=4) as running:
        yield running


def asked(gateway: Running, key: str, body: Any, times: int) -> list[int]:
    """The statuses of as many calls, each on a connection of its own, all at once."""

    def ask(_: int) -> int:
        return gateway.chat(key, body).status

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(ask, range(times)))


class TestHealth:
    @pytest.mark.parametrize("path", ["/health", "/health/live"])
    def test_is_well_while_the_process_answers(self, gateway: Running, path: str) -> None:
        answer = gateway.call("GET", path)
        assert (answer.status, answer.json) == (200, {"status": "ok"})
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_is_ready_while_nothing_is_amiss(self, gateway: Running) -> None:
        answer = gateway.call("GET", "/health/ready")
        assert (answer.status, answer.json) == (200, {"status": "ok", "degraded": []})

    def test_is_degraded_while_counters_cannot_be_shared(self, gateway: Running) -> None:
        key = gateway.client(model_aliases={"*": "demo"}, rate_limit_hour=1_000_000)
        with closing(_locked(gateway.data / "shared.db")):
            assert gateway.chat(key, QUESTION).status == 200
            answer = gateway.call("GET", "/health/ready")
            assert (answer.status, answer.json["status"]) == (200, "degraded")
            assert [reason for reason in answer.json["degraded"] if "counters" in reason]
            assert gateway.call("GET", "/health/live").json == {"status": "ok"}
        gateway.wait_until(lambda: _is_well_after_a_call(gateway, key), "the gateway to recover")


def _locked(file: Path) -> sqlite3.Connection:
    """A connection that keeps everybody else from writing until it is closed."""
    lock = sqlite3.connect(file, isolation_level=None, timeout=30)
    lock.execute("BEGIN EXCLUSIVE")
    return lock


def _is_well_after_a_call(gateway: Running, key: str) -> bool:
    assert gateway.chat(key, QUESTION).status == 200
    answer = gateway.call("GET", "/health/ready")
    return bool(answer.json == {"status": "ok", "degraded": []})


def figures(gateway: Running, *names: str, **labels: str) -> list[float]:
    return [gateway.metric(f"ai_gateway_{name}", **labels) for name in names]


class TestMetrics:
    def test_have_these_names_and_no_others(self, four: Running, upstream: Upstream) -> None:
        upstream.always([failure(500), Sse(chunks(usage=True))])
        assert four.chat(client_of(four, upstream), STREAMED).status == 200
        counted = "ai_gateway_time_to_first_token_seconds_count"
        four.wait_until(lambda: four.metric(counted) > 0, "the call to be counted")
        answer = four.call("GET", "/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        lines = [line.split() for line in answer.body.decode().splitlines()]
        assert {line[2]: line[3] for line in lines if line[:2] == ["#", "TYPE"]} == METRICS
        names = {line[0].partition("{")[0] for line in lines if line[0] != "#"}
        parts = ("_bucket", "_count", "_sum")
        plain = {name for name in METRICS if METRICS[name] != "histogram"}
        assert names == plain | {name + p for name in METRICS.keys() - plain for p in parts}

    def test_count_over_all_workers(self, four: Running, upstream: Upstream) -> None:
        upstream.script("whole", Json(completion()))
        upstream.script("streamed", Sse(chunks(usage=True)))
        upstream.script("bad", failure(503))
        key = client_of(four, upstream)
        whole, streamed = {**QUESTION, "model": "whole"}, {**STREAMED, "model": "streamed"}
        assert asked(four, key, whole, 24) == [200] * 24
        assert asked(four, key, streamed, 16) == [200] * 16
        assert asked(four, key, {**QUESTION, "model": "bad"}, 4) == [503] * 4
        assert asked(four, key, {**QUESTION, "model": "whole", "n": 0}, 4) == [400] * 4
        ours = {"provider": "openai-compatible"}

        def counted() -> bool:
            """The figures of other workers are a moment behind."""
            return (
                figures(four, "requests_total", model="whole", status="200", **ours) == [24]
                and figures(four, "requests_total", model="streamed", status="200", **ours) == [16]
                and figures(four, "requests_total", model="bad", status="503", **ours) == [4]
                and figures(four, "requests_total", provider="none", status="400") == [4]
            )

        four.wait_until(counted, "all calls to be counted")
        tokens = ("input_tokens_total", "output_tokens_total")
        assert figures(four, *tokens, model="whole", **ours) == [24 * 9, 24 * 4]
        assert figures(four, *tokens, model="streamed", **ours) == [16 * 9, 16 * 4]
        assert figures(four, "request_duration_seconds_count", model="whole", **ours) == [24]
        first = "time_to_first_token_seconds_count"
        assert figures(four, first, model="streamed", **ours) == [16]
        assert figures(four, first, model="whole", **ours) == [0]
        assert figures(four, "upstream_errors_total", code="upstream_overloaded", **ours) == [8]
        assert figures(four, "requests_in_progress") == [0]

    def test_tell_what_is_in_progress(self, four: Running, upstream: Upstream) -> None:
        upstream.always(Sse(chunks(), hang=1))
        key = client_of(four, upstream)
        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(four.chat, key, STREAMED) for _ in range(8)]
            upstream.wait(8)
            four.wait_until(lambda: figures(four, "requests_in_progress") == [8], "all to begin")
            upstream.release()
            assert [call.result().status for call in calls] == [200] * 8
        four.wait_until(lambda: figures(four, "requests_in_progress") == [0], "all to end")

    def test_forget_what_a_killed_worker_had_in_progress(
        self, four: Running, upstream: Upstream
    ) -> None:
        upstream.always(Sse(chunks(), hang=1))
        before = figures(four, "requests_total")
        pids = four.worker_pids()
        with Caller(four) as caller:
            caller.send(request(client_of(four, upstream), STREAMED))
            caller.head()
            four.wait_until(lambda: figures(four, "requests_in_progress") == [1], "it to begin")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            assert upstream.requests[0].hung_up.wait(5)
        four.wait_until(lambda: not set(pids) & set(four.worker_pids()), "new workers")
        assert figures(four, "requests_in_progress") == [0]
        assert figures(four, "requests_total") == before


def metrics(gateway: Running, **headers: str) -> Answered:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.call("GET", "/metrics", headers=given)


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


class TestWhoMayReadMetrics:
    def test_is_whoever_is_on_this_machine(self, gateway: Running) -> None:
        assert metrics(gateway).status == 200

    @pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1", ""])
    def test_is_nobody_who_comes_through_a_proxy(self, gateway: Running, address: str) -> None:
        answer = metrics(gateway, X_Forwarded_For=address)
        assert (answer.status, answer.error["code"]) == (403, "metrics_are_local")
        assert answer.error["type"] == "permission_error"

    def test_is_whoever_knows_the_password_where_there_is_one(self, tmp_path: Path) -> None:
        settings = {"metrics": {"username": "prometheus", "password": "pass:word"}}
        with Running(tmp_path, settings) as gateway:
            right = basic("prometheus", "pass:word")
            assert metrics(gateway, Authorization=right).status == 200
            assert metrics(gateway, Authorization=right, X_Forwarded_For="1.2.3.4").status == 200
            wrong = [
                basic("prometheus", "password"),
                basic("another", "pass:word"),
                basic("", ""),
                "Basic",
                "Basic !",
                "Bearer pass:word",
            ]
            for one in wrong:
                assert metrics(gateway, Authorization=one).status == 401
            answer = metrics(gateway)
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert "ai_gateway" not in answer.body.decode()
            assert "pass:word" not in gateway.output

    def test_is_nobody_where_they_are_switched_off(self, tmp_path: Path) -> None:
        with Running(tmp_path, {"metrics": {"enabled": False}}) as gateway:
            answer = metrics(gateway)
        assert (answer.status, answer.error["code"]) == (404, "not_found")
