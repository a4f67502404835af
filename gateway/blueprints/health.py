"""Whether the gateway lives, and whether it can serve."""

from typing import Any

from flask import Blueprint

from gateway.context import Gateway, current_gateway

bp = Blueprint("health", __name__)


@bp.get("/health")
@bp.get("/health/live")
def live() -> dict[str, str]:
    return {"status": "ok"}


@bp.get("/health/ready")
def ready() -> tuple[dict[str, Any], int]:
    """200 while calls can be answered, `degraded` with the reasons if something is amiss."""
    reasons = _reasons(current_gateway)
    return {"status": "degraded" if reasons else "ok", "degraded": reasons}, 200


def _reasons(gateway: Gateway) -> list[str]:
    reasons = gateway.degraded()
    if not gateway.ledger.is_reachable():
        reasons.append("database: away; clients that are known go on")
    return reasons
