"""Reads the parts of an item's content."""

from collections.abc import Callable
from typing import Any

from gateway.conversation import Audio, Document, Image, Part, Refusal, Text
from gateway.dialects.openai_chat import media
from gateway.dialects.openai_chat.parts_in import cache_mark
from gateway.dialects.openai_chat.shape import a_name, a_text, an_object, text_or_none, wrong

_ADDRESSES = ("http://", "https://")


def read_content(content: Any, path: str, kinds: frozenset[str]) -> list[Part]:
    """The parts of a content that is a text, or an array of parts of these `kinds`."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise wrong(path, "a string or an array of parts")
    return [_part(part, f"{path}[{at}]", kinds) for at, part in enumerate(content)]


def read_image(address: Any, path: str, detail: str | None = None) -> Image:
    """An image by its address, which may be a data URI."""
    url = a_name(address, path)
    if not media.is_data_uri(url):
        return Image(url=url, detail=detail)
    media_type, data = media.parse_data_uri(url, path)
    if media_type is None:
        raise wrong(path, "a data URI that names its media type")
    return Image(data, media_type, detail=detail)


def _part(part: Any, path: str, kinds: frozenset[str]) -> Part:
    an_object(part, path)
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise wrong(f"{path}.type", f"one of {', '.join(sorted(kinds))}")
    return _READERS[kind](part, path)


def _text(part: dict[str, Any], path: str) -> Part:
    return Text(a_text(part.get("text"), f"{path}.text"), cache_mark(part))


def _refusal(part: dict[str, Any], path: str) -> Part:
    return Refusal(a_text(part.get("refusal"), f"{path}.refusal"))


def _image(part: dict[str, Any], path: str) -> Part:
    if part.get("image_url") is None:
        file_id = a_name(part.get("file_id"), f"{path}.file_id")
        return Document(file_id=file_id, cache=cache_mark(part))
    detail = text_or_none(part.get("detail"), f"{path}.detail")
    image = read_image(part["image_url"], f"{path}.image_url", detail)
    image.cache = cache_mark(part)
    return image


def _file(part: dict[str, Any], path: str) -> Part:
    name = text_or_none(part.get("filename"), f"{path}.filename")
    cache = cache_mark(part)
    if part.get("file_data") is not None:
        return _document(part["file_data"], f"{path}.file_data", name, cache)
    if part.get("file_url") is not None:
        return _document(part["file_url"], f"{path}.file_url", name, cache)
    file_id = a_name(part.get("file_id"), f"{path}.file_id")
    return Document(file_id=file_id, name=name, cache=cache)


def _document(given: Any, path: str, name: str | None, cache: dict[str, Any] | None) -> Document:
    said = a_name(given, path)
    if media.is_data_uri(said):
        media_type, data = media.parse_data_uri(said, path)
        return Document(data, media_type=media_type, name=name, cache=cache)
    guessed = media.media_type_of_name(name or said)
    if said.startswith(_ADDRESSES):
        return Document(url=said, media_type=guessed, name=name, cache=cache)
    data = media.clean_base64(said, path)
    return Document(data, media_type=media.media_type_of(data) or guessed, name=name, cache=cache)


def _audio(part: dict[str, Any], path: str) -> Part:
    path = f"{path}.input_audio"
    audio = an_object(part.get("input_audio"), path)
    data = media.clean_base64(a_name(audio.get("data"), f"{path}.data"), f"{path}.data")
    return Audio(data, a_name(audio.get("format"), f"{path}.format"))


_READERS: dict[str, Callable[[dict[str, Any], str], Part]] = {
    "input_text": _text,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
    "output_text": _text,
    "refusal": _refusal,
}

SYSTEM_KINDS = frozenset({"input_text"})
ASSISTANT_KINDS = frozenset({"output_text", "refusal"})
RESULT_KINDS = frozenset({"input_text", "input_image", "input_file"})
USER_KINDS = RESULT_KINDS | {"input_audio"}
