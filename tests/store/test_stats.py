"""Statistics: they tell what the rows would, and are read from a bounded number of rollups."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from gateway.config import Settings
from gateway.store.client_book import ClientBook
from gateway.store.ledger import Ledger
from gateway.store.log_pages import Place, Search, find_request, latest_requests
from gateway.store.rollups import VALUES
from gateway.store.stats import RANGES, Totals, statistics, usage_of
from tests.store.log_rows import row

NOON = datetime(2026, 6, 15, 12, 30, tzinfo=UTC)


def at(**ago: float) -> int:
    return int((NOON - timedelta(**ago)).timestamp() * 1000)


@pytest.fixture
def ledger(engine: Engine, settings: Settings) -> Ledger:
    return Ledger(engine, settings.logging)


def log(ledger: Ledger, *rows: dict[str, Any]) -> None:
    for number, values in enumerate(rows):
        ledger.add(row(values.pop("request_id", f"r{number}"), **values))
    assert ledger.flush()


CALL = {
    "client_id": 1,
    "provider": "openai",
    "model": "gpt-5",
    "input_tokens": 10,
    "output_tokens": 5,
    "cost_usd": Decimal("0.000000000001"),
    "total_ms": 1000.0,
    "streamed": True,
    "first_byte_ms": 100.0,
}


def test_nothing_is_told_of_nothing(engine: Engine) -> None:
    told = statistics(engine, "24h", moment=NOON).told()
    assert told["totals"]["requests"] == 0 and told["totals"]["cost_usd"] == 0
    assert told["totals"]["error_rate"] is None
    assert told["totals"]["latency_ms"] == {"p50": None, "p95": None, "p99": None}
    assert [told[by] for by in ("by_client", "by_provider", "by_model")] == [[], [], []]
    assert len(told["series"]) == 24
    json.dumps(told)


@pytest.mark.parametrize(
    ("name", "first", "step", "steps"),
    [
        ("1h", "2026-06-15T11:31:00.000Z", 60, 60),
        ("24h", "2026-06-14T13:00:00.000Z", 3600, 24),
        ("7d", "2026-06-08T13:00:00.000Z", 3600, 168),
        ("30d", "2026-05-17T00:00:00.000Z", 86_400, 30),
    ],
)
def test_a_range_is_made_of_whole_steps(
    engine: Engine, ledger: Ledger, name: str, first: str, step: int, steps: int
) -> None:
    found = statistics(engine, name, moment=NOON)
    told = found.told()
    assert (told["since"], told["step_seconds"], len(told["series"])) == (first, step, steps)
    start = int(found.since.timestamp() * 1000)
    log(ledger, {**CALL, "started_at": start - 1}, {**CALL, "started_at": start})
    found = statistics(engine, name, moment=NOON)
    assert [totals.count("requests") for _, totals in found.series] == [1] + [0] * (steps - 1)


def test_totals_are_those_of_the_rows(engine: Engine, ledger: Ledger, book: ClientBook) -> None:
    shop, _ = book.create({"name": "shop"})
    log(
        ledger,
        {**CALL, "started_at": at(minutes=1), "client_id": shop.id},
        {**CALL, "started_at": at(minutes=2), "client_id": shop.id, "cost_usd": None},
        {**CALL, "started_at": at(minutes=3), "model": "gpt-6", "client_id": 77, "status": 502},
        {"started_at": at(minutes=4), "status": 401},
    )
    for name in RANGES:
        told = statistics(engine, name, moment=NOON).told()
        totals = told["totals"]
        assert (totals["requests"], totals["errors"], totals["error_rate"]) == (4, 2, 0.5)
        assert (totals["input_tokens"], totals["output_tokens"]) == (30, 15)
        assert (totals["cost_usd"], totals["unpriced"]) == (2e-12, 1)
        assert 800 < totals["latency_ms"]["p50"] <= 1000
        assert 50 < totals["first_token_ms"]["p50"] <= 100
        assert [
            (one["client_id"], one["client_name"], one["requests"]) for one in told["by_client"]
        ] == [
            (shop.id, "shop", 2),
            (None, None, 1),
            (77, None, 1),
        ]
        assert [(one["provider"], one["requests"]) for one in told["by_provider"]] == [
            ("openai", 3),
            (None, 1),
        ]
        assert [(one["model"], one["requests"]) for one in told["by_model"]] == [
            ("gpt-5", 2),
            (None, 1),
            ("gpt-6", 1),
        ]


@pytest.mark.parametrize("hour", [0, 1, 12, 22, 23])
def test_the_parts_come_to_the_totals(engine: Engine, ledger: Ledger, hour: int) -> None:
    """At whatever hour: of seven days, the whole ones are read by the day."""
    moment = NOON.replace(hour=hour)
    hours = range(0, 24 * 9, 3)
    log(ledger, *({**CALL, "started_at": at(hours=ago), "client_id": ago % 5} for ago in hours))
    for name in RANGES:
        found = statistics(engine, name, moment=moment)
        for parts in (found.by_client, found.by_provider, found.by_model):
            assert Totals.over(part[-1] for part in parts).values == found.totals.values
        series = Totals.over(totals for _, totals in found.series)
        assert series.values == found.totals.values
    week = statistics(engine, "7d", moment=moment)
    first = int(week.since.timestamp() * 1000)
    last = first + 7 * 24 * 3_600_000
    assert week.totals.count("requests") == sum(first <= at(hours=ago) < last for ago in hours)


def test_of_one_client_nothing_is_told_of_others(engine: Engine, ledger: Ledger) -> None:
    log(
        ledger,
        {**CALL, "started_at": at(minutes=1)},
        {**CALL, "started_at": at(minutes=1), "client_id": 2, "model": "other"},
    )
    for name in RANGES:
        told = statistics(engine, name, client_id=1, moment=NOON).told()
        assert told["totals"]["requests"] == 1
        assert [one["client_id"] for one in told["by_client"]] == [1]
        assert [one["model"] for one in told["by_model"]] == ["gpt-5"]
        assert [one["provider"] for one in told["by_provider"]] == ["openai"]


def test_use_since_a_day_is_that_of_the_client(engine: Engine, ledger: Ledger) -> None:
    log(
        ledger,
        {**CALL, "started_at": at(hours=12, minutes=31)},
        {**CALL, "started_at": at(hours=12, minutes=29)},
        {**CALL, "started_at": at(minutes=1)},
        {**CALL, "started_at": at(minutes=1), "client_id": 2},
    )
    today = usage_of(engine, 1, NOON)
    assert (today.count("requests"), today.cost_usd) == (2, Decimal("2E-12"))
    assert usage_of(engine, 1, NOON - timedelta(days=1)).count("requests") == 3
    assert usage_of(engine, 3, NOON).count("requests") == 0
    assert Totals().cost_usd == 0


class TestPages:
    def test_they_follow_each_other_without_gap_or_repeat(
        self, engine: Engine, ledger: Ledger
    ) -> None:
        moments = [5, 3, 3, 3, 4, 1, 2]
        log(ledger, *({**CALL, "started_at": moment} for moment in moments))
        found, after = [], None
        for _ in range(4):
            page = Search({}).page(engine, 2, after)
            found += [(one["started_at"], one["request_id"]) for one in page.rows]
            after = page.following
        assert found == sorted(((m, f"r{n}") for n, m in enumerate(moments)), reverse=True)
        assert after is None

    @pytest.mark.parametrize(
        ("equal", "wanted"),
        [
            ({}, "3210"),
            ({"client_id": 2}, "1"),
            ({"model": "m2", "provider": "p"}, "2"),
            ({"provider": "q"}, "3"),
            ({"status": 200}, "10"),
            ({"status": 502}, "2"),
            ({"error_code": "bad", "status": 404}, "3"),
            ({"client_id": 1, "error_code": "bad"}, "3"),
        ],
    )
    def test_they_hold_what_is_asked_for(
        self, engine: Engine, ledger: Ledger, equal: dict[str, Any], wanted: str
    ) -> None:
        log(
            ledger,
            {"client_id": 1, "model": "m1", "provider": "p", "started_at": 0},
            {"client_id": 2, "model": "m1", "provider": "p", "started_at": 1},
            {"client_id": 1, "model": "m2", "provider": "p", "started_at": 2, "status": 502},
            {"client_id": 1, "model": "m2", "provider": "q", "started_at": 3, "status": 404}
            | {"error_code": "bad"},
        )
        page = Search(equal).page(engine, 10)
        assert "".join(one["request_id"][1:] for one in page.rows) == wanted
        assert page.following is None
        assert [one["request_id"] for one in Search(equal).all(engine)] == [
            f"r{number}" for number in wanted
        ]
        assert [one["request_id"] for one in Search(equal, since=1, until=3).all(engine)] == [
            f"r{number}" for number in wanted if number in "12"
        ]

    def test_one_that_looks_in_vain_says_where_to_go_on(
        self, engine: Engine, ledger: Ledger
    ) -> None:
        log(ledger, *({"provider": "qp"[n == 0], "started_at": n} for n in range(10)))
        search = Search({"provider": "p"})
        first = search.page(engine, 5, looked_at=4)
        assert (first.rows, first.following) == ([], Place(6, 7))
        assert [one["request_id"] for one in search.all(engine, looked_at=4)] == ["r0"]

    def test_a_request_is_found_by_its_id(self, engine: Engine, ledger: Ledger) -> None:
        log(ledger, {**CALL, "started_at": 1, "price": '{"input": 1}'})
        found = find_request(engine, "r0")
        assert found is not None
        assert (found["cost_usd"], found["price"]) == (Decimal("0.000000000001"), {"input": 1})
        assert find_request(engine, "r1") is None


def test_the_text_of_an_error_is_found_whatever_its_case(engine: Engine, ledger: Ledger) -> None:
    texts = ("It refused the connection", "REFUSED: 100% full", None, "100 % _full", "Grüße, João")
    log(
        ledger,
        *(
            {"request_id": f"r{n}", "started_at": n, "error_message": text}
            for n, text in enumerate(texts)
        ),
    )

    def found(text: str, since: int = 0) -> list[str]:
        page = Search({}, since, 10, text).page(engine, 10)
        return [one["request_id"] for one in page.rows]

    assert found("refused") == ["r1", "r0"]
    assert found("refused", since=1) == ["r1"]
    assert found("100%") == ["r1"]
    assert found("_full") == ["r3"]
    assert found("Grüße") == ["r4"]
    assert found("\\") == found("'") == []


@pytest.fixture
def plans(engine: Engine) -> list[str]:
    """How the database goes about each query."""
    found: list[str] = []
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"

    def note(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        if not statement.startswith("SELECT"):
            return
        cursor.execute(f"{explain} {statement}", values)
        found.extend(str(line[-1]) for line in cursor.fetchall())

    event.listen(engine, "before_cursor_execute", note)
    return found


def test_no_query_scans_a_table(engine: Engine, ledger: Ledger, plans: list[str]) -> None:
    """A scan along an index, from its end and only as far as is needed, is none."""
    if engine.dialect.name == "postgresql":
        fill_postgresql(engine)
    else:
        log(ledger, *({**CALL, "started_at": at(minutes=n)} for n in range(200)))
    plans.clear()
    for name in RANGES:
        statistics(engine, name, moment=NOON)
        statistics(engine, name, client_id=1, moment=NOON)
    usage_of(engine, 1, NOON)
    latest_requests(engine, 20)
    latest_requests(engine, 20, client_id=1)
    find_request(engine, "r1")
    for equal in (
        {},
        {"client_id": 1},
        {"model": "gpt-5"},
        {"provider": "openai"},
        {"status": 502},
        {"error_code": "bad"},
        {"client_id": 1, "status": 200},
    ):
        for after in (None, Place(at(minutes=100), 100)):
            Search(equal, since=0).page(engine, 50, after)
            Search(equal).page(engine, 50, after)
            Search(equal, 0, at(), "refused").page(engine, 50, after)
    tables = ("request_logs", "rollups", "request_bodies")
    scans = [
        plan
        for plan in plans
        if any(f"SCAN {table}" in plan or f"Seq Scan on {table}" in plan for table in tables)
        and "USING INDEX" not in plan
        and "USING COVERING INDEX" not in plan
    ]
    assert len(plans) > 50
    assert scans == []
    # Along the index of moments, the newest first.
    along = {plan for plan in plans if plan.startswith("SCAN request_logs")}
    assert along <= {
        "SCAN request_logs USING INDEX ix_request_logs_started_at",
        "SCAN request_logs USING COVERING INDEX ix_request_logs_started_at",
    }


def fill_postgresql(engine: Engine) -> None:
    """Enough for the planner to care: it reads a table of a few pages whole, whatever there is."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text(
                "INSERT INTO request_logs (request_id, client_id, started_at, door, provider, "
                "model, streamed, status, error_code, attempts, total_ms, estimated) "
                "SELECT 'r' || n, n % 50, CAST(:now AS bigint) - n * 1000, 'openai', 'openai', "
                "'gpt-' || n % 20, false, CASE WHEN n % 100 = 0 THEN 502 ELSE 200 END, "
                "CASE WHEN n % 100 = 0 THEN 'bad' END, 1, 1, false "
                "FROM generate_series(1, 20000) n"
            ),
            {"now": at()},
        )
        names = ", ".join(VALUES)
        zeros = ", ".join("0" for _ in VALUES)
        connection.execute(
            text(
                f"INSERT INTO rollups (grain, scope, bucket, client_id, provider, model, {names}) "
                f"SELECT grain, scope, bucket, client, '', '', {zeros} "
                "FROM unnest(ARRAY['m', 'h', 'd']) grain, "
                "unnest(ARRAY['all', 'client', 'provider', 'model', 'each']) scope, "
                "generate_series(1, 200) bucket, generate_series(1, 20) client"
            )
        )
        connection.execute(
            text(
                "INSERT INTO request_bodies (request_id, started_at, kept) "
                "SELECT request_id, started_at, 'full' FROM request_logs"
            )
        )
        connection.execute(text("ANALYZE"))
