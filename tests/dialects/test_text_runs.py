"""Chunks of a run are read as they would be one by one."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conversation import Event, TextPiece
from gateway.dialects.openai_chat.answer_in import StreamReader
from gateway.dialects.openai_chat.text_runs import MOST_RUNS, run_of

DELTAS = st.one_of(
    st.text(max_size=8).map(lambda text: {"content": text}),
    st.text('ab "\\\n\t\u2028é', max_size=4).map(lambda text: {"content": text}),
    st.sampled_from(
        [
            {"reasoning_content": "so"},
            {"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "t"}]},
            {"refusal": "no"},
            {"content": ["x"]},
            {"content": None},
        ]
    ),
)
CHOICES = st.tuples(DELTAS, st.sampled_from([0, 0, 0, 1]), st.sampled_from([None, None, "stop"]))


def chunk(delta: dict[str, Any], index: int = 0, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return orjson.dumps({"id": "c", "choices": [choice], **more})


def read(chunks: list[bytes]) -> list[Event]:
    reader = StreamReader()
    told = [event for data in (*chunks, b"[DONE]") for event in reader.feed(data)]
    return told + reader.finish()


@given(st.lists(CHOICES, max_size=12), st.booleans())
def test_a_run_says_what_its_chunks_say(choices: list[Any], spaced: bool) -> None:
    chunks = [chunk(*choice) for choice in choices]
    if spaced:
        chunks = [data.replace(b'"content":', b'"content": ') for data in chunks]
    # With a member that is another one each time, there are no runs.
    alone = [chunk(*choice, at=at) for at, choice in enumerate(choices)]
    assert read(chunks) == read(alone)


def texts(chunks: list[bytes]) -> list[str]:
    return [event.text for event in read(chunks) if isinstance(event, TextPiece)]


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "é",
        "\u2028",
        "\x7f",
        'q"',
        "\\",
        "\n",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)
def test_a_text_comes_whole(text: str) -> None:
    assert texts([chunk({"content": one}) for one in ("x", text, "y")]) == ["x", text, "y"]


def test_what_is_no_json_is_not_read_as_text() -> None:
    good = chunk({"content": "x"})
    for bad in (b"\x00", b"\t", b"\xff", b"\xed\xa0\x80"):
        broken = good.replace(b'"x"', b'"' + bad + b'"')
        assert texts([good, broken, good]) == ["x", "x"]


def learned(data: bytes) -> bool:
    reader = StreamReader()
    reader.feed(chunk({"role": "assistant"}))
    return run_of(data, orjson.loads(data), reader.feed(data)) is not None


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, True),
        ({"usage": None}, True),
        ({"usage": {"prompt_tokens": 1}}, False),
        ({"x_groq": {"id": "r"}}, False),
        ({"citations": ["https://example.com"]}, False),
        ({"own": {"content": "x"}}, False),
    ],
)
def test_only_a_chunk_that_says_nothing_else_begins_a_run(
    more: dict[str, Any], expected: bool
) -> None:
    assert learned(chunk({"content": "x"}, **more)) is expected


def test_a_key_that_ends_like_the_contents_is_not_taken_for_it() -> None:
    data = b'{"choices":[{"delta":{"content" :"x"},"a\\"content":"x"}]}'
    assert not learned(data)


def test_chunks_that_are_never_alike_are_not_tried_for_ever() -> None:
    reader = StreamReader()
    for at in range(MOST_RUNS):
        assert reader.feed(chunk({"content": "x"}, at=at))
    assert reader.feed(chunk({"content": "x"}))
    assert reader._run is None


def test_a_run_goes_on_behind_what_has_to_be_parsed() -> None:
    reader = StreamReader()
    for text in ["x", "y", "\n"] * MOST_RUNS + ["x"]:
        assert reader.feed(chunk({"content": text}))
    assert reader._run is not None
