"""The list of models, as Anthropic's clients read it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

# The epoch stands for a day that is not known.
_UNKNOWN = "1970-01-01T00:00:00Z"
_MILLISECONDS = 10**11


def models_page(models: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One page with all of them, from rows as OpenAI lists them."""
    data = [model_entry(row) for row in models]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def model_entry(row: dict[str, Any]) -> dict[str, Any]:
    name = str(row.get("id", ""))
    return {
        "type": "model",
        "id": name,
        "display_name": str(row.get("display_name") or row.get("name") or name),
        "created_at": _day(row.get("created_at"), row.get("created")),
        "lifecycle": "active",
        "max_input_tokens": row.get("max_input_tokens"),
        "max_tokens": row.get("max_tokens"),
    }


def _day(told: Any, created: Any) -> str:
    """RFC 3339, from seconds since the epoch; some servers give milliseconds, or a text."""
    if isinstance(told, str) and told:
        return told
    try:
        seconds = float(created)
        seconds = seconds / 1000 if seconds > _MILLISECONDS else seconds
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError, OverflowError, OSError):
        return _UNKNOWN
