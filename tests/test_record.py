"""What a question comes to where nobody counts it."""

from typing import Any

import pytest

from gateway.record import text_size

SAID = "twelve chars"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 500}}
QUESTIONS: dict[str, tuple[Any, int]] = {
    "OpenAI": ({"model": "m", "messages": [{"role": "user", "content": SAID}]}, 12),
    "OpenAI, parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": SAID}, IMAGE]}]},
        12,
    ),
    "Anthropic": ({"system": SAID, "messages": [{"role": "user", "content": SAID}]}, 24),
    "Gemini": (
        {
            "systemInstruction": {"parts": [{"text": SAID}]},
            "contents": [
                {"parts": [{"text": SAID}, {"inlineData": {"data": "A" * 500}}]},
            ],
        },
        24,
    ),
    "Responses": (
        {"instructions": SAID, "input": [{"content": [{"type": "input_text", "text": SAID}]}]},
        24,
    ),
    "Responses, text": ({"input": SAID, "text": {"format": {"type": "text"}}}, 12),
    "embeddings": ({"input": [SAID, SAID]}, 24),
    "embeddings of tokens": ({"input": [[1, 2, 3]]}, 0),
    "nothing": ({"messages": None}, 0),
}


@pytest.mark.parametrize(("asked", "size"), QUESTIONS.values(), ids=QUESTIONS)
def test_the_text_of_a_question_is_measured_in_every_dialect(asked: Any, size: int) -> None:
    assert text_size(asked) == size


def test_a_question_may_be_as_deep_as_it_likes() -> None:
    deep: Any = SAID
    for _ in range(1_000):
        deep = [deep]
    assert text_size({"messages": deep}) == 0
