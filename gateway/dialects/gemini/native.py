"""What Gemini alone says: code that it ran, its own tools' calls, images that it made."""

from typing import Any

from gateway.conversation import Image, TextPiece

NAME = "gemini"
# Members that are what a part consists of; a part has one of them.
DATA = frozenset({"executableCode", "codeExecutionResult", "toolCall", "toolResponse"})
# Members that say something of a part which consists of something else.
REMARKS = frozenset({"videoMetadata", "mediaResolution", "partMetadata"})


def kept(members: dict[str, Any]) -> dict[str, Any] | None:
    """As the canonical words keep what one dialect alone says."""
    return {NAME: members} if members else None


def own(native: dict[str, Any] | None) -> dict[str, Any]:
    """What Gemini said; empty if another dialect, or nobody, said something."""
    members = native.get(NAME) if native else None
    return members if isinstance(members, dict) else {}


def image_of(members: dict[str, Any]) -> Image | None:
    """An image that a model made, if that is what a part is."""
    inline = members.get("inlineData")
    blob = inline if isinstance(inline, dict) else {}
    kind, data = blob.get("mimeType"), blob.get("data")
    if not isinstance(kind, str) or not isinstance(data, str) or not kind.startswith("image/"):
        return None
    return Image(data, kind)


def native_of(event: TextPiece) -> dict[str, Any] | None:
    """What a piece says that is no text; an image of another vendor in Gemini's words."""
    image = event.image
    if image is None or own(event.native):
        return event.native
    if image.data is None:
        return kept({"fileData": {"fileUri": image.url}})
    return kept({"inlineData": {"mimeType": image.media_type, "data": image.data}})


def shown(members: dict[str, Any]) -> str:
    """What others may show of such a part: code and its output, and nothing of the rest."""
    code = members.get("executableCode")
    if isinstance(code, dict) and isinstance(code.get("code"), str):
        language = code.get("language")
        return _fenced(code["code"], language.lower() if isinstance(language, str) else "")
    result = members.get("codeExecutionResult")
    if isinstance(result, dict) and isinstance(result.get("output"), str):
        return _fenced(result["output"], "")
    return ""


def _fenced(text: str, language: str) -> str:
    return f"\n```{language}\n{text.rstrip()}\n```\n"
