"""Reads the parts of a message's content."""

from collections.abc import Callable
from typing import Any

from gateway.conversation import Audio, Document, Image, Part, Refusal, Text, Thinking
from gateway.dialects.openai_chat import media
from gateway.dialects.openai_chat.shape import (
    a_name,
    a_text,
    an_object,
    text_or_none,
    unsupported,
    wrong,
)
from gateway.dialects.openai_chat.thoughts import read_chunk

_ADDRESSES = ("http://", "https://")


def read_content(content: Any, path: str, kinds: frozenset[str]) -> list[Part]:
    """The parts of a content that is a text, or an array of parts of these `kinds`."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise wrong(path, "a string or an array of parts")
    return [_read_part(part, f"{path}[{at}]", kinds) for at, part in enumerate(content)]


def cache_mark(holder: dict[str, Any]) -> dict[str, Any] | None:
    """Anthropic's own mark, which some vendors take, or OpenAI's, said in Anthropic's words."""
    mark = holder.get("cache_control")
    if isinstance(mark, dict):
        return mark
    if isinstance(holder.get("prompt_cache_breakpoint"), dict):
        return {"type": "ephemeral"}
    return None


def _read_part(part: Any, path: str, kinds: frozenset[str]) -> Part:
    an_object(part, path)
    kind = part.get("type", "text")
    if not isinstance(kind, str) or kind not in kinds:
        raise wrong(f"{path}.type", f"one of {', '.join(sorted(kinds))}")
    return _READERS[kind](part, path)


def _text(part: dict[str, Any], path: str) -> Part:
    return Text(a_text(part.get("text"), f"{path}.text"), cache_mark(part))


def _refusal(part: dict[str, Any], path: str) -> Part:
    return Refusal(a_text(part.get("refusal"), f"{path}.refusal"))


def _thinking(part: dict[str, Any], path: str) -> Part:
    """Mistral's chunk; or a block of Anthropic's, which is a text with a signature."""
    signature = text_or_none(part.get("signature"), f"{path}.signature")
    own = isinstance(part.get("thinking"), str)
    return Thinking(read_chunk(part), signature if own else None)


def _image(part: dict[str, Any], path: str) -> Part:
    url, at, image = _address(part, path, "image_url")
    detail = text_or_none(image.get("detail"), f"{path}.image_url.detail")
    if not media.is_data_uri(url):
        return Image(url=url, detail=detail, cache=cache_mark(part))
    media_type, data = media.parse_data_uri(url, at)
    if media_type is None:
        raise wrong(at, "a data URI that names its media type")
    return Image(data, media_type, detail=detail, cache=cache_mark(part))


def _audio(part: dict[str, Any], path: str) -> Part:
    """OpenAI's object with data and format; Mistral's is the data itself."""
    given, at = part.get("input_audio"), f"{path}.input_audio"
    if isinstance(given, str):
        return _audio_of(given, None, at)
    audio = an_object(given, at)
    audio_format = text_or_none(audio.get("format"), f"{at}.format")
    return _audio_of(a_text(audio.get("data"), f"{at}.data"), audio_format, f"{at}.data")


def _audio_of(given: str, audio_format: str | None, path: str) -> Audio:
    if given.startswith(_ADDRESSES):
        raise unsupported(path, "Audio has to be sent as data, not as an address")
    if media.is_data_uri(given):
        media_type, data = media.parse_data_uri(given, path)
    else:
        data = media.clean_base64(given, path)
        media_type = media.media_type_of(data)
    return Audio(data, audio_format or ("wav" if media_type == "audio/wav" else "mp3"))


def _file(part: dict[str, Any], path: str) -> Part:
    path = f"{path}.file"
    file = an_object(part.get("file"), path)
    name = text_or_none(file.get("filename"), f"{path}.filename")
    cache = cache_mark(part)
    if file.get("file_data") is None:
        file_id = a_name(file.get("file_id"), f"{path}.file_id")
        return Document(file_id=file_id, name=name, cache=cache)
    given = a_name(file["file_data"], f"{path}.file_data")
    return _document(given, f"{path}.file_data", name, cache)


def _media_file(kind: str, default: str | None = None) -> Callable[[dict[str, Any], str], Part]:
    """A reader of parts that hold an address or a data URI under their own `kind`."""

    def read(part: dict[str, Any], path: str) -> Part:
        url, at, _ = _address(part, path, kind)
        name = text_or_none(part.get("document_name"), f"{path}.document_name")
        found = _document(url, at, name, cache_mark(part))
        found.media_type = found.media_type or default
        return found

    return read


def _document(given: str, path: str, name: str | None, cache: dict[str, Any] | None) -> Document:
    if media.is_data_uri(given):
        media_type, data = media.parse_data_uri(given, path)
        return Document(data, media_type=media_type, name=name, cache=cache)
    guessed = media.media_type_of_name(name or given)
    if given.startswith(_ADDRESSES):
        return Document(url=given, media_type=guessed, name=name, cache=cache)
    data = media.clean_base64(given, path)
    return Document(data, media_type=media.media_type_of(data) or guessed, name=name, cache=cache)


def _address(part: dict[str, Any], path: str, kind: str) -> tuple[str, str, dict[str, Any]]:
    """The address in `kind`, its path, and the object around it: some vendors do without one."""
    path = f"{path}.{kind}"
    given = part.get(kind)
    if isinstance(given, str):
        return a_name(given, path), path, {}
    around = an_object(given, path)
    return a_name(around.get("url"), f"{path}.url"), f"{path}.url", around


_READERS: dict[str, Callable[[dict[str, Any], str], Part]] = {
    "text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "document_url": _media_file("document_url", "application/pdf"),
    "video_url": _media_file("video_url", "video/mp4"),
    "audio_url": _media_file("audio_url", "audio/mpeg"),
}

SYSTEM_KINDS = frozenset({"text"})
ASSISTANT_KINDS = frozenset({"text", "refusal", "thinking"})
RESULT_KINDS = frozenset({"text", "image_url", "file"})
USER_KINDS = frozenset(_READERS) - {"refusal", "thinking"}
