"""Writes batches of the request log: its rows, and what they add up to, in one transaction."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, bindparam, insert, select
from sqlalchemy.exc import OperationalError

from gateway.store.engine import writing
from gateway.store.models import LOG_COLUMNS, RequestBody, RequestLog
from gateway.store.rollups import Models, as_rows, roll_up, upsert
from gateway.store.spool import Body, Entry

Row = Sequence[Any]
_REQUEST_ID = LOG_COLUMNS.index("request_id")
_STARTED_AT = LOG_COLUMNS.index("started_at")
_COST = LOG_COLUMNS.index("cost_usd")


class LogWriter:
    """A batch is written whole or not at all, and each row once, however often it is given."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = _insert(engine)
        self._upsert = upsert(engine)
        self._models = Models()

    def write(self, batch: Sequence[Entry]) -> None:
        if not self._written(batch):
            # Some are there already: of a write that looked as if it had failed, or of a spool
            # that was read before. It takes a look at the log, so it is not done beforehand.
            batch = self._new(batch)
            if batch and not self._written(batch):
                raise OperationalError("rows appeared meanwhile", None, Exception("rows appeared"))

    def _written(self, batch: Sequence[Entry]) -> bool:
        """False, and nothing is written, if the log holds one of them already."""
        rows = [_plain(entry.row) for entry in batch]
        bodies = [_body(entry.row, entry.body) for entry in batch if entry.body]
        with writing(self._engine) as connection:
            if connection.exec_driver_sql(self._insert, rows).rowcount != len(rows):
                connection.rollback()
                return False
            rollups = as_rows(roll_up(rows, self._models))
            connection.exec_driver_sql(self._upsert, list(rollups))
            if bodies:
                connection.execute(insert(RequestBody), bodies)
            return True

    def _new(self, batch: Sequence[Entry]) -> list[Entry]:
        by_id = {entry.row[_REQUEST_ID]: entry for entry in batch}
        with self._engine.connect() as connection:
            for found in connection.scalars(_KNOWN, {"ids": list(by_id)}):
                del by_id[found]
        return list(by_id.values())


_KNOWN = select(RequestLog.request_id).where(
    RequestLog.request_id.in_(bindparam("ids", expanding=True))
)


def _plain(row: Row) -> tuple[Any, ...]:
    """As every driver takes it: SQLite's knows no decimals."""
    cost = row[_COST]
    if not isinstance(cost, Decimal):
        return tuple(row)
    return (*row[:_COST], f"{cost:f}", *row[_COST + 1 :])


def _body(row: Row, body: Body) -> dict[str, Any]:
    return {
        "request_id": row[_REQUEST_ID],
        "started_at": row[_STARTED_AT],
        **body._asdict(),
    }


def _insert(engine: Engine) -> str:
    mark = "?" if engine.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(LOG_COLUMNS))
    return (
        f"INSERT INTO request_logs ({', '.join(LOG_COLUMNS)}) VALUES ({marks}) "
        "ON CONFLICT (request_id) DO NOTHING"
    )
