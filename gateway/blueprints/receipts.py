"""What a client may know of its own calls: the receipt of one, and what all have used."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from flask import Blueprint, request

from gateway import limits
from gateway.blueprints import access
from gateway.blueprints.replies import Reply, said
from gateway.context import Gateway, current_gateway
from gateway.errors import NotFound, Unavailable
from gateway.exchange import is_request_id
from gateway.store.clients import Client
from gateway.store.log_pages import find_request
from gateway.store.models import LOG_COLUMNS
from gateway.store.stats import Totals, usage_of

bp = Blueprint("receipts", __name__)

# Another worker's row may be on its way to the log.
_PATIENCE = (0.1, 0.15, 0.25)
_ASK_AGAIN = "5"
LISTS = ("attempt_log", "tool_names", "dropped_params", "limits", "flags")
_JSON = (*LISTS, "price", "tool_rounds")
NOT_TOLD = ("client_id", "client_name")
_SUMS = ("requests", "errors", "estimated", "unpriced")


@bp.get("/v1/requests/<request_id>")
def receipt(request_id: str) -> Reply:
    client = access.known_client(current_gateway, request.environ)
    row = _found(current_gateway, request_id)
    if row is None and current_gateway.ledger.failing:
        raise Unavailable(
            "The log cannot be written now, so that receipts may be missing; ask again later",
            headers={"retry-after": _ASK_AGAIN},
        )
    if row is None or row["client_id"] != client.id:
        raise NotFound(f"There is no call `{request_id[:40]}` of this client, or it has not ended")
    return said(_receipt(row))


@bp.get("/v1/usage")
def usage() -> Reply:
    client = access.known_client(current_gateway, request.environ)
    return said(_usage(current_gateway, client, datetime.now(UTC)))


def _found(gateway: Gateway, request_id: str) -> dict[str, Any] | None:
    """The row of a call: from this worker's memory, or from the log."""
    if not is_request_id(request_id):
        return None
    if (waiting := gateway.ledger.waiting_row(request_id)) is not None:
        told = dict(zip(LOG_COLUMNS, waiting, strict=True))
        return told | {name: told[name] and orjson.loads(told[name]) for name in _JSON}
    row = find_request(gateway.engine, request_id)
    for pause in _PATIENCE:
        if row is not None:
            break
        time.sleep(pause)
        row = find_request(gateway.engine, request_id)
    return row


def _receipt(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in LOG_COLUMNS if name not in NOT_TOLD}
    empty: dict[str, list[Any]] = {name: row[name] or [] for name in LISTS}
    began = datetime.fromtimestamp(row["started_at"] / 1000, UTC)
    return {
        "object": "receipt",
        **told,
        **empty,
        "started_at": _moment(began),
        "streamed": bool(row["streamed"]),
        "estimated": bool(row["estimated"]),
        "cost_usd": _dollars(row["cost_usd"]),
    }


def _usage(gateway: Gateway, client: Client, now: datetime) -> dict[str, Any]:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    return {
        "object": "usage",
        "today": _used(gateway, client, day),
        "month": _used(gateway, client, month),
        "limits": limits.standing(client, gateway.shared),
    }


def _used(gateway: Gateway, client: Client, since: datetime) -> dict[str, Any]:
    totals: Totals = usage_of(gateway.engine, client.id, since)
    told = totals.told()
    counts = {name: told[name] for name in told if name in _SUMS or name.endswith("_tokens")}
    return {"since": _moment(since), **counts, "cost_usd": _dollars(totals.cost_usd)}


def _dollars(amount: Decimal | None) -> Any:
    """A number in JSON with all its places."""
    return None if amount is None else orjson.Fragment(f"{amount:f}")


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
