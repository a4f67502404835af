"""The gateway's own words for what is asked and what is learned while it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["chat", "count", "embed"]
Need = Literal["tools", "images", "json_schema"]


@dataclass(slots=True)
class ChatRequest:
    """A question as it came, and what the gateway must know of it.

    `raw` is the body's text, `body` the same parsed. `model` is None where the question names none.
    `kind`: an answer is wanted, or the question's tokens counted, or its texts embedded. `dialect`
    is the door's; `forwarded` are the caller's headers that a vendor of it may see. `earlier`: the
    items of the conversation that it goes on with, where the gateway keeps them. `wrapped` names
    the custom tools that are said as functions here; `one_call`: of several calls at once only the
    first is wanted.
    """

    raw: bytes
    body: dict[str, Any]
    model: str | None
    stream: bool
    include_usage: bool
    kind: Kind = "chat"
    dialect: str = "openai"
    forwarded: Mapping[str, str] = field(default_factory=dict)
    earlier: list[dict[str, Any]] | None = None
    wrapped: frozenset[str] = frozenset()
    one_call: bool = False

    @property
    def tier(self) -> str | None:
        """The tier of service that is asked for: each may have a price of its own."""
        found = (self.body.get(name) for name in ("service_tier", "serviceTier", "speed"))
        named = next((tier for tier in found if isinstance(tier, str)), None)
        return named and named.lower().removeprefix("service_tier_")


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as upstream reported them; None where it said nothing.

    `input_tokens` includes what was cached or heard, `output_tokens` what was reasoned or spoken.
    From `cache_write_1h_tokens` on, the counts have no column: only the price looks at them.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cache_write_1h_tokens: int = 0
    cached_audio_tokens: int = 0
    output_image_tokens: int = 0
    web_searches: int = 0

    def classes(self) -> dict[str, int]:
        """The tokens by what they cost: disjoint, and only those that there are."""
        cached, written = self.cached_tokens or 0, self.cache_write_tokens or 0
        heard = max(0, (self.input_audio_tokens or 0) - self.cached_audio_tokens)
        special = (self.reasoning_tokens or 0, self.output_audio_tokens or 0)
        counts = {
            "input": (self.input_tokens or 0) - cached - written - heard,
            "cached_input": cached - self.cached_audio_tokens,
            "cached_audio": self.cached_audio_tokens,
            "cache_write": written - self.cache_write_1h_tokens,
            "cache_write_1h": self.cache_write_1h_tokens,
            "input_audio": heard,
            "output": (self.output_tokens or 0) - sum(special) - self.output_image_tokens,
            "reasoning": special[0],
            "output_audio": special[1],
            "output_image": self.output_image_tokens,
        }
        return {name: count for name, count in counts.items() if count > 0}


@dataclass(slots=True)
class Learned:
    """What an answer tells while it passes: usage, how it finished, which tools it called.

    `delivered` counts bytes of text, for an estimate where no usage was reported. `ended` says
    that upstream finished what it had to say. `state` holds the events of which something
    may have to come back with the next question, `kept` counts those that are kept already;
    `response` is a whole answer that its door keeps.
    """

    usage: Usage | None = None
    finish_reason: str | None = None
    tool_names: list[str] = field(default_factory=list)
    delivered: int = 0
    ended: bool = False
    state: list[Any] = field(default_factory=list)
    response: dict[str, Any] | None = None
    kept: int = 0
