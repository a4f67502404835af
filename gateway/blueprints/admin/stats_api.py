"""Statistics in the admin API: of everybody, of a client, and the use by the hour as CSV."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.csv_table import csv_answer
from gateway.blueprints.admin.query import moment, one_of, only
from gateway.context import current_gateway
from gateway.limits import standing
from gateway.store.client_book import ClientBook
from gateway.store.stats import RANGES, USE_COLUMNS, hourly_use, statistics

bp = Blueprint("stats", __name__)


@bp.get("/stats")
def show_stats() -> ResponseReturnValue:
    only(["range"])
    name = one_of("range", RANGES, "24h")
    return {"range": name, **statistics(current_gateway.engine, name).told()}


@bp.get("/clients/<int:client_id>/usage")
def show_usage(client_id: int) -> ResponseReturnValue:
    only(["range"])
    gateway = current_gateway
    name = one_of("range", RANGES, "24h")
    row = ClientBook.of(gateway).get(client_id)
    told = statistics(gateway.engine, name, client_id=client_id).told()
    del told["by_client"]
    limits = standing(row, gateway.shared)
    return {"range": name, "client_id": row.id, "client_name": row.name, "limits": limits, **told}


@bp.get("/usage.csv")
def usage_csv() -> ResponseReturnValue:
    """A line an hour, client, provider and model, the oldest first."""
    only(["since", "until"])
    lines = hourly_use(current_gateway.engine, moment("since"), moment("until"))
    return csv_answer("usage.csv", USE_COLUMNS, lines)
