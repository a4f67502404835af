"""The result of a call to an MCP server, as a model is told it."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.conversation import Image
from gateway.tools.result import Outcome, is_base64


def outcome_of(result: Mapping[str, Any]) -> Outcome:
    if result.get("resultType") == "input_required":
        return Outcome("The tool asks for a person's input, which the gateway cannot give.", True)
    content = result.get("content")
    blocks = [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    images = tuple(image for block in blocks if (image := _image(block)))
    texts = [text for block in blocks if (text := _text(block)) is not None]
    if not blocks and "structuredContent" in result:
        texts = [json.dumps(result["structuredContent"], ensure_ascii=False)]
    return Outcome("\n".join(texts), result.get("isError") is True, images)


def _image(block: Mapping[str, Any]) -> Image | None:
    data, kind = block.get("data"), block.get("mimeType")
    if block.get("type") != "image" or not isinstance(data, str) or not is_base64(data):
        return None
    return Image(data, kind) if isinstance(kind, str) else None


def _text(block: Mapping[str, Any]) -> str | None:
    """None for an image, which is no text."""
    kind, resource = block.get("type"), block.get("resource")
    if kind == "text":
        return str(block.get("text", ""))
    if kind == "resource" and isinstance(resource, dict):
        if isinstance(resource.get("text"), str):
            return str(resource["text"])
        return f"[a file that is no text: {resource.get('uri')}]"
    if kind == "resource_link":
        told = [str(block[name]) for name in ("name", "description", "uri") if block.get(name)]
        return ": ".join(told)
    if _image(block):
        return None
    return f"[{str(kind)[:40]} that the gateway cannot hand on]"
