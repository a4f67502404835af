"""Anthropic's own fields when the output is capped: thinking has to find room below the cap."""

from typing import Any

import orjson
import pytest

from gateway.dialects.anthropic import read_request
from gateway.providers.anthropic import ANTHROPIC

ON = {"type": "enabled", "display": "summarized"}


def capped(cap: int, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = {"model": "claude-x", "messages": [{"role": "user", "content": "Hello"}], **fields}
    question = ANTHROPIC.write(read_request(orjson.dumps(body), {}), "claude-x", None, cap)
    return orjson.loads(question.body), question.dropped


@pytest.mark.parametrize(
    ("cap", "asked", "budget", "arrives"),
    [
        (4096, 20_000, 16_000, 2048),
        (4096, 20_000, 4096, 2048),
        (4096, 20_000, 4095, 4095),
        (1100, 20_000, 16_000, 1024),
        (4096, 4096, 4000, 4000),
        (4096, 9000, 16_000, 16_000),
    ],
)
def test_a_budget_stays_below_the_cap_if_it_was_below_what_was_asked(
    cap: int, asked: int, budget: int, arrives: int
) -> None:
    body, dropped = capped(cap, max_tokens=asked, thinking={**ON, "budget_tokens": budget})
    assert body["max_tokens"] == min(cap, asked)
    assert body["thinking"] == {**ON, "budget_tokens": arrives}
    assert dropped == ()


def test_a_cap_without_room_for_thinking_leaves_it_out_and_says_so() -> None:
    body, dropped = capped(1024, max_tokens=20_000, thinking={**ON, "budget_tokens": 16_000})
    assert (body["max_tokens"], "thinking" in body, dropped) == (1024, False, ("thinking",))


@pytest.mark.parametrize("thinking", [None, {"type": "adaptive"}, {"type": "disabled"}])
def test_thinking_without_a_budget_is_left_alone(thinking: Any) -> None:
    body, dropped = capped(50, max_tokens=20_000, thinking=thinking)
    assert (body["max_tokens"], body["thinking"], dropped) == (50, thinking, ())
