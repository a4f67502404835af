"""A gateway whose Redis goes away and comes back, as its clients see it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failure.caller import QUESTION
from tests.redis_server import RedisServer
from tests.running import Running
from tests.upstream import Json, Upstream, completion

IN_FORCE = 1.0  # seconds until every worker knows of a change


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, server: RedisServer) -> Iterator[Running]:
    with Running(tmp_path, workers=2, environment={"REDIS_URL": server.url}) as running:
        yield running


def new_client(gateway: Running, upstream: Upstream) -> tuple[str, str]:
    made = gateway.new_client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        provider_api_key="upstream-key",
        rate_limit_day=1000,
        max_concurrent=50,
        quota_output_tokens_day=10**6,
    )
    return made["api_key"], f"/clients/{made['client']['id']}"


def degraded(gateway: Running) -> list[str]:
    reasons: list[str] = gateway.call("GET", "/health/ready").json["degraded"]
    return reasons


def left(gateway: Running, key: str) -> int:
    answer = gateway.chat(key, QUESTION)
    assert answer.status == 200, answer.body
    return int(answer.headers["x-ratelimit-remaining-requests"])


@pytest.mark.parametrize("away", ["ended", "mute"])
def test_calls_go_on_while_it_is_away(
    gateway: Running, server: RedisServer, upstream: Upstream, away: str
) -> None:
    upstream.always(Json(completion()))
    key, path = new_client(gateway, upstream)
    assert left(gateway, key) == 999
    assert degraded(gateway) == []
    assert gateway.metric("ai_gateway_counters_degraded") == 0
    server.stop() if away == "ended" else server.pause()
    gateway.wait_until(
        lambda: gateway.metric("ai_gateway_counters_degraded") == 2, "both workers to notice"
    )
    assert degraded(gateway)[0].startswith("counters: Redis: ")
    assert [gateway.chat(key, QUESTION).status for _ in range(20)] == [200] * 20
    # Changes of clients are still in force at once.
    assert gateway.admin("PATCH", path, {"is_active": False}).status == 200
    time.sleep(IN_FORCE)
    assert [gateway.chat(key, QUESTION).status for _ in range(4)] == [403] * 4
    assert gateway.admin("PATCH", path, {"is_active": True}).status == 200
    server.start() if away == "ended" else server.resume()
    gateway.wait_until(
        lambda: gateway.metric("ai_gateway_counters_degraded") == 0, "both workers to be well again"
    )
    assert degraded(gateway) == []
    time.sleep(IN_FORCE)
    # What was counted meanwhile is booked.
    assert left(gateway, key) == 978
    assert [row["status"] for row in gateway.rows(26)].count(200) == 22


def test_changes_are_told_through_it(tmp_path: Path, server: RedisServer) -> None:
    """Two gateways on one database stand for two boxes: nothing else is shared."""
    environment = {"REDIS_URL": server.url}
    with Running(tmp_path / "one", environment=environment) as one:
        both = {
            "DATABASE_URL": f"sqlite:///{one.data}/gateway.db",
            "GATEWAY_SECRET_KEY": (one.data / "secret.key").read_text().strip(),
        }
        with Running(tmp_path / "other", environment=environment | both) as other:
            made = one.new_client(rate_limit_day=5)
            key, question = made["api_key"], {**QUESTION, "model": "demo", "max_tokens": 1}
            assert [each.chat(key, question).status for each in (one, other)] == [200, 200]
            told = other.chat(key, question).headers["x-ratelimit-remaining-requests"]
            assert told == "2"
            one.admin("PATCH", f"/clients/{made['client']['id']}", {"is_active": False})
            other.wait_until(
                lambda: other.chat(key, question).status == 403, "the other to hear of it"
            )
