"""Addresses of media in a body: found, replaced in place, and named."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat import ChatRequest
from gateway.dialects.gemini import takes_address
from gateway.dialects.links import Media, links_of, place_of, with_media

URL = "https://example.org/cat.png"
FILES = "https://generativelanguage.googleapis.com/v1beta/files/abc"
MEDIA = Media("image/png", "AAAA")
DATA_URI = "data:image/png;base64,AAAA"


def request(raw: bytes, dialect: str = "openai") -> ChatRequest:
    return ChatRequest(raw, orjson.loads(raw), "m", False, False, dialect=dialect)


def replaced(raw: bytes, dialect: str = "openai") -> bytes:
    asked = request(raw, dialect)
    links = links_of(asked)
    done = with_media(asked, links, {link.url: MEDIA for link in links})
    assert done.body == orjson.loads(done.raw)
    return done.raw


def around(part: str) -> bytes:
    return ('{ "messages": [{"content" :[' + part + '],"role":"user"}], "x": 1e5 }').encode()


@pytest.mark.parametrize(
    "part",
    [
        '{"type":"image_url","image_url":{"url":"%s"}}',
        '{"type":"image_url", "image_url" : "%s"}',
        '{"image_url":{"url":"%s","detail":"low"},"type":"image_url","\\u00e9":12345678901234567890}',
        '{"type":"image_url","image_url":{"\\u0075rl":"%s"}}',
        '{"type":"image_url","image_url":{"url":"data:,","url":"%s"}}',
        '{"type":"text","text":"https://example.org/"}, {"type":"image_url","image_url":"%s"}',
        '{"type":"file","file":{"file_data":"%s","filename":"a"}}',
    ],
)
def test_only_the_address_is_replaced(part: str) -> None:
    assert replaced(around(part % URL)) == around(part % DATA_URI)


@pytest.mark.parametrize(
    "part",
    [
        '{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}',
        '{"type":"image_url","image_url":{"url":"gs://bucket/cat.png"}}',
        '{"type":"image_url","image_url":{"url":7}}',
        '{"type":"image_url","image_url":null}',
        '{"type":"image_url"}',
        '{"type":"file","file":{"file_id":"https://example.org/"}}',
        '{"type":"file","file":"https://example.org/"}',
    ],
)
def test_what_is_no_address_is_left_alone(part: str) -> None:
    assert links_of(request(around(part))) == []


def test_a_part_of_gemini_keeps_what_else_it_says() -> None:
    file = {"mimeType": "image/png", "fileUri": URL}
    part = {"thoughtSignature": "c2ln", "fileData": file, "mediaResolution": {"level": "LOW"}}
    answer = {"name": "f", "response": {}, "parts": [{"fileData": file}]}
    body = {"contents": [{"role": "user", "parts": [part, {"functionResponse": answer}]}]}
    first, second = json.loads(replaced(json.dumps(body).encode(), "gemini"))["contents"][0][
        "parts"
    ]
    inline = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    kept = {name: value for name, value in part.items() if name != "fileData"}
    assert first == kept | inline
    assert second["functionResponse"]["parts"] == [inline]


image_parts = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image_url", "image_url": "http://example.org/dog"},
        {"type": "image_url", "image_url": {"url": DATA_URI}},
    ]
)
text_parts = st.builds(lambda text: {"type": "text", "text": text}, st.text())
messages = st.lists(
    st.builds(
        lambda content: {"role": "user", "content": content},
        st.text() | st.lists(image_parts | text_parts, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


@given(messages, st.sampled_from([None, 1]), st.booleans())
def test_any_question_is_the_same_but_for_its_images(
    asked: list[Any], indent: int | None, ascii_only: bool
) -> None:
    def written(value: Any) -> str:
        return json.dumps({"messages": value}, indent=indent, ensure_ascii=ascii_only)

    text = written(asked)
    expected = asked
    for url in (URL, "http://example.org/dog"):
        expected = json.loads(
            json.dumps(expected)
            .replace(f'"url": "{url}"', f'"url": "{DATA_URI}"')
            .replace(f'"image_url": "{url}"', f'"image_url": "{DATA_URI}"')
        )
    assert replaced(text.encode()) == written(expected).encode()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"a": [{"b": URL}]}, "a[0].b"),
        ({"a": {"b": [[], [1, URL]]}, "c": URL}, "a.b[1][1]"),
        ({"a": "other"}, None),
        ([URL], "[0]"),
    ],
)
def test_a_place_has_a_name(body: Any, place: str | None) -> None:
    assert place_of(body, URL) == place


def test_a_place_is_found_at_any_depth() -> None:
    body: Any = URL
    for _ in range(2000):
        body = [body]
    assert place_of(body, URL) == "[0]" * 2000


@pytest.mark.parametrize(
    ("model", "url", "media_type", "takes"),
    [
        ("gemini-1.5-pro", URL, "image/png", False),
        ("gemini-2.0-flash", URL, "image/png", False),
        ("gemini-2.0-flash", URL, "application/pdf", False),
        ("gemini-2.5-pro", URL, "image/png", True),
        ("models/gemini-2.5-pro", URL, "application/pdf", True),
        ("gemini-3-flash-preview", URL, "text/plain", True),
        ("gemini-pro-latest", URL, "image/png", True),
        ("tunedModels/mine", URL, "image/png", True),
        ("gemini-2.5-pro", URL, None, False),
        ("gemini-2.5-pro", "http://example.org/cat.png", "image/png", False),
        ("gemini-2.0-flash", URL, "video/mp4", True),
        ("gemini-2.0-flash", FILES, None, True),
        ("gemini-2.0-flash", "https://www.youtube.com/watch?v=abc", None, True),
        ("gemini-2.0-flash", "https://youtube.com.example.org/", None, False),
    ],
)
def test_which_addresses_a_gemini_model_takes(
    model: str, url: str, media_type: str | None, takes: bool
) -> None:
    assert takes_address(model, url, media_type) is takes
