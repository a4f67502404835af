"""Content that is a list of chunks (Mistral's), as OpenAI's clients read it: text and thoughts.

Only the message or delta that holds such a list is written anew; all else stays as it came.
"""

from typing import Any

import orjson

from gateway.dialects.openai import StreamMeter
from gateway.dialects.openai_chat.thoughts import read_chunk
from gateway.dialects.splice import Edits, elements, joined, value_of
from gateway.sse import data_of, events

_LISTS = (b'"content":[', b'"content": [')


def _has_lists(text: bytes) -> bool:
    """A glance, without parsing: most events hold a text."""
    return _LISTS[0] in text or _LISTS[1] in text


def plain_answer(text: bytes, body: Any) -> bytes:
    """A whole answer, or one chunk of a stream, with texts where lists were; `body`: parsed."""
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list):
        return text
    listed = value_of(text, "choices") or b"[]"
    parts, changed = [], False
    for choice, (start, end) in zip(choices, elements(listed, 0), strict=True):
        part = listed[start:end]
        plain = _plain_choice(choice, part) if isinstance(choice, dict) else part
        changed = changed or plain is not part
        parts.append(plain)
    return Edits({"choices": joined(parts)}).apply(text) if changed else text


def plain_events(block: bytes) -> bytes:
    """Whole events of a stream, each with texts where lists were."""
    if not _has_lists(block):
        return block
    return b"".join(_plain_event(event) for event in events(block))


def _plain_event(event: bytes) -> bytes:
    data = data_of(event)
    if not _has_lists(data):
        return event
    try:
        plain = plain_answer(data, orjson.loads(data))
    except orjson.JSONDecodeError:
        return event
    return event if plain is data else b"data: " + plain.replace(b"\n", b"\ndata: ") + b"\n\n"


def _plain_choice(choice: dict[str, Any], text: bytes) -> bytes:
    for name in ("message", "delta"):
        said = choice.get(name)
        if isinstance(said, dict) and isinstance(said.get("content"), list):
            plain = Edits(_members(said)).apply(value_of(text, name) or b"{}")
            text = Edits({name: plain}).apply(text)
    return text


def _members(said: dict[str, Any]) -> dict[str, bytes]:
    """The text, the thoughts, and under `content_parts` whatever is neither, as it came."""
    texts, thoughts, others = [], [], []
    for part in said["content"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, str):
            texts.append(part)
        elif kind == "thinking":
            thoughts.append(read_chunk(part))
        elif kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            others.append(part)
    members: dict[str, Any] = {"content": "".join(texts)}
    if thoughts:
        members["reasoning_content"] = "".join(thoughts)
    if others:
        members["content_parts"] = others
    return {name: orjson.dumps(value) for name, value in members.items()}


class PlainMeter(StreamMeter):
    """The relay's meter, for a vendor that may send such lists."""

    def _read(self, block: bytes) -> bytes:
        return plain_events(super()._read(block))
