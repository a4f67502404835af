"""Statistics and the log through the admin API, of calls that were made."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED
from tests.running import ROOT, Running

CALLS = 12


class Told:
    """Twelve calls of one client, six of them streams, and one without a key."""

    def __init__(self, gateway: Running) -> None:
        self.gateway = gateway
        made = gateway.new_client(name="=shop", model_aliases={"*": "demo"})
        self.client_id = made["client"]["id"]
        self.ids = [
            gateway.chat(made["api_key"], asked).headers["x-request-id"]
            for asked in (QUESTION, STREAMED) * (CALLS // 2)
        ]
        assert gateway.chat("nobody's", QUESTION).status == 401
        gateway.rows(CALLS + 1)

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.gateway.admin("GET", path)
        assert answer.status == status, answer.body
        return answer.json

    def lines(self, path: str) -> list[dict[str, str]]:
        answer = self.gateway.admin("GET", path)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO(answer.body.decode())))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    with Running(folder, {"demo": {"tokens_per_second": 0}}) as gateway:
        yield Told(gateway)


@pytest.mark.parametrize("name", ["1h", "24h", "7d", "30d"])
def test_statistics_count_every_call(told: Told, name: str) -> None:
    found = told.get(f"/stats?range={name}")
    assert found["range"] == name
    totals = found["totals"]
    assert (totals["requests"], totals["errors"]) == (CALLS + 1, 1)
    assert totals["input_tokens"] > 0 and totals["output_tokens"] > 0
    assert totals["latency_ms"]["p50"] > 0 and totals["first_token_ms"]["p99"] > 0
    assert sum(point["requests"] for point in found["series"]) == CALLS + 1
    clients = {one["client_id"]: one["requests"] for one in found["by_client"]}
    assert clients == {told.client_id: CALLS, None: 1}
    assert [one["model"] for one in found["by_model"]] == ["demo", None]


def test_a_client_sees_its_own_alone(told: Told) -> None:
    found = told.get(f"/clients/{told.client_id}/usage?range=7d")
    assert (found["client_name"], found["totals"]["requests"]) == ("=shop", CALLS)
    assert told.get("/clients/999/usage", 404)["error"]["code"] == "client_not_found"


def test_the_log_comes_in_pages(told: Told) -> None:
    found, cursor = [], ""
    while cursor is not None:
        page = told.get(f"/requests?client_id={told.client_id}&limit=5&cursor={cursor}")
        found += page["items"]
        cursor = page["next_cursor"]
    assert [one["request_id"] for one in found] == told.ids[::-1]
    assert found[0]["started_at"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", CALLS + 1),
        ("model=demo", CALLS),
        ("provider=demo&status=200", CALLS),
        ("provider=openai", 0),
        ("status=401", 1),
        ("error_code=invalid_api_key", 1),
        ("since=2020-01-01T00:00:00Z", CALLS + 1),
        ("since=2020-01-01", CALLS + 1),
        ("until=2020-01-01T00:00:00+02:00", 0),
        ("since={today}&error_text=api%20KEY", 1),
        ("since={today}&error_text=something", 0),
        ("since={today}&until={tomorrow}&error_text=key&status=401", 1),
        ("since=2020-01-01&error_text=key", 0),
    ],
)
def test_the_log_is_filtered(told: Told, query: str, count: int) -> None:
    now = datetime.now(UTC)
    query = query.format(today=f"{now:%F}", tomorrow=f"{now + timedelta(days=1):%F}")
    assert len(told.get(f"/requests?{query}")["items"]) == count
    assert len(told.lines(f"/requests.csv?{query}")) == count


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/stats?range=2h", "range"),
        ("/stats?rang=1h", "rang"),
        ("/requests?limit=0", "limit"),
        ("/requests?status=abc", "status"),
        ("/requests?client_id=99999999999", "client_id"),
        ("/requests?since=yesterday", "since"),
        ("/requests?until=9999-99-99", "until"),
        ("/requests?error_text=key", "since"),
        ("/requests?error_text=key&until=2026-06-02", "since"),
        ("/requests?error_text=key&since=2026-06-01&until=2026-06-03", "until"),
        ("/requests?cursor=x", "cursor"),
        ("/requests?cursor=1-99999999999999999999", "cursor"),
        ("/requests?modle=demo", "modle"),
        ("/requests.csv?limit=5", "limit"),
        ("/usage.csv?since=x", "since"),
    ],
)
def test_what_cannot_be_asked_for_is_named(told: Told, path: str, field: str) -> None:
    assert list(told.get(path, 422)["error"]["fields"]) == [field]


def test_one_request_is_told_whole(told: Told) -> None:
    found = told.get(f"/requests/{told.ids[0]}")
    assert (found["request_id"], found["status"], found["bodies"]) == (told.ids[0], 200, None)
    assert told.get("/requests/req_x", 404)["error"]["code"] == "request_not_found"


def test_csv_holds_nothing_that_a_spreadsheet_would_run(told: Told) -> None:
    lines = told.lines("/requests.csv")
    assert {line["client_name"] for line in lines} == {"'=shop", ""}
    assert {line["streamed"] for line in lines} == {"true", "false"}
    use = told.lines("/usage.csv")
    assert sum(int(line["requests"]) for line in use) == CALLS + 1
    assert {line["model"] for line in use} == {"demo", ""}


@pytest.mark.parametrize(
    "path", ["/stats", "/requests", "/requests.csv", "/usage.csv", "/requests/x"]
)
def test_nobody_reads_without_a_sign_in(told: Told, path: str) -> None:
    assert told.gateway.call("GET", f"/admin/api{path}").status == 401


class TestTheCommand:
    def run(self, told: Told, *arguments: str) -> "subprocess.CompletedProcess[str]":
        config = {
            "GATEWAY_DATA_DIR": str(told.gateway.data),
            "GATEWAY_CONFIG": str(Path(told.gateway.folder) / "config.yaml"),
        }
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", "usage", *arguments],
            cwd=ROOT,
            env=os.environ | config,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_prints_tables(self, told: Told) -> None:
        done = self.run(told)
        assert done.returncode == 0, done.stderr
        words = [line.split() for line in done.stdout.splitlines()]
        assert ["=shop", str(CALLS), "0"] in [line[:3] for line in words]
        assert ["demo", "demo", str(CALLS), "0"] in [line[:4] for line in words]
        assert [str(CALLS + 1), "1"] in [line[:2] for line in words]

    def test_prints_json_of_one_client(self, told: Told) -> None:
        done = self.run(told, "--json", "--range", "1h", "--client", "=shop")
        assert json.loads(done.stdout)["totals"]["requests"] == CALLS

    def test_knows_who_is_no_client(self, told: Told) -> None:
        done = self.run(told, "--client", "nobody")
        assert done.returncode == 1 and "There is no such client" in done.stderr
