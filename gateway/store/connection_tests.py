"""Tests of clients' connections: the last one of each client, one at a time over all workers."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import BadRequest
from gateway.store import audit
from gateway.store.engine import database_answers, writing
from gateway.store.models import AuditRow, ConnectionTest, now

State = Literal["running", "done", "interrupted"]
Result = dict[str, Any]
"""Of one probe: probe, status, detail, ms, model, request_id."""


class UnderWay(BadRequest):
    """Another test of this client is under way."""

    status = 409
    code = "test_running"


@dataclass(frozen=True, slots=True)
class Tested:
    """What is known of a client's last test. `results` are in the order of the probes."""

    state: State
    actor: str
    provider: str
    provider_base_url: str | None
    model: str | None
    started_at: datetime
    ended_at: datetime | None
    results: Sequence[Result]


class ConnectionTests:
    """`lost_after`: seconds without a word after which a test's worker is taken for gone."""

    def __init__(self, engine: Engine, lost_after: float) -> None:
        self._engine = engine
        self._lost_after = timedelta(seconds=lost_after)

    def begin(self, client_id: int, client_name: str, actor: str, what: Mapping[str, Any]) -> str:
        """Begins a test, in place of the last one, and notes it in the audit log.

        `what`: provider, provider_base_url and model. Gives the run. Raises UnderWay.
        """
        run, moment = secrets.token_hex(8), now()
        values = dict(what, run=run, actor=actor, started_at=moment, beat_at=moment)
        values |= {"client_id": client_id, "ended_at": None, "results": []}
        over = or_(ConnectionTest.ended_at.is_not(None), self._is_lost(moment))
        noted: dict[str, Any] = {"actor": actor, "action": "client.test", "subject": client_name}
        noted["subject_id"] = client_id
        noted["changes"] = audit.differences({"model": None}, {"model": what["model"]})
        try:
            with database_answers(), writing(self._engine) as connection:
                this = ConnectionTest.client_id == client_id
                connection.execute(delete(ConnectionTest).where(this, over))
                connection.execute(insert(ConnectionTest).values(values))
                connection.execute(insert(AuditRow).values(noted))
        except IntegrityError:
            raise UnderWay("This client is being tested already.") from None
        return run

    def keep(self, client_id: int, run: str, results: Sequence[Result], *, ended: bool) -> bool:
        """Keeps what is known so far; False if the run is no longer the client's last one."""
        this = (ConnectionTest.client_id == client_id, ConnectionTest.run == run)
        moment = now()
        values = {"results": list(results), "beat_at": moment}
        if ended:
            values["ended_at"] = moment
        with database_answers(), writing(self._engine) as connection:
            found = connection.execute(update(ConnectionTest).where(*this).values(values))
            return bool(found.rowcount)

    def of(self, client_id: int) -> Tested | None:
        """The client's last test, if there was one."""
        this = select(ConnectionTest.__table__).where(ConnectionTest.client_id == client_id)
        with database_answers(), self._engine.connect() as connection:
            row = connection.execute(this).mappings().first()
        if row is None:
            return None
        told = {name: row[name] for name in Tested.__slots__ if name != "state"}
        return Tested(state=self._state(row), **told)

    def _state(self, row: Mapping[Any, Any]) -> State:
        if row["ended_at"] is not None:
            return "done"
        return "interrupted" if row["beat_at"] < now() - self._lost_after else "running"

    def _is_lost(self, moment: datetime) -> ColumnElement[bool]:
        return ConnectionTest.beat_at < moment - self._lost_after
