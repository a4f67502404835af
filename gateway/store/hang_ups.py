"""Calls that were left before the answer was there (499), by the caller or on an admin's word:
errors, but not the provider's.
"""

from sqlalchemy import Engine, func, select

from gateway.store.engine import database_answers
from gateway.store.log_pages import LOOKED_AT
from gateway.store.models import RequestLog, now
from gateway.store.stats import RANGES

STATUS = 499
_LOG = RequestLog.__table__.c


def hang_ups(engine: Engine, name: str, looked_at: int = LOOKED_AT) -> dict[str, int]:
    """How many there were at each provider in one of RANGES.

    No more than the newest `looked_at` of them are counted, however many there were.
    """
    span = RANGES[name]
    since = span.buckets(now()).start * span.step_ms
    # The index of few rows is used where a question says of itself what the index says.
    these = (_LOG.status == STATUS, _LOG.status != 200, _LOG.started_at >= since)
    newest = select(_LOG.provider).where(*these).order_by(_LOG.started_at.desc()).limit(looked_at)
    seen = newest.subquery()
    counts = select(seen.c.provider, func.count()).group_by(seen.c.provider)
    with database_answers(), engine.connect() as connection:
        return {provider or "": count for provider, count in connection.execute(counts)}
