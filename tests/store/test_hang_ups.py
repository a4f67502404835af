"""Calls that their callers left, by provider, out of a bounded part of the log."""

from typing import Any

import pytest
from sqlalchemy import Engine

from gateway.store.hang_ups import hang_ups
from gateway.store.models import now
from tests.store.test_log_pages import log


@pytest.fixture
def moment() -> int:
    return round(now().timestamp() * 1000) - 5000


def left(engine: Engine, moment: int, provider: str | None, **values: Any) -> None:
    log(engine, moment, **({"provider": provider, "status": 499} | values))


def test_those_of_each_provider_are_counted(engine: Engine, moment: int) -> None:
    for number, provider in enumerate(("a", "a", "b", None)):
        left(engine, moment + number, provider)
    left(engine, moment + 10, "a", status=200)
    left(engine, moment + 11, "a", status=502)
    left(engine, moment - 2 * 3_600_000, "a")
    assert hang_ups(engine, "1h") == {"a": 2, "b": 1, "": 1}


def test_no_more_are_looked_at_than_that(engine: Engine, moment: int) -> None:
    for number in range(5):
        left(engine, moment + number, "a")
    assert hang_ups(engine, "1h", looked_at=3) == {"a": 3}
