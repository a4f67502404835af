"""Runs of tools, out of a bounded part of the log."""

from typing import Any

import orjson
from sqlalchemy import Engine, text

from gateway.store.models import now
from gateway.store.tool_runs import tool_runs
from tests.store.test_log_pages import log


def ran(engine: Engine, moment: int, *runs: dict[str, Any]) -> None:
    log(engine, moment)
    value = orjson.dumps({"rounds": [], "runs": runs}).decode()
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE request_logs SET tool_rounds = :value WHERE request_id = :name"),
            {"value": value, "name": f"req_{moment}"},
        )


def run(name: str, error: str | None = None) -> dict[str, Any]:
    return {"round": 1, "name": name, "arguments": "{}", "size": 2, "ms": 10.0, "error": error}


def test_runs_of_a_day_are_counted_with_their_last_error(engine: Engine) -> None:
    present = round(now().timestamp() * 1000)
    ran(engine, present - 25 * 3_600_000, run("old"))
    ran(engine, present - 10, run("a", "first"), run("a"))
    ran(engine, present - 5, run("a", "second"), run("a", "third"), run("b"))
    log(engine, present)
    found = tool_runs(engine)
    assert set(found) == {"a", "b"}
    one = found["a"]
    assert (one.runs, one.errors, one.mean_ms) == (4, 3, 10.0)
    assert (one.last_error, one.last_error_request) == ("third", f"req_{present - 5}")
    assert found["b"].last_error is None


def test_no_more_rows_are_looked_at_than_that(engine: Engine) -> None:
    present = round(now().timestamp() * 1000)
    ran(engine, present - 100, run("a"))
    log(engine, *range(present - 9, present))
    assert tool_runs(engine, looked_at=9) == {}
    assert set(tool_runs(engine, looked_at=10)) == {"a"}
