"""Runs of the gateway's tools, out of the last rows of the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from gateway.store.engine import database_answers
from gateway.store.log_pages import LOOKED_AT
from gateway.store.models import RequestLog, now

_LOG = RequestLog.__table__.c
_MOST_CALLS = 1000
SPAN = timedelta(days=1)


@dataclass(slots=True)
class ToolRuns:
    """Within SPAN, as far as the rows that were looked at tell. `milliseconds`: of all runs."""

    runs: int = 0
    errors: int = 0
    milliseconds: float = 0.0
    last_error: str | None = None
    last_error_at: datetime | None = None
    last_error_request: str | None = None

    @property
    def mean_ms(self) -> float | None:
        return self.milliseconds / self.runs if self.runs else None


def tool_runs(engine: Engine, looked_at: int = LOOKED_AT) -> dict[str, ToolRuns]:
    """By the tool's name; a bounded number of rows is looked at, however long the log is."""
    since = round((now() - SPAN).timestamp() * 1000)
    columns = (_LOG.id, _LOG.started_at, _LOG.request_id, _LOG.tool_rounds)
    last = (
        select(*columns)
        .where(_LOG.started_at >= since)
        .order_by(_LOG.started_at.desc())
        .limit(looked_at)
        .subquery()
    )
    ran = (
        select(last.c.started_at, last.c.request_id, last.c.tool_rounds)
        .where(last.c.tool_rounds.is_not(None))
        .order_by(last.c.started_at.desc(), last.c.id.desc())
        .limit(_MOST_CALLS)
    )
    found: dict[str, ToolRuns] = {}
    with database_answers(), engine.connect() as connection:
        for started_at, request_id, rounds in connection.execute(ran):
            for one in reversed((rounds or {}).get("runs", ())):
                _count(found.setdefault(str(one.get("name")), ToolRuns()), one)
                _note(found[str(one.get("name"))], one, started_at, request_id)
    return found


def _count(runs: ToolRuns, one: Mapping[str, Any]) -> None:
    runs.runs += 1
    runs.errors += bool(one.get("error"))
    runs.milliseconds += one.get("ms") or 0


def _note(runs: ToolRuns, one: Mapping[str, Any], started_at: int, request_id: str) -> None:
    if one.get("error") and runs.last_error is None:
        runs.last_error = str(one["error"])
        runs.last_error_at = datetime.fromtimestamp(started_at / 1000, UTC)
        runs.last_error_request = request_id
