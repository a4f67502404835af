"""Data URIs and base64, in every form in which clients send them; media types told by content."""

import base64
import binascii
import mimetypes
import re
from urllib.parse import unquote, unquote_to_bytes

from gateway import sniffing
from gateway.dialects.openai_chat.shape import wrong

_SPACE = re.compile(r"\s+")
_URL_SAFE = str.maketrans("-_", "+/")
_OTHER_NAMES = {"image/jpg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav"}


def is_data_uri(text: str) -> bool:
    return text[:5].lower() == "data:"


def parse_data_uri(uri: str, path: str) -> tuple[str | None, str]:
    """The media type, where one can be told, and standard base64.

    Takes parameters before `;base64`, a missing media type, blanks within the base64, and data
    that is percent-encoded instead.
    """
    head, comma, payload = uri[5:].partition(",")
    if not comma:
        raise wrong(path, "a data URI with a comma before its data")
    named, *parameters = (word.strip().lower() for word in head.split(";"))
    if "base64" in parameters:
        data = clean_base64(unquote(payload) if "%" in payload else payload, path)
    else:
        data = base64.b64encode(_unquoted(payload, path)).decode()
    return _OTHER_NAMES.get(named, named) or media_type_of(data), data


def data_uri(media_type: str | None, data: str) -> str:
    return f"data:{media_type or 'application/octet-stream'};base64,{data}"


def clean_base64(text: str, path: str) -> str:
    """Standard base64 with its padding: blanks taken out, the URL-safe alphabet replaced."""
    if _is_base64(text):
        return text
    cleaned = _SPACE.sub("", text).translate(_URL_SAFE).rstrip("=")
    cleaned += "=" * (-len(cleaned) % 4)
    if not _is_base64(cleaned):
        raise wrong(path, "base64")
    return cleaned


def media_type_of(data: str) -> str | None:
    """What the first bytes of base64 data say it is."""
    return sniffing.media_type_of(base64.b64decode(data[:24]))


def media_type_of_name(name: str | None) -> str | None:
    """What a file's name, or an address, says it is."""
    return mimetypes.guess_type(name)[0] if name else None


def file_name(media_type: str | None) -> str:
    """A name for a file that has none."""
    return "document" + ((media_type and mimetypes.guess_extension(media_type)) or "")


def _unquoted(payload: str, path: str) -> bytes:
    try:
        found = unquote_to_bytes(payload)
    except UnicodeEncodeError:
        found = b""
    if not found:
        raise wrong(path, "a data URI with data")
    return found


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
