"""Tries at providers that failed, out of the last rows of the log: also those that a fallback
answered for, which count nowhere as errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from gateway.store.engine import database_answers
from gateway.store.log_pages import LOOKED_AT
from gateway.store.models import RequestLog, now

_LOG = RequestLog.__table__.c
_MOST_FAILED = 500
RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FailedTry:
    """The last one at a provider; `recent`: how many there were within RECENT, as far as the rows
    that were looked at tell.
    """

    at: datetime
    request_id: str
    model: str
    status: int
    code: str
    message: str
    recent: int


def failed_tries(engine: Engine, looked_at: int = LOOKED_AT) -> dict[str, FailedTry]:
    """By provider; a bounded number of rows is looked at, however long the log is."""
    columns = (_LOG.id, _LOG.started_at, _LOG.request_id, _LOG.attempt_log)
    last = select(*columns).order_by(_LOG.started_at.desc()).limit(looked_at).subquery()
    failed = (
        select(last.c.started_at, last.c.request_id, last.c.attempt_log)
        .where(last.c.attempt_log.is_not(None))
        .order_by(last.c.started_at.desc(), last.c.id.desc())
        .limit(_MOST_FAILED)
    )
    with database_answers(), engine.connect() as connection:
        rows = connection.execute(failed).all()
    return _by_provider([(started, name, tries) for started, name, tries in rows])


def _by_provider(rows: list[tuple[int, str, Any]]) -> dict[str, FailedTry]:
    since = round((now() - RECENT).timestamp() * 1000)
    found: dict[str, tuple[int, str, Mapping[str, Any]]] = {}
    recent: dict[str, int] = {}
    for started, request_id, tries in rows:
        for one in reversed(tries or ()):
            if (provider := one.get("provider")) is None:
                continue  # it was skipped, not tried
            found.setdefault(provider, (started, request_id, one))
            recent[provider] = recent.get(provider, 0) + (started >= since)
    return {
        provider: FailedTry(
            at=datetime.fromtimestamp((started + (one.get("after_ms") or 0)) / 1000, UTC),
            request_id=request_id,
            model=str(one.get("model") or ""),
            status=int(one.get("status") or 0),
            code=str(one.get("code") or ""),
            message=str(one.get("message") or ""),
            recent=recent[provider],
        )
        for provider, (started, request_id, one) in found.items()
    }
