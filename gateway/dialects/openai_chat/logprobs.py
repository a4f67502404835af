"""The log probabilities of an answer's tokens, as strictly as the openai package's types ask."""

from typing import Any

from gateway.dialects.openai_chat.thoughts import objects

# OpenAI says -9999 for what is all but impossible.
_LEAST_LIKELY = 1_000_000

Logprobs = dict[str, list[dict[str, Any]]]


def read_logprobs(found: Any, so_far: Logprobs) -> None:
    """Adds what one chunk, or a whole choice, tells; entries that are malformed are left out."""
    if not isinstance(found, dict):
        return
    for member in ("content", "refusal"):
        for each in objects(found.get(member)):
            entry = _entry(each)
            if entry is not None:
                entry["top_logprobs"] = list(filter(None, map(_entry, _alternatives(each))))
                so_far.setdefault(member, []).append(entry)


def write_logprobs(told: Any) -> dict[str, Any] | None:
    if not isinstance(told, dict) or not told:
        return None
    return {"content": told.get("content"), "refusal": told.get("refusal")}


def _alternatives(each: dict[str, Any]) -> list[dict[str, Any]]:
    return objects(each.get("top_logprobs"))


def _entry(each: dict[str, Any]) -> dict[str, Any] | None:
    token, logprob, data = each.get("token"), each.get("logprob"), each.get("bytes")
    if not isinstance(token, str) or not isinstance(logprob, int | float):
        return None
    if not -_LEAST_LIKELY < logprob < _LEAST_LIKELY:
        return None
    if not isinstance(data, list) or not all(type(byte) is int for byte in data):
        data = None
    return {"token": token, "logprob": float(logprob), "bytes": data}
