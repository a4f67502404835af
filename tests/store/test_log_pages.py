"""The newest requests, found without reading the log to its end."""

from typing import Any

from sqlalchemy import Engine, event, insert

from gateway.store.log_pages import latest_requests
from gateway.store.models import RequestLog
from tests.store.conftest import on_sqlite


def log(engine: Engine, *moments: int, **values: Any) -> None:
    rows = [
        {
            "request_id": f"req_{moment}",
            "started_at": moment,
            "door": "openai",
            "streamed": False,
            "status": 200,
            "attempts": 1,
            "total_ms": 1.5,
            "estimated": False,
            **values,
        }
        for moment in moments
    ]
    with engine.begin() as connection:
        connection.execute(insert(RequestLog), rows)


def test_the_newest_come_first(engine: Engine) -> None:
    log(engine, 3000, 1000, 1_790_000_000_123, 2000)
    found = latest_requests(engine, 3)
    assert [one.request_id for one in found] == ["req_1790000000123", "req_3000", "req_2000"]
    assert found[0].started_at.isoformat() == "2026-09-21T14:13:20.123000+00:00"


def test_an_empty_log_has_none(engine: Engine) -> None:
    assert latest_requests(engine, 3) == []


def test_a_call_that_got_no_model_shows_what_it_asked_for(engine: Engine) -> None:
    log(engine, 1000)
    assert latest_requests(engine, 1)[0].model is None
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE request_logs SET model_asked = 'gpt-9'")
    assert latest_requests(engine, 1)[0].model == "gpt-9"


@on_sqlite
def test_the_index_is_read_and_nothing_sorted(engine: Engine) -> None:
    log(engine, *range(100))
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        plans.extend(row[3] for row in cursor.fetchall())

    event.listen(engine, "before_cursor_execute", explain)
    assert len(latest_requests(engine, 2)) == 2
    assert plans == ["SCAN request_logs USING INDEX ix_request_logs_started_at"]
