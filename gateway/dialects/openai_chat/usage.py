"""Token counts: as vendors of this dialect report them, and as OpenAI words them."""

from dataclasses import replace
from typing import Any

from gateway.chat import Usage
from gateway.dialects.openai import usage_of

_MOST_TOKENS = 2**53


def read_usage(found: Any) -> Usage | None:
    """The counts of a `usage` object, in OpenAI's sense; None if it holds none."""
    usage = usage_of(found)
    if usage is None:
        return None
    cached, reasoning = usage.cached_tokens, usage.reasoning_tokens
    usage = replace(
        usage,
        cached_tokens=_own_cached(found) if cached is None else cached,
        reasoning_tokens=_count(found.get("reasoning_tokens")) if reasoning is None else reasoning,
    )
    return _made_whole(usage, _count(found.get("total_tokens")))


def usage_in(body: dict[str, Any]) -> Any:
    """The `usage` object of an answer or a chunk; Groq may report it under `x_groq`."""
    if body.get("usage"):
        return body["usage"]
    own = body.get("x_groq")
    return own.get("usage") if isinstance(own, dict) else None


def write_usage(usage: Usage) -> dict[str, Any]:
    """What was not reported is left out of the details; the three sums must be there."""
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    written: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    prompt_details = {
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_tokens": usage.audio_tokens,
    }
    for name, details in (
        ("prompt_tokens_details", prompt_details),
        ("completion_tokens_details", {"reasoning_tokens": usage.reasoning_tokens}),
    ):
        known = {key: count for key, count in details.items() if count is not None}
        if known:
            written[name] = known
    return written


def _own_cached(found: dict[str, Any]) -> int | None:
    """Mistral's names for what OpenAI calls prompt_tokens_details.cached_tokens."""
    details = found.get("prompt_token_details")
    own = details.get("cached_tokens") if isinstance(details, dict) else None
    return _count(found.get("num_cached_tokens") if own is None else own)


def _made_whole(usage: Usage, total: int | None) -> Usage:
    """xAI leaves reasoning out of the completion's count, and may leave what was cached out of the
    prompt's: here both are part of the whole."""
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    cached, reasoning = usage.cached_tokens or 0, usage.reasoning_tokens or 0
    if reasoning and total == prompt + completion + reasoning:
        usage = replace(usage, output_tokens=completion + reasoning)
    if cached > prompt:
        usage = replace(usage, input_tokens=prompt + cached)
    return usage


def _count(value: Any) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value <= _MOST_TOKENS else None
