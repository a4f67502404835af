"""countTokens: the question as it is asked, and its answer."""

from typing import Any

from gateway.conversation import Written
from gateway.dialects.gemini.facts import resource


def count_tokens_body(written: Written, model: str) -> dict[str, Any]:
    """Of a whole request, with system text and tools; it must name the model once more."""
    return {"generateContentRequest": {"model": resource(model), **written.body}}


def read_token_count(body: Any) -> int:
    count = body.get("totalTokens") if isinstance(body, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def token_count_body(count: int) -> dict[str, Any]:
    return {"totalTokens": count}
