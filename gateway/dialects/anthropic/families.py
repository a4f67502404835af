"""What each family of models takes: which sampling, which thinking, how much text.

A model is known by a piece of its name, so that resellers' spellings are recognised too
(`anthropic/claude-opus-4.6`, `us.anthropic.claude-sonnet-4-5-20250929-v1:0`).
"""

from dataclasses import dataclass, replace
from typing import Literal

from gateway.conversation import Effort

_SOME: tuple[Effort, ...] = ("low", "medium", "high")
_MOST: tuple[Effort, ...] = (*_SOME, "max")
_ALL: tuple[Effort, ...] = (*_SOME, "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Family:
    """`thinking`: `adaptive` (the model decides, steered by effort), `budget` (tokens), `either`,
    or `none`. `sampling`: temperature and top_p may be given `both`, `one` of them, or `none`.
    `formats`: whether an answer can be held to a schema. `always_thinks`: thinking cannot be
    switched off. `forced_tools`: whether tool_choice may be `any` or one tool. `asides`: whether
    the system may speak in mid-conversation.
    """

    max_output: int
    thinking: Literal["adaptive", "either", "budget", "none"] = "adaptive"
    sampling: Literal["both", "one", "none"] = "none"
    efforts: tuple[Effort, ...] = _ALL
    formats: bool = True
    always_thinks: bool = False
    forced_tools: bool = True
    asides: bool = True


_NEW = Family(128_000)
_OF_4_5 = Family(64_000, "budget", "one", efforts=(), asides=False)
_OF_4 = Family(64_000, "budget", "both", efforts=(), formats=False, asides=False)

# By a piece of their names; the first that fits counts, so the longer stand before the shorter.
FAMILIES: tuple[tuple[tuple[str, ...], Family], ...] = (
    (
        ("sonnet-5-5", "opus-5-5", "fable-5-1", "fable-5-2", "mythos-5-1", "mythos-5-2"),
        replace(_NEW, always_thinks=True, forced_tools=False),
    ),
    (("fable-", "mythos-"), replace(_NEW, always_thinks=True)),
    (("haiku-5", "sonnet-5", "opus-5", "opus-4-8", "opus-4-7"), _NEW),
    (
        ("opus-4-6", "sonnet-4-6"),
        replace(_NEW, thinking="either", sampling="one", efforts=_MOST, asides=False),
    ),
    (("opus-4-5",), replace(_OF_4_5, efforts=_SOME)),
    (("sonnet-4-5", "haiku-4-5"), _OF_4_5),
    (("opus-4-1",), replace(_OF_4_5, max_output=32_000)),
    (("sonnet-4", "4-sonnet", "3-7-sonnet"), _OF_4),
    (("opus-4", "4-opus"), replace(_OF_4, max_output=32_000)),
    (("3-5-sonnet", "3-5-haiku"), replace(_OF_4, max_output=8_192, thinking="none")),
    (
        ("claude-3", "claude-2", "claude-instant"),
        replace(_OF_4, max_output=4_096, thinking="none"),
    ),
    # A Claude that is not known yet is younger than these.
    (("claude-",), _NEW),
)
# Other vendors' models behind a door of this dialect.
OTHERS = _OF_4

_RANK: tuple[Effort, ...] = ("minimal", *_ALL)
_ANSWER = 8_192
_THINKING_ANSWER = 32_000


def family_of(model: str) -> Family:
    name = model.lower().replace(".", "-")
    for names, family in FAMILIES:
        if any(part in name for part in names):
            return family
    return OTHERS


def rejects_sampling(model: str) -> bool:
    """Whether temperature, top_p and top_k are refused, whatever the version asked for."""
    return family_of(model).sampling == "none"


def default_max_tokens(family: Family, budget: int = 0) -> int:
    """`max_tokens` for a question that has none, room for `budget` tokens of thinking included."""
    room = _THINKING_ANSWER if family.thinking in ("adaptive", "either") else _ANSWER
    return min(family.max_output, room + budget)


def fitting_effort(family: Family, effort: Effort) -> Effort | None:
    """The most that the family knows and that is not above `effort`; None if it knows none."""
    asked = _RANK.index(effort)
    known = [word for word in family.efforts if _RANK.index(word) <= max(asked, 1)]
    return known[-1] if known else None
