"""Token counts: as vendors of this dialect report them, and as OpenAI words them."""

from typing import Any

from gateway.conversation import Counted
from gateway.dialects.openai import usage_of
from gateway.dialects.openai_chat.native import kept, own, rest

_MOST_TOKENS = 2**53
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")


def usage_in(body: dict[str, Any]) -> Any:
    """The `usage` object of an answer or a chunk; Groq may report it under `x_groq`."""
    if body.get("usage"):
        return body["usage"]
    own = body.get("x_groq")
    return own.get("usage") if isinstance(own, dict) else None


def counted(found: Any) -> Counted | None:
    """The counts, with all that the vendor says beside them; None if there are none."""
    usage = usage_of(found)
    return None if usage is None else Counted(usage, kept(found))


def write_usage(counted: Counted) -> dict[str, Any]:
    """What was not reported is left out of the details; the three sums must be there."""
    usage, said = counted.usage, own(counted.native)
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    written = rest(said, *_DETAILS) | {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": max(prompt + completion, _count(said.get("total_tokens")) or 0),
    }
    of_prompt = {
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_tokens": usage.input_audio_tokens,
    }
    of_completion = {
        "reasoning_tokens": usage.reasoning_tokens,
        "audio_tokens": usage.output_audio_tokens,
    }
    for name, details in zip(_DETAILS, (of_prompt, of_completion), strict=True):
        known = {key: count for key, count in details.items() if count is not None}
        members = {**_counts(said.get(name)), **known}
        if members:
            written[name] = members
    return written


def _counts(details: Any) -> dict[str, int]:
    """The details that are whole numbers."""
    if not isinstance(details, dict):
        return {}
    return {name: count for name, value in details.items() if (count := _count(value)) is not None}


def _count(value: Any) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value <= _MOST_TOKENS else None
