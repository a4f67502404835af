"""The list of clients as people look through it: searched, sorted, by state, in pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from gateway.store.engine import database_answers
from gateway.store.models import ClientRow, now

PAGE = 25
SORTS: Mapping[str, InstrumentedAttribute[Any]] = {
    "name": ClientRow.name,
    "provider": ClientRow.provider,
    "created": ClientRow.created_at,
    "changed": ClientRow.updated_at,
}
STATES = ("active", "disabled", "expired")


@dataclass(frozen=True, slots=True)
class ClientSearch:
    """`state` of STATES, or empty for all; `sort` of SORTS; `page` from 1."""

    text: str = ""
    state: str = ""
    sort: str = "name"
    descending: bool = False
    page: int = 1

    def find(self, engine: Engine) -> "ClientPage":
        wanted = select(ClientRow).where(*self._conditions())
        column = SORTS[self.sort]
        order = [column.desc() if self.descending else column.asc(), ClientRow.id]
        rows = wanted.options(selectinload(ClientRow.keys)).order_by(*order)
        with database_answers(), Session(engine, expire_on_commit=False) as session:
            total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
            page = max(1, min(self.page, -(-total // PAGE)))
            shown = rows.offset((page - 1) * PAGE).limit(PAGE)
            found = list(session.scalars(shown)) if total else []
        return ClientPage(found, total, page)

    def _conditions(self) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if self.text:
            places = (
                *(ClientRow.name, ClientRow.description),
                *(ClientRow.default_model, ClientRow.provider),
            )
            conditions.append(or_(*(one.icontains(self.text, autoescape=True) for one in places)))
        if self.state:
            conditions.append(_in_state(self.state))
        return conditions


@dataclass(frozen=True, slots=True)
class ClientPage:
    rows: list[ClientRow]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


def client_names(engine: Engine, limit: int) -> list[tuple[int, str]]:
    """Ids and names, by name."""
    wanted = select(ClientRow.id, ClientRow.name).order_by(ClientRow.name, ClientRow.id)
    with database_answers(), engine.connect() as connection:
        return [(number, name) for number, name in connection.execute(wanted.limit(limit))]


def state_of(row: ClientRow) -> str:
    if not row.is_active:
        return "disabled"
    return "expired" if row.expires_at and row.expires_at <= now() else "active"


def clients_by_provider(engine: Engine) -> dict[str, int]:
    """How many clients have which provider for their own."""
    counts = select(ClientRow.provider, func.count()).group_by(ClientRow.provider)
    with database_answers(), Session(engine) as session:
        return {provider: count for provider, count in session.execute(counts)}


def clients_with_tools(engine: Engine) -> list[tuple[int, str, list[str]]]:
    """Id, name and `server_tools` of those for whom the gateway runs tools."""
    columns = (ClientRow.id, ClientRow.name, ClientRow.server_tools)
    rows = select(*columns).where(ClientRow.tool_mode == "gateway").order_by(ClientRow.name)
    with database_answers(), Session(engine) as session:
        return [(number, name, tools) for number, name, tools in session.execute(rows) if tools]


def _in_state(state: str) -> ColumnElement[bool]:
    if state == "disabled":
        return ClientRow.is_active.is_(False)
    over = and_(ClientRow.expires_at.is_not(None), ClientRow.expires_at <= now())
    return and_(ClientRow.is_active, over if state == "expired" else ~over)
