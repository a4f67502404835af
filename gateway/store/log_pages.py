"""Pages of the request log, the newest first; a page reads a bounded number of its rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, or_, select

from gateway.store.engine import database_answers
from gateway.store.models import RequestBody, RequestLog

LOOKED_AT = 5_000
"""Rows that one page looks at, at most: what no index knows is searched for among them."""
BODIES = ("question", "answer", "kept", "sent", "sent_head")
_AT_ONCE = 500
_LOG = RequestLog.__table__.c
# An index begins with each of these and goes on with the time; the first that is asked for leads.
_LEADING = ("client_id", "error_code", "model", "status")


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A row of the log as a list of them shows it; `None` is what is not known."""

    request_id: str
    started_at: datetime
    client_id: int | None
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


def latest_requests(
    engine: Engine, limit: int, client_id: int | None = None
) -> list[LoggedRequest]:
    """Of everybody or of one client, the newest first; the cost does not grow with the log."""
    wanted = _NEWEST if client_id is None else _NEWEST.where(_LOG.client_id == client_id)
    with database_answers(), engine.connect() as connection:
        rows = connection.execute(wanted.limit(limit)).mappings()
        return [logged(dict(row)) for row in rows]


def logged(row: Mapping[str, Any]) -> LoggedRequest:
    """Of a row that has these columns, or all of them."""
    values = {field.name: row[field.name] for field in fields(LoggedRequest)}
    values["model"] = row["model"] or row["model_asked"]
    values["started_at"] = datetime.fromtimestamp(row["started_at"] / 1000, UTC)
    return LoggedRequest(**values)


def last_id(engine: Engine) -> int:
    """The number of the row that was written last: another one, and there is something new."""
    with database_answers(), engine.connect() as connection:
        return connection.scalar(select(func.max(_LOG.id))) or 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: after the row of this moment and id."""

    started_at: int
    id: int


@dataclass(frozen=True, slots=True)
class Page:
    """`following` is None at the end of the log. A page may be short, or even empty, before it:
    as many rows were looked at as one page may."""

    rows: list[dict[str, Any]]
    following: Place | None


@dataclass(frozen=True, slots=True)
class Search:
    """`equal`: columns and what they should hold. Moments are milliseconds, `until` excluded.

    `error_text`: a part of the error's message, whatever its case. No index knows it, so whoever
    asks for it should name a time. `failed`: those alone whose status is that of an error.
    """

    equal: Mapping[str, Any]
    since: int | None = None
    until: int | None = None
    error_text: str | None = None
    failed: bool = False

    def page(
        self,
        engine: Engine,
        limit: int,
        after: Place | None = None,
        looked_at: int = LOOKED_AT,
    ) -> Page:
        with database_answers(), engine.connect() as connection:
            return self._page(connection, limit, looked_at, after)

    def all(self, engine: Engine, looked_at: int = LOOKED_AT) -> Iterator[dict[str, Any]]:
        """Every row, read in portions, so that neither memory nor the database is held up."""
        page = self.page(engine, _AT_ONCE, None, looked_at)
        yield from page.rows
        while page.following is not None:
            page = self.page(engine, _AT_ONCE, page.following, looked_at)
            yield from page.rows

    def _page(
        self, connection: Connection, limit: int, looked_at: int, after: Place | None
    ) -> Page:
        wanted = self._seen(after)
        if others := self._others():
            seen = wanted.limit(looked_at).subquery()
            rest = [condition(seen.c) for condition in others]
            order = (seen.c.started_at.desc(), seen.c.id.desc())
            wanted = select(seen).where(*rest).order_by(*order)
        rows = [dict(row) for row in connection.execute(wanted.limit(limit + 1)).mappings()]
        if len(rows) > limit:
            last = rows[limit - 1]
            return Page(rows[:limit], Place(last["started_at"], last["id"]))
        return Page(rows, self._end(connection, looked_at, after) if others else None)

    def _end(self, connection: Connection, looked_at: int, after: Place | None) -> Place | None:
        """The last row that was looked at, if there may be more behind it."""
        ends = self._seen(after).with_only_columns(_LOG.started_at, _LOG.id)
        last = connection.execute(ends.offset(looked_at - 1).limit(1)).first()
        return None if last is None else Place(*last)

    def _seen(self, after: Place | None) -> Any:
        leading = self._leading()
        conditions = [] if leading is None else [_LOG[leading] == self.equal[leading]]
        conditions += _partial(leading)
        if self.since is not None:
            conditions.append(_LOG.started_at >= self.since)
        if self.until is not None:
            conditions.append(_LOG.started_at < self.until)
        if after is not None:
            conditions.append(_behind(after))
        order = (_LOG.started_at.desc(), _LOG.id.desc())
        return select(RequestLog.__table__).where(*conditions).order_by(*order)

    def _leading(self) -> str | None:
        return next((name for name in _LEADING if _is_indexed(name, self.equal)), None)

    def _others(self) -> list[Callable[[Any], ColumnElement[bool]]]:
        """What is looked for among the rows that the index gives, of their columns."""
        leading = self._leading()
        equal = {name: value for name, value in self.equal.items() if name != leading}
        text = [] if self.error_text is None else [partial(_tells, self.error_text)]
        failed = [_is_failed] if self.failed else []
        return [*(partial(_holds, name, value) for name, value in equal.items()), *text, *failed]


def find_request(engine: Engine, request_id: str) -> dict[str, Any] | None:
    """The whole row, with what was kept of its bodies: BODIES."""
    if "\0" in request_id:  # PostgreSQL would not even look for it
        return None
    query = (
        select(RequestLog.__table__, *(getattr(RequestBody, name) for name in BODIES))
        .outerjoin(RequestBody, RequestBody.request_id == RequestLog.request_id)
        .where(RequestLog.request_id == request_id)
    )
    with database_answers(), engine.connect() as connection:
        row = connection.execute(query).mappings().first()
        return None if row is None else dict(row)


def _holds(name: str, value: Any, columns: Any) -> ColumnElement[bool]:
    return columns[name] == value  # type: ignore[no-any-return]


def _tells(text: str, columns: Any) -> ColumnElement[bool]:
    return columns.error_message.icontains(text, autoescape=True)  # type: ignore[no-any-return]


def _is_failed(columns: Any) -> ColumnElement[bool]:
    return columns.status >= 400  # type: ignore[no-any-return]


def _is_indexed(name: str, equal: Mapping[str, Any]) -> bool:
    return name in equal and not (name == "status" and equal[name] == 200)


def _partial(leading: str | None) -> list[ColumnElement[bool]]:
    """What the index of few rows says of itself, or the database does not think of using it."""
    if leading == "error_code":
        return [_LOG.error_code.is_not(None)]
    return [_LOG.status != 200] if leading == "status" else []


def _behind(place: Place) -> ColumnElement[bool]:
    # The first part alone lets the index begin at the right place.
    return and_(
        _LOG.started_at <= place.started_at,
        or_(_LOG.started_at < place.started_at, _LOG.id < place.id),
    )


_NEWEST = select(
    RequestLog.request_id,
    RequestLog.started_at,
    RequestLog.client_id,
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
