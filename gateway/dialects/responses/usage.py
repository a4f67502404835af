"""Token counts, as this dialect words them."""

from typing import Any

from gateway.conversation import Counted
from gateway.dialects.openai import usage_of
from gateway.dialects.responses.native import kept, own

_DETAILS = ("input_tokens_details", "output_tokens_details")


def counted(found: Any) -> Counted | None:
    """The counts of a `usage` object, with all that the vendor says beside them, if it has any."""
    if not isinstance(found, dict):
        return None
    usage = usage_of(
        {
            "prompt_tokens": found.get("input_tokens"),
            "prompt_tokens_details": found.get("input_tokens_details"),
            "completion_tokens": found.get("output_tokens"),
            "completion_tokens_details": found.get("output_tokens_details"),
        }
    )
    return None if usage is None else Counted(usage, kept(found))


def write_usage(counted: Counted | None) -> dict[str, Any] | None:
    """Every figure must be there, so that what was not reported is 0."""
    if counted is None:
        return None
    usage, said = counted.usage, own(counted.native)
    taken, given = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        **{name: value for name, value in said.items() if name not in _DETAILS},
        "input_tokens": taken,
        "input_tokens_details": {
            **_object(said.get("input_tokens_details")),
            "cached_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": given,
        "output_tokens_details": {
            **_object(said.get("output_tokens_details")),
            "reasoning_tokens": usage.reasoning_tokens or 0,
        },
        "total_tokens": taken + given,
    }


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
