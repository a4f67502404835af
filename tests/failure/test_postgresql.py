"""The gateway on PostgreSQL: it serves as on SQLite, and goes on while the server is away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED
from tests.postgres import Postgres
from tests.running import Running

DEMO = {"model_aliases": {"*": "demo"}}
FAST = {"demo": {"tokens_per_second": 0}}


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One of its own, that a test may stop."""
    with Postgres() as running:
        yield running


@pytest.fixture
def on_postgres(server: Postgres, tmp_path: Path) -> Iterator[Running]:
    environment = {"DATABASE_URL": server.new_database()}
    with Running(tmp_path, FAST, environment=environment) as running:
        yield running


def answered(gateway: Running, key: str, calls: int) -> list[str]:
    def ask(number: int) -> str:
        answer = gateway.chat(key, STREAMED if number % 2 else QUESTION)
        assert answer.status == 200, answer.body
        return answer.headers["x-request-id"]

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(ask, range(calls)))


def newest(rows: list[dict[str, Any]]) -> list[str]:
    ordered = sorted(rows, key=lambda row: (row["started_at"], row["id"]), reverse=True)
    return [row["request_id"] for row in ordered]


def test_calls_are_answered_and_logged(on_postgres: Running) -> None:
    made = on_postgres.new_client(**DEMO)
    ids = answered(on_postgres, made["api_key"], 100)
    rows = on_postgres.rows(100)
    assert sorted(row["request_id"] for row in rows) == sorted(ids)
    assert not (on_postgres.data / "gateway.db").exists()
    for name in ("1h", "24h", "7d", "30d"):
        told = on_postgres.admin("GET", f"/stats?range={name}").json
        assert told["totals"]["requests"] == told["by_client"][0]["requests"] == 100
    page = on_postgres.admin("GET", "/requests?provider=demo&limit=60").json
    assert [one["request_id"] for one in page["items"]] == newest(rows)[:60]
    rest = on_postgres.admin("GET", f"/requests?provider=demo&cursor={page['next_cursor']}").json
    assert [one["request_id"] for one in rest["items"]] == newest(rows)[60:]
    for path in ("/requests.csv", "/usage.csv"):
        assert on_postgres.admin("GET", path).status == 200
    assert on_postgres.admin("DELETE", f"/clients/{made['client']['id']}").status == 204


def test_a_model_with_a_nul_in_its_name_is_logged_and_found(on_postgres: Running) -> None:
    answer = on_postgres.chat(on_postgres.client(), {**QUESTION, "model": "a\0b"})
    on_postgres.rows(1, request_id=answer.headers["x-request-id"])
    found = on_postgres.admin("GET", "/requests?model=a%00b").json["items"]
    assert [row["model"] for row in found] == ["a\ufffdb"]
    assert on_postgres.admin("GET", "/requests?provider=%00").json["items"] == []
    assert on_postgres.admin("GET", "/requests/%00").status == 404


def test_a_later_start_finds_its_clients(on_postgres: Running) -> None:
    key = on_postgres.client(**DEMO)
    answered(on_postgres, key, 2)
    on_postgres.stop()
    on_postgres.start()
    answered(on_postgres, key, 2)
    assert len(on_postgres.rows(4)) == 4


def test_while_the_server_is_away_calls_go_on_and_no_row_is_lost(
    on_postgres: Running, server: Postgres
) -> None:
    key = on_postgres.client(**DEMO)
    ids = answered(on_postgres, key, 20)
    on_postgres.rows(20)
    server.stop()
    ids += answered(on_postgres, key, 50)
    assert on_postgres.call("GET", "/health/ready").json["status"] == "degraded"
    ids += answered(on_postgres, key, 50)
    server.start()
    rows = on_postgres.rows(120)
    assert sorted(row["request_id"] for row in rows) == sorted(ids)
