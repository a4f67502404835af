"""Data URIs in every form that clients send."""

import base64

import pytest

from gateway.dialects.openai_chat.media import clean_base64, data_uri, parse_data_uri
from gateway.errors import BadRequest

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and more").decode()


@pytest.mark.parametrize(
    ("uri", "media_type", "data"),
    [
        ("data:image/png;base64,AAEC", "image/png", "AAEC"),
        ("DATA:IMAGE/PNG;BASE64,AAEC", "image/png", "AAEC"),
        ("data:image/png;charset=utf-8;base64,AAEC", "image/png", "AAEC"),
        ("data:image/jpg;base64,AAEC", "image/jpeg", "AAEC"),
        (f"data:;base64,{PNG}", "image/png", PNG),
        ("data:;base64,AAEC", None, "AAEC"),
        ("data:image/png;base64,AA\nEC", "image/png", "AAEC"),
        ("data:image/png;base64, AA EC\r\n", "image/png", "AAEC"),
        ("data:image/png;base64,-_-_", "image/png", "+/+/"),
        ("data:image/png;base64,%2B%2F%2B%2F", "image/png", "+/+/"),
        ("data:image/png;base64,AAECAw", "image/png", "AAECAw=="),
        ("data:text/plain,a%20b", "text/plain", base64.b64encode(b"a b").decode()),
        ("data:text/plain;charset=utf-8,ü", "text/plain", base64.b64encode("ü".encode()).decode()),
    ],
)
def test_a_data_uri_is_understood(uri: str, media_type: str | None, data: str) -> None:
    assert parse_data_uri(uri, "path") == (media_type, data)


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,@@@@",
        "data:image/png;base64,A",
        "data:image/png;base64,ÄÖÜ=",
        "data:,",
        "data:text/plain,\ud800",
    ],
)
def test_a_broken_one_is_refused_by_its_path(uri: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_data_uri(uri, "messages[0].content[1].image_url.url")
    assert refused.value.param == "messages[0].content[1].image_url.url"


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"%PDF-1.7", "application/pdf"),
        (b"ID3\x04", "audio/mpeg"),
        (b"RIFF", None),
    ],
)
def test_what_has_no_media_type_is_told_by_its_beginning(
    start: bytes, media_type: str | None
) -> None:
    uri = "data:;base64," + base64.b64encode(start).decode()
    assert parse_data_uri(uri, "path")[0] == media_type


def test_clean_base64_stays_the_very_text_it_was() -> None:
    text = base64.b64encode(bytes(range(256))).decode()
    assert clean_base64(text, "path") is text


def test_a_data_uri_is_written() -> None:
    assert data_uri("image/png", "AAEC") == "data:image/png;base64,AAEC"
