"""How much output a question asks for, wherever its dialect says so."""

from collections.abc import Mapping
from typing import Any

_NOWHERE: Mapping[str, Any] = {}
_GEMINI = (
    ("generationConfig", "generation_config"),
    ("maxOutputTokens", "max_output_tokens"),
    ("candidateCount", "candidate_count"),
)
_ANYWHERE = ("",)
# More than any model gives; a product of two such numbers is still counted exactly everywhere.
_MOST = 10**7
# Where to look, the names of the cap, and those of the number of answers.
_PLACES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "openai": (_ANYWHERE, ("max_completion_tokens", "max_tokens"), ("n",)),
    "anthropic": (_ANYWHERE, ("max_tokens",), ()),
    "responses": (_ANYWHERE, ("max_output_tokens",), ()),
    "gemini": _GEMINI,
    "gemini-array": _GEMINI,
}


def asked_output(dialect: str, body: Mapping[str, Any]) -> tuple[int | None, int]:
    """The most tokens that one answer may have, if it is said, and how many answers there are."""
    places, caps, counts = _PLACES[dialect]
    found: list[int] = []
    answers = 1
    for place in places:
        given = body.get(place) if place else body
        if isinstance(given, dict):
            found += [value for name in caps if (value := _positive(given.get(name)))]
            answers = max([answers, *(_positive(given.get(name)) or 1 for name in counts)])
    return max(found, default=None), answers


def _positive(value: Any) -> int | None:
    right = isinstance(value, int) and value > 0 and value is not True
    return min(value, _MOST) if right else None
