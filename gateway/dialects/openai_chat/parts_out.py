"""Writes the parts of a message's content."""

from collections.abc import Sequence
from typing import Any

from gateway.conversation import Audio, Document, Image, Refusal, Text, Thinking
from gateway.dialects.openai_chat import media
from gateway.dialects.openai_chat.accepts import Accepts
from gateway.dialects.openai_chat.shape import unsupported

Spoken = Text | Image | Audio | Document | Refusal | Thinking


def write_content(parts: Sequence[Spoken], accepts: Accepts) -> str | list[dict[str, Any]]:
    """A text where one suffices; else an array of parts. Empty texts are left out."""
    written = [write_part(part, accepts) for part in parts if not _is_empty(part)]
    if not written:
        return ""
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        return str(written[0]["text"])
    if not accepts.text_parts and all(part["type"] in ("text", "refusal") for part in written):
        return "\n\n".join(str(part[part["type"]]) for part in written)
    return written


def write_part(part: Spoken, accepts: Accepts) -> dict[str, Any]:
    match part:
        case Text():
            written: dict[str, Any] = {"type": "text", "text": part.text}
        case Image():
            _check(accepts.images, "images")
            written = {"type": "image_url", "image_url": _image(part)}
        case Audio():
            _check(accepts.audio is not None, "audio")
            audio = {"data": part.data, "format": part.format}
            given = part.data if accepts.audio == "text" else audio
            return {"type": "input_audio", "input_audio": given}
        case Document():
            written = _document(part, accepts)
        case Refusal():
            if not accepts.refusals:
                return {"type": "text", "text": part.text}
            return {"type": "refusal", "refusal": part.text}
        case Thinking():
            return {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
    mark(written, part.cache, accepts)
    return written


def mark(written: dict[str, Any], cache: dict[str, Any] | None, accepts: Accepts) -> None:
    """Marks what was written for the vendor's cache, if it is to be and the vendor knows how."""
    if cache is None:
        return
    if accepts.cache_marks == "cache_control":
        written["cache_control"] = cache
    elif accepts.cache_marks == "prompt_cache_breakpoint":
        written["prompt_cache_breakpoint"] = {"mode": "explicit"}


def document_text(document: Document) -> str:
    """A plain text, under its name."""
    return f"{document.name}:\n{document.text}" if document.name else document.text or ""


def _is_empty(part: Spoken) -> bool:
    """What other dialects alone can say is an empty text, or a document of nothing."""
    if isinstance(part, Text):
        return not part.text
    if isinstance(part, Document):
        return not (part.data or part.text or part.url or part.file_id)
    return isinstance(part, Image) and not (part.data or part.url)


def _image(image: Image) -> dict[str, Any]:
    url = image.url if image.data is None else media.data_uri(image.media_type, image.data)
    return {"url": url} if image.detail is None else {"url": url, "detail": image.detail}


def _check(accepted: bool, what: str) -> None:
    if not accepted:
        raise unsupported("messages", f"This provider takes no {what}: ask another one")


def _document(document: Document, accepts: Accepts) -> dict[str, Any]:
    """As a file; what is plain text, as a text: every vendor takes that."""
    if document.data is None and document.text is not None:
        return {"type": "text", "text": document_text(document)}
    if document.data is not None:
        address = media.data_uri(document.media_type, document.data)
    elif document.url is not None:
        address = document.url
    else:
        _check(accepts.files is not None, "files")
        return {"type": "file", "file": _stored(document)}
    kind = (document.media_type or "").partition("/")[0]
    if kind in ("video", "audio"):
        _check(accepts.audio is not None, kind)
        return {"type": f"{kind}_url", f"{kind}_url": {"url": address}}
    _check(accepts.files is not None, "files")
    name = document.name or media.file_name(document.media_type)
    if accepts.files == "document_url":
        return {"type": "document_url", "document_url": address, "document_name": name}
    return {"type": "file", "file": {"filename": name, "file_data": address}}


def _stored(document: Document) -> dict[str, Any]:
    """A file that the vendor has, under an id of its own: Anthropic's look otherwise."""
    if str(document.file_id).startswith("file_"):
        raise unsupported("messages", "A file's id is its vendor's: this vendor has no such file")
    file = {"file_id": document.file_id}
    return file if document.name is None else {**file, "filename": document.name}
