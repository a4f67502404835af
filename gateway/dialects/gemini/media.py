"""Media types: what kind of part one makes, and how formats of audio are called."""

from gateway.conversation import Audio, Document, Image

# Names of formats that are not the media type's own second half.
_FORMATS = {"mpeg": "mp3", "mpga": "mp3", "x-wav": "wav", "wave": "wav", "x-aac": "aac"}
_BY_ENDING = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp4": "video/mp4",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
}


def inline(data: str, media_type: str, name: str | None) -> Image | Audio | Document:
    """The part of media that are in the request itself; `data`: standard base64."""
    kind, _, subtype = media_type.partition("/")
    if kind == "image":
        return Image(data=data, media_type=media_type)
    if kind == "audio" and subtype:
        subtype = subtype.partition(";")[0].strip()
        return Audio(data, _FORMATS.get(subtype, subtype))
    return Document(data=data, media_type=media_type, name=name)


def linked(url: str, media_type: str | None, name: str | None) -> Image | Document:
    """The part of media that are elsewhere."""
    if media_type is not None and media_type.startswith("image/"):
        return Image(url=url, media_type=media_type)
    return Document(url=url, media_type=media_type, name=name)


def audio_type(format: str) -> str:
    return f"audio/{format}"


def type_of(url: str) -> str | None:
    """The media type that an address's ending tells of."""
    path = url.partition("?")[0].partition("#")[0].rpartition("/")[2]
    return _BY_ENDING.get(path.rpartition(".")[2].lower()) if "." in path else None
