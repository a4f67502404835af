"""What the log of requests tells: its newest rows."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, RowMapping, select

from gateway.store.engine import database_answers
from gateway.store.models import RequestLog


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A row of the log as a list of them shows it; `None` is what is not known."""

    request_id: str
    started_at: datetime
    client_name: str | None
    provider: str | None
    model: str | None
    status: int
    error_code: str | None
    streamed: bool
    total_ms: float
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool


def latest_requests(engine: Engine, limit: int) -> list[LoggedRequest]:
    """The newest first; the cost does not grow with the log."""
    with database_answers(), engine.connect() as connection:
        rows = connection.execute(_NEWEST.limit(limit)).mappings()
        return [_logged(row) for row in rows]


_NEWEST = select(
    RequestLog.request_id,
    RequestLog.started_at,
    RequestLog.client_name,
    RequestLog.provider,
    # A call that failed early never got as far as a model of its own.
    RequestLog.model,
    RequestLog.model_asked,
    RequestLog.status,
    RequestLog.error_code,
    RequestLog.streamed,
    RequestLog.total_ms,
    RequestLog.input_tokens,
    RequestLog.output_tokens,
    RequestLog.estimated,
).order_by(RequestLog.started_at.desc())


def _logged(row: RowMapping) -> LoggedRequest:
    values = dict(row)
    asked = values.pop("model_asked")
    values["model"] = values["model"] or asked
    values["started_at"] = datetime.fromtimestamp(values["started_at"] / 1000, UTC)
    return LoggedRequest(**values)
