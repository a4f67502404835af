"""Media that a question names by address: where they stand in a body, and data in their place."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from gateway.chat import ChatRequest
from gateway.dialects.splice import Edits, elements, members

Path = tuple[str | int, ...]
_ADDRESSES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Media:
    """`data`: standard base64."""

    media_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Link:
    """An address, and the `path` of the value that data are to replace."""

    path: Path
    url: str
    kind: Literal["image", "file"]
    media_type: str | None = None


def links_of(request: ChatRequest) -> list[Link]:
    """The addresses in a question of OpenAI's chat completions, or of Gemini."""
    return list(_LINKS[request.dialect](request.body))


def with_media(
    request: ChatRequest, links: Sequence[Link], media: Mapping[str, Media]
) -> ChatRequest:
    """The question with data instead of addresses; all else stays as it is, byte for byte."""
    write = _WRITTEN[request.dialect]
    raw = _spliced(request.raw, links, lambda link, text: write(text, media[link.url]))
    return replace(request, raw=raw, body=orjson.loads(raw))


def place_of(body: Any, url: str) -> str | None:
    """Where a text stands in a body, as `messages[0].content[1].image_url.url`."""
    path = next(_places(body, url), None)
    return None if path is None else _named(path)


def _in_openai(body: dict[str, Any]) -> Iterator[Link]:
    for at, message in enumerate(body["messages"]):
        content = message.get("content")
        for inner, part in enumerate(content if isinstance(content, list) else ()):
            path = ("messages", at, "content", inner)
            yield from _image(part.get("image_url"), (*path, "image_url"))
            file = part.get("file")
            if isinstance(file, dict) and _is_address(file.get("file_data")):
                yield Link((*path, "file", "file_data"), file["file_data"], "file")


def _image(image: Any, path: Path) -> Iterator[Link]:
    if _is_address(image):
        yield Link(path, image, "image")
    elif isinstance(image, dict) and _is_address(image.get("url")):
        yield Link((*path, "url"), image["url"], "image")


def _in_gemini(body: dict[str, Any]) -> Iterator[Link]:
    for at, content in enumerate(body["contents"]):
        yield from _in_parts(content["parts"], ("contents", at, "parts"))


def _in_parts(parts: list[dict[str, Any]], path: Path) -> Iterator[Link]:
    for at, part in enumerate(parts):
        file, response = part.get("fileData"), part.get("functionResponse")
        if isinstance(file, dict) and _is_address(file.get("fileUri")):
            kind = file.get("mimeType")
            yield Link((*path, at), file["fileUri"], _gemini_kind(kind), kind)
        if isinstance(response, dict) and isinstance(response.get("parts"), list):
            yield from _in_parts(response["parts"], (*path, at, "functionResponse", "parts"))


def _gemini_kind(media_type: str | None) -> Literal["image", "file"]:
    return "image" if media_type is not None and media_type.startswith("image/") else "file"


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value[:8].lower().startswith(_ADDRESSES)


_LINKS = {"openai": _in_openai, "gemini": _in_gemini}


def _as_data_uri(text: bytes, media: Media) -> bytes:
    return orjson.dumps(f"data:{media.media_type};base64,{media.data}")


def _as_inline_data(text: bytes, media: Media) -> bytes:
    """What else the part says (a signature, a resolution) stays in it."""
    data = orjson.dumps({"mimeType": media.media_type, "data": media.data})
    return Edits({"inlineData": data}, drop=frozenset({"fileData"})).apply(text)


_WRITTEN = {"openai": _as_data_uri, "gemini": _as_inline_data}


def _spliced(text: bytes, links: Sequence[Link], write: Callable[[Link, bytes], bytes]) -> bytes:
    pieces: list[bytes] = []
    last = 0
    for start, end, link in sorted(
        ((*_spot(text, link.path), link) for link in links), key=lambda spot: spot[0]
    ):
        pieces += (text[last:start], write(link, text[start:end]))
        last = end
    return b"".join((*pieces, text[last:]))


def _spot(text: bytes, path: Path) -> tuple[int, int]:
    """Start and end of the value at a path; of duplicate keys, the last is what was read."""
    start, end = text.index(b"{"), len(text)
    for step in path:
        if isinstance(step, int):
            spots = elements(text, start)
            start, end = next(spot for at, spot in enumerate(spots) if at == step)
        else:
            found = [one for one in members(text, start) if one.key == step]
            start, end = found[-1].value, found[-1].end
    return start, end


def _places(body: Any, text: str) -> Iterator[Path]:
    waiting: list[tuple[Path, Any]] = [((), body)]
    while waiting:
        path, value = waiting.pop()
        inner: Iterable[tuple[str | int, Any]] = ()
        if isinstance(value, dict):
            inner = value.items()
        elif isinstance(value, list):
            inner = enumerate(value)
        elif value == text:
            yield path
        waiting += reversed([((*path, step), one) for step, one in inner])


def _named(path: Path) -> str:
    words = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(words).removeprefix(".")
