"""The body at the Gemini door: its shape alone, since a relayed one is the vendor's to judge."""

from typing import Any

from gateway.chat import ChatRequest, Kind
from gateway.dialects.checks import OBJECT, OBJECTS, check_fields, missing, parse_object, wrong

FIELDS = {
    "generationConfig": OBJECT,
    "generation_config": OBJECT,
    "toolConfig": OBJECT,
    "tool_config": OBJECT,
    "safetySettings": OBJECTS,
    "safety_settings": OBJECTS,
}


def read_request(raw: bytes, model: str, *, kind: Kind, stream: bool) -> ChatRequest:
    """The question in a body; model and stream come from the URL. Raises BadRequest."""
    body: dict[str, Any] = parse_object(raw)
    check_fields(body, FIELDS)
    contents = body.get("contents")
    if contents is None and kind == "count" and "generateContentRequest" in body:
        contents = []
    if contents is None:
        raise missing("contents")
    if not isinstance(contents, (dict, list, str)):
        raise wrong("contents", "an array of contents")
    for index, content in enumerate(contents if isinstance(contents, list) else ()):
        if not isinstance(content, (dict, str)):
            raise wrong(f"contents[{index}]", "an object")
    return ChatRequest(raw, body, model, stream, include_usage=True, kind=kind, dialect="gemini")
