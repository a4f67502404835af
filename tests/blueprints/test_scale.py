"""With a thousand clients and a long log, a page asks little of the database, and scans nothing."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from gateway.context import Gateway
from gateway.store.client_book import ClientBook
from gateway.store.log_pages import LOOKED_AT
from tests.blueprints.browser import Browser, installed, running
from tests.store.log_rows import row

CLIENTS, MOST_QUERIES = 1000, 10
ROWS = 2 * LOOKED_AT + 100
"""More than a page looks at, and more than a second one does."""
PAGES = (
    "dashboard?range=1h",
    "dashboard?range=30d",
    "clients",
    "clients?page=20&sort=changed&order=desc",
    "clients?q=client+7&state=active",
    "clients?state=active",
    "clients?state=disabled",
    "clients?state=disabled&sort=changed",
    "clients?state=expired",
    "clients?state=expired&sort=provider&order=desc",
    "clients/7",
    "clients/7?range=1h",
    "clients/7?range=30d",
    "clients/7/parts?range=7d",
    "clients/7/edit",
    "clients/7/connection",
    "clients/new?copy=7",
    "requests",
    "requests?client_id=7&model=model-1&status=502",
    "requests?provider=nothing",
    "requests?since=2020-01-01T00:00:00Z&error_text=nothing",
    "requests/parts?client_id=7",
    "requests/req_7",
    "playground",
    "playground?client=7",
    "playground/clients/7",
    "playground/requests/req_7",
    "audit",
    "admins",
    "account",
    "tools",
    "tools/tool/uuid",
    "providers",
    "providers/demo",
    "settings",
    "api/tools",
    "api/providers",
    "api/providers/demo",
    "api/settings",
    "api/clients",
    "api/clients/7",
    "api/clients/7/usage?range=30d",
    "api/clients/7/test",
    "api/stats?range=7d",
    "api/requests",
    "api/requests/live",
    "api/audit",
)


@dataclass
class Asked:
    """The statements that one page needed, and those that read a table from end to end."""

    statements: list[str] = field(default_factory=list)
    scans: list[str] = field(default_factory=list)

    def note(self, connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        self.statements.append(statement)
        if statement.startswith("SELECT"):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans = [line[-1] for line in cursor.fetchall() if line[-1].startswith("SCAN")]
            self.scans += [plan for plan in plans if "INDEX" not in plan and "anon_" not in plan]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Of an installation with many clients and calls."""
    with running(installed(tmp_path_factory.mktemp("full"))) as app:
        fill(app)
        browser = Browser(app)
        assert browser.sign_in().status_code == 302
        yield browser


def fill(app: Flask) -> None:
    parts: Gateway = app.extensions["gateway"]
    book = ClientBook(parts.engine, parts.vault, parts.settings, lambda: None)
    limits = {"rate_limit_minute": 10, "budget_usd_day": 1, "quota_requests_day": 10}
    for number in range(CLIENTS):
        states: dict[str, Any] = {"is_active": number % 50 != 0}
        if number % 70 == 0:
            states["expires_at"] = "2020-01-01T00:00:00Z"
        book.create({"name": f"client {number}", **limits, **states})
    now = int(time.time() * 1000)
    for number in range(ROWS):
        parts.ledger.add(
            row(
                f"req_{number}",
                client_id=number % CLIENTS + 1,
                client_name=f"client {number % CLIENTS}",
                started_at=now - number * 60_000,
                provider="demo",
                model=f"model-{number % 20}",
                status=502 if number % 9 == 0 else 200,
            )
        )
    assert parts.ledger.flush()
    with parts.engine.begin() as connection:
        connection.execute(text("ANALYZE"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_for_little(full: Browser, page: str) -> None:
    engine = full.app.extensions["gateway"].engine
    asked = Asked()
    event.listen(engine, "before_cursor_execute", asked.note)
    try:
        answer = full.get(f"/admin/{page}")
    finally:
        event.remove(engine, "before_cursor_execute", asked.note)
    assert answer.status_code == 200
    assert 0 < len(asked.statements) <= MOST_QUERIES
    # What is written anywhere in a name has no index, and admins are few.
    allowed = {"clients"} if "q=" in page else {"admins"} if page == "admins" else set()
    # They count all clients, or ask each which tools it names: a few columns of a short table.
    allowed |= {"clients"} if re.search("^(api/)?providers|^tools", page) else set()
    assert {scan.removeprefix("SCAN ") for scan in asked.scans} <= allowed
