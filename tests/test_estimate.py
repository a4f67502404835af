"""The estimate of a question's input: it errs high, and media is not text."""

import base64
import os
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.estimate import (
    PER_IMAGE,
    PER_MINUTE,
    PER_PAGE,
    UNSEEN,
    input_tokens,
    likely_tokens,
    text_tokens,
)

DATA = base64.b64encode(os.urandom(60_000)).decode()
IMAGE = f"data:image/png;base64,{DATA}"


def estimate(part: Any) -> int:
    """The tokens of a question with this part, beside those of its text."""
    body = {"messages": [{"role": "user", "content": [part]}]}
    raw = orjson.dumps(body)
    text = raw.replace(DATA.encode(), b"")
    return input_tokens(raw, body) - text_tokens(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("é", 1), ("日本語", 5), ("abc日", 3)],
)
def test_text(text: str, tokens: int) -> None:
    assert text_tokens(text.encode()) == tokens


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_is_not_fewer_tokens(one: str, more: str) -> None:
    assert text_tokens((one + more).encode()) >= text_tokens(one.encode())


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "image_url", "image_url": {"url": IMAGE}}, PER_IMAGE),
        ({"type": "image_url", "image_url": {"url": "https://a.test/a.png"}}, PER_IMAGE),
        ({"type": "input_image", "image_url": IMAGE}, PER_IMAGE),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": DATA},
            },
            PER_IMAGE,
        ),
        ({"type": "image", "source": {"type": "url", "url": "https://a.test/a"}}, PER_IMAGE),
        ({"inlineData": {"mimeType": "image/png", "data": DATA}}, PER_IMAGE),
        ({"inline_data": {"mime_type": "image/png", "data": DATA}}, PER_IMAGE),
        ({"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}, 2_000),
        ({"inlineData": {"mimeType": "video/mp4", "data": DATA}}, PER_MINUTE["video"]),
        ({"fileData": {"mimeType": "audio/mp3", "fileUri": "https://a.test/a"}}, 20_000),
        ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}"}}, 6_000),
        ({"type": "file", "file": {"file_id": "file-1"}}, PER_PAGE * UNSEEN),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
            },
            6_000,
        ),
        ({"inlineData": {"mimeType": "text/plain", "data": DATA}}, 30_000),
    ],
)
def test_media_has_a_stated_price_in_tokens(part: Any, tokens: int) -> None:
    # The address or the head of the data may count as text, or not.
    assert tokens - 15 <= estimate(part) <= tokens + 1


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": f"What is base64? {DATA}"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": DATA}},
        {"type": "text", "text": DATA, "url": DATA},
    ],
)
def test_text_is_text_wherever_it_stands(part: Any) -> None:
    assert estimate(part) >= len(DATA) // 3


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "url", "data", "format", "file_data", "source", "x"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_it_bears_any_question(body: Any) -> None:
    assert input_tokens(orjson.dumps({"base64": body}), {"base64": body}) >= 0


SAID = "twelve chars"
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 500}"}}


@pytest.mark.parametrize(
    ("sent", "tokens"),
    [
        ({"messages": [{"role": "user", "content": SAID}]}, 9),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": SAID}]}]}, 12),
        ({"contents": [{"parts": [{"text": SAID}]}]}, 8),
        ({"input": [SAID, SAID]}, 8),
        ({"input": [[1, 2, 3]]}, 5),
        ({"tools": [{"name": SAID, "strict": True, "max": None}]}, 8),
    ],
)
def test_what_nobody_counted_is_all_that_was_said(sent: Any, tokens: int) -> None:
    assert likely_tokens(orjson.dumps(sent)) == tokens


def test_what_nobody_counted_holds_pictures_too() -> None:
    content = [{"type": "text", "text": SAID}, PICTURE]
    tokens = likely_tokens(orjson.dumps({"messages": [{"role": "user", "content": content}]}))
    assert PER_IMAGE + 12 <= tokens < PER_IMAGE + 40


@given(st.text(max_size=400))
def test_what_is_likely_is_no_more_than_what_is_reserved(text: str) -> None:
    body = {"messages": [{"role": "user", "content": text}]}
    raw = orjson.dumps(body)
    assert likely_tokens(raw) <= input_tokens(raw, body)


FREE = {"data": DATA, "format": "csv", "url": "x"}


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"content": [{"type": "tool_use", "input": FREE}]}]},
        {"contents": [{"parts": [{"functionResponse": {"response": FREE}}]}]},
        {"contents": [{"parts": [{"functionCall": {"args": FREE}}]}]},
        {"tools": [{"function": {"parameters": {"properties": FREE}}}], "base64": 1},
        {"tools": [{"input_schema": {"default": FREE}}], "base64": 1},
    ],
)
def test_json_of_any_shape_is_text(body: Any) -> None:
    assert input_tokens(orjson.dumps(body), body) >= len(DATA) // 3
