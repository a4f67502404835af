"""Single parts as Gemini words them, in questions and in answers."""

from typing import Any

import orjson

from gateway.conversation import Audio, Document, Image
from gateway.dialects.gemini.media import audio_type, type_of
from gateway.dialects.gemini.native import REMARKS, own

JsonObject = dict[str, Any]


def text_part(
    text: str, signature: str | None = None, native: dict[str, Any] | None = None
) -> JsonObject:
    """Where Gemini alone has words for it, these are the part."""
    part = dict(own(native))
    if not part or part.keys() <= REMARKS:
        part["text"] = text
    return _signed(part, signature)


def thought_part(text: str, signature: str | None = None) -> JsonObject:
    return _signed({"text": text, "thought": True}, signature)


def call_part(id: str | None, name: str, arguments: str, signature: str | None) -> JsonObject:
    call: JsonObject = {"id": id} if id else {}
    call |= {"name": name, "args": arguments_of(arguments)}
    return _signed({"functionCall": call}, signature)


def arguments_of(text: str) -> JsonObject:
    """Arguments as an object. What a model wrote instead is not lost: it becomes a member."""
    if not text.strip():
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}


def media_part(part: Image | Audio | Document) -> JsonObject:
    """Media in the request itself, or elsewhere. A document may also be plain text."""
    if isinstance(part, Audio):
        return {"inlineData": {"mimeType": audio_type(part.format), "data": part.data}}
    written = _blob(part)
    written |= own(part.native)
    return _signed(written, part.signature if isinstance(part, Image) else None)


def _blob(part: Image | Document) -> JsonObject:
    if part.data is not None:
        kind = part.media_type or type_of(_name(part))
        return {"inlineData": {"mimeType": kind or "application/octet-stream", "data": part.data}}
    if part.url is not None:
        kind = part.media_type or type_of(part.url)
        return {"fileData": ({"mimeType": kind} if kind else {}) | {"fileUri": part.url}}
    return {"text": (part.text or "") if isinstance(part, Document) else ""}


def _name(part: Image | Document) -> str:
    return (part.name or "") if isinstance(part, Document) else ""


def _signed(part: JsonObject, signature: str | None) -> JsonObject:
    if signature:
        part["thoughtSignature"] = signature
    return part
