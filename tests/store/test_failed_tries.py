"""Failed tries, by provider, out of a bounded part of the log."""

from typing import Any

import orjson
from sqlalchemy import Engine

from gateway.store.failed_tries import failed_tries
from gateway.store.models import LOG_COLUMNS, now
from tests.store.test_log_pages import log

assert "attempt_log" in LOG_COLUMNS


def tried(engine: Engine, moment: int, *tries: dict[str, Any]) -> None:
    log(engine, moment)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE request_logs SET attempt_log = '{orjson.dumps(tries).decode()}' "
            f"WHERE request_id = 'req_{moment}'"
        )


def failure(provider: str, model: str) -> dict[str, Any]:
    error = {"status": 503, "code": "upstream_error", "message": "no", "after_ms": 7}
    return {"provider": provider, "model": model, **error}


def test_the_last_one_of_each_provider_is_told(engine: Engine) -> None:
    present = round(now().timestamp() * 1000)
    tried(engine, 1000, failure("a", "old"))
    tried(engine, present, failure("a", "first"), failure("a", "second"), {"skipped": "b is away"})
    tried(engine, present + 1, failure("b", "other"))
    log(engine, present + 2)
    found = failed_tries(engine)
    assert {name: (one.model, one.recent) for name, one in found.items()} == {
        "a": ("second", 2),
        "b": ("other", 1),
    }
    assert (found["a"].request_id, found["a"].status) == (f"req_{present}", 503)
    assert round(found["a"].at.timestamp() * 1000) == present + 7


def test_no_more_rows_are_looked_at_than_that(engine: Engine) -> None:
    tried(engine, 1000, failure("a", "old"))
    log(engine, *range(2000, 2010))
    assert failed_tries(engine, looked_at=10) == {}
    assert set(failed_tries(engine, looked_at=11)) == {"a"}
