"""Rows of the log as the exchange hands them over, whole and made up."""

from typing import Any

from gateway.store.ledger import COLUMNS

REQUIRED = {"started_at": 0, "door": "openai", "streamed": False, "status": 200, "attempts": 1}


def row(request_id: str, **values: Any) -> list[Any]:
    known = {**REQUIRED, "total_ms": 1.0, "estimated": False, "request_id": request_id, **values}
    return [known.get(name) for name in COLUMNS]
