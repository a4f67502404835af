"""What is kept of bodies: no credential ever, and where they are redacted no text of people."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies import FREE, WORDS, Keeper, kept

SECRET = "sk-proj-1234567890abcdef"
PERSONAL = "my name is Zoë Smith"

MESSAGES = [
    {"role": "system", "content": PERSONAL},
    {"role": "user", "name": "Zoe", "content": [{"type": "text", "text": PERSONAL}]},
    {
        "role": "assistant",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "find", "arguments": PERSONAL}}
        ],
    },
    {"role": "user", "content": [{"type": "tool_use", "name": "find", "input": {"Zoe": 5}}]},
]


def redacted(value: Any) -> Any:
    return json.loads(kept(json.dumps(value).encode(), "redacted", 100_000))


def test_full_keeps_the_text_without_credentials() -> None:
    raw = json.dumps({"content": f"{PERSONAL}, my key is {SECRET}"}, ensure_ascii=False)
    found = kept(raw.encode(), "full", 100_000)
    assert PERSONAL in found and SECRET not in found


def test_redacted_keeps_the_structure_and_no_text() -> None:
    found = redacted({"model": "gpt-5", "messages": MESSAGES, "temperature": 0.5, "user": "Zoe"})
    length = f"[{len(PERSONAL)} characters]"
    assert found == {
        "model": "gpt-5",
        "temperature": 0.5,
        "user": "[3 characters]",
        "messages": [
            {"role": "system", "content": length},
            {
                "role": "user",
                "name": "[3 characters]",
                "content": [{"type": "text", "text": length}],
            },
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "find", "arguments": "[22 characters]"},
                    }
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_use", "name": "find", "input": "[9 characters]"}],
            },
        ],
    }


def test_a_redacted_stream_keeps_its_events() -> None:
    event = json.dumps({"type": "delta", "text": PERSONAL})
    stream = f": {PERSONAL}\nevent: delta\ndata: {event}\n\ndata: [DONE]\n\ndata: {{cut"
    assert kept(stream.encode(), "redacted", 100_000).splitlines() == [
        f"[{len(PERSONAL) + 2} characters]",
        "event: delta",
        f'data: {{"type":"delta","text":"[{len(PERSONAL)} characters]"}}',
        "",
        "data: [DONE]",
        "",
        "data: [4 characters]",
    ]


def test_what_is_no_json_is_kept_by_its_length() -> None:
    assert kept(PERSONAL.encode(), "redacted", 100) == f"[{len(PERSONAL)} characters]"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(PERSONAL),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(WORDS | FREE)), inner),
)


@given(values)
def test_no_text_of_people_passes(value: Any) -> None:
    raw = json.dumps(value).encode()
    for text in (raw, b"data: " + raw + b"\n\n", raw[: len(raw) // 2], raw + b"x"):
        assert "Smith" not in kept(text, "redacted", 100_000)


@pytest.mark.parametrize("how", ["full", "redacted"])
def test_no_more_is_kept_than_is_allowed(how: str) -> None:
    assert len(kept(b'["' + b"word " * 1000 + b'"]', how, 100)) <= 100
    assert "\0" not in kept(b"a\0b", how, 100)


def test_a_keeper_passes_everything_on_and_closes_what_it_hears() -> None:
    closed: list[bool] = []

    def blocks() -> Iterator[bytes]:
        try:
            yield from (b"one ", b"", b"two ", b"three")
        finally:
            closed.append(True)

    keeper = Keeper(6)
    hearing = keeper.over(blocks())
    assert [next(hearing), next(hearing), next(hearing)] == [b"one ", b"", b"two "]
    hearing.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert keeper.kept("full") == "one tw"
    assert Keeper(6).kept("full") is None
