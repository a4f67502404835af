"""The parts of a client's page that change: its standing, and what some time came to.

They are rendered for all who look, whatever their role.
"""

from typing import Any

from gateway import overview
from gateway.blueprints.admin.parts import SPANS, part
from gateway.context import current_gateway
from gateway.errors import NotFound
from gateway.limits import standing
from gateway.store.client_book import HIGHEST_ID, ClientBook
from gateway.store.client_list import state_of
from gateway.store.models import ClientRow
from gateway.store.stats import statistics

DELETED = "deleted"


def now(client_id: int) -> dict[str, Any]:
    """Parts that are the same whatever time the page is about; of one that is gone, that it is."""
    try:
        return now_of(ClientBook.of(current_gateway).get(client_id))
    except NotFound:
        return {"state": part("admin/_client_state.html", state=DELETED)}


def now_of(row: ClientRow) -> dict[str, Any]:
    gateway = current_gateway
    requests = overview.recent(gateway, row.id)
    return {
        "state": part("admin/_client_state.html", state=state_of(row)),
        "uses": part(
            "admin/_client_uses.html",
            uses=standing(row, gateway.shared),
            allow_unpriced=row.allow_unpriced,
        ),
        "recent": part("admin/_requests.html", requests=requests, of_client=True),
    }


def figures(client_id: int, name: str) -> dict[str, Any]:
    """Parts that tell of one of RANGES."""
    client_id = min(client_id, HIGHEST_ID)
    found = statistics(current_gateway.engine, name, client_id=client_id)
    totals = found.totals.told()
    by_hours = name == "1h"
    return {
        "figures": part(
            "admin/_figures.html", totals=totals, span=SPANS[name], of_client=client_id
        ),
        "shares": part(
            "admin/_shares.html",
            shares=overview.shares_of_client(found),
            by_hours=by_hours,
            of_client=client_id,
        ),
        "series": overview.series(found),
    }
