"""How many tokens a question comes to, reckoned where nobody has counted them.

Before it is asked it errs high: a token for every three bytes of ASCII and for every two of other
text, JSON's own signs included. Once it was asked, and no count was reported, it is what is likely:
a token for every four characters of all that the body says and names, and for each number.
Pictures, sound, films and documents are not read as text, but counted as below.
"""

import math
from collections.abc import Iterator
from typing import Any

import orjson

from gateway.chat import ChatRequest

PER_IMAGE = 2_000
PER_PAGE = 3_000
PER_MINUTE = {"audio": 2_000, "video": 20_000}
BYTES_PER_PAGE = 50_000
BYTES_PER_MINUTE = {"audio": 240_000, "wav": 1_900_000, "video": 3_750_000}
UNSEEN = 10
"""Pages or minutes of what is named by an address or an id."""

CHARS_PER_TOKEN = 4

_ASCII = bytes(range(128))
# Only a body with one of these can hold media.
_MARKS = (
    b"base64",
    b"inlineData",
    b"inline_data",
    b"fileData",
    b"file_data",
    b"file_id",
    b"input_audio",
    b"_url",
    b'"url"',
)
_DATA = ("data", "file_data")
_TYPES = ("media_type", "mime_type", "mimeType", "format")
_REFERENCES = ("url", "file_id", "fileUri", "file_uri", "file_url", "image_url")
# What tools are given and give back, and schemas, is JSON of any shape, and read as text.
_FREE = ("args", "arguments", "response", "parameters", "input_schema", "schema", "json_schema")
# No part of what a model reads.
_ASIDE = ("model", "stream", "stream_options")
_KINDS = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "document": "document",
    "file": "document",
    "input_file": "document",
}


def text_tokens(text: bytes) -> int:
    """The tokens of a text, as many as it may come to."""
    if text.isascii():
        return -(-len(text) // 3)
    other = len(text.translate(None, _ASCII))
    return -(-(len(text) - other) // 3) + -(-other // 2)


def question_tokens(request: ChatRequest) -> int:
    """The tokens of a question, those of the conversation that it goes on with included."""
    tokens = input_tokens(request.raw, request.body)
    if request.earlier is not None:
        tokens += input_tokens(orjson.dumps(request.earlier), request.earlier)
    return tokens


def input_tokens(raw: bytes, body: Any) -> int:
    """The tokens of a question: its text `raw`, and the same parsed."""
    if _is_plain(body) or not _may_hold_media(raw):
        return text_tokens(raw)
    data, tokens = _media_in(body)
    if not data:
        return text_tokens(raw) + tokens
    # Data is ASCII.
    return max(0, text_tokens(raw) - data // 3) + tokens


def likely_tokens(sent: bytes) -> int:
    """The tokens of a question as it was sent, as many as are likely."""
    found = orjson.loads(sent)
    body = {name: value for name, value in found.items() if name not in _ASIDE}
    data, tokens = _media_in(body)
    return math.ceil(max(0, _text_size(body) - data) / CHARS_PER_TOKEN) + tokens


def _text_size(body: Any) -> int:
    """Characters of all texts and names in a JSON value; a number is a token."""
    size, waiting = 0, [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            size += sum(map(len, value))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            size += CHARS_PER_TOKEN
    return size


def _is_plain(body: Any) -> bool:
    """Whether all its messages are mere text, as most are: seen at once, however long they are."""
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list):
        return False
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content", ""), str | None):
            return False
    return True


def _may_hold_media(raw: bytes) -> bool:
    for mark in _MARKS:  # a loop, since `any` would cost twice as much
        if mark in raw:
            return True
    return False


def _media_in(body: Any) -> tuple[int, int]:
    """All media of a question: the size of their data within the text, and their tokens."""
    data, tokens = 0, 0
    for size, count in _media(body):
        data += size
        tokens += count
    return data, tokens


def _media(body: Any) -> Iterator[tuple[int, int]]:
    """Each piece of media: the size of its data within the text, and its tokens."""
    waiting = [(body, "")]
    while waiting:
        value, kind = waiting.pop()
        if isinstance(value, list):
            waiting += [(item, kind) for item in value]
        elif isinstance(value, dict):
            kind = _KINDS.get(str(value.get("type")), kind)
            found = _piece(value, kind)
            if found is not None:
                yield found
            waiting += [(item, kind) for name, item in value.items() if _may_hold(name, item)]


def _may_hold(name: str, value: Any) -> bool:
    """Whether there may be media in a member of a question."""
    if isinstance(value, list):
        return name not in _FREE
    # Anthropic's calls have an input that is an object, Responses' conversation is a list.
    return isinstance(value, dict) and name not in _FREE and name != "input"


def _piece(part: dict[str, Any], kind: str) -> tuple[int, int] | None:
    """What an object itself holds or names of media; None if it holds none."""
    mime = next((str(part[name]) for name in _TYPES if name in part), "")
    for name in (*_DATA, *_REFERENCES):
        value = part.get(name)
        if not isinstance(value, str):
            continue
        if value.startswith("data:"):
            return len(value), _tokens(value[5:100].partition(";")[0] or mime, kind, len(value))
        if name in _DATA and (mime or name == "file_data") and part.get("type") != "text":
            return len(value), _tokens(mime, kind, len(value))
        if name in _REFERENCES and (kind or mime):
            return 0, _tokens(mime, kind, None)
    return None


def _tokens(mime: str, kind: str, size: int | None) -> int:
    """`size`: of the data in base64; None where only an address or an id is given."""
    family = mime.partition("/")[0]
    if family == "image" or (kind == "image" and family not in PER_MINUTE):
        return PER_IMAGE
    if family == "text":
        return PER_PAGE * UNSEEN if size is None else math.ceil(size * 3 / 4 / 2)
    if mime and "/" not in mime:  # `input_audio` says `wav` or `mp3`
        family = "audio"
    if family in PER_MINUTE:
        pace = "wav" if mime.endswith(("wav", "pcm", "pcm16")) else family
        return PER_MINUTE[family] * _parts(size, BYTES_PER_MINUTE[pace])
    return PER_PAGE * _parts(size, BYTES_PER_PAGE)


def _parts(size: int | None, each: int) -> int:
    return UNSEEN if size is None else math.ceil(size * 3 / 4 / each)
