"""Messages and their parts, written as content blocks."""

import base64
import re
from collections.abc import Callable
from typing import Any

from gateway.conversation import (
    Audio,
    Document,
    Image,
    Message,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gateway.dialects.anthropic.arguments import object_of
from gateway.dialects.anthropic.facts import BEGINNINGS, SYSTEM_BLOCKS, native
from gateway.errors import BadRequest

Block = dict[str, Any]

# There must be a message, also where only the system has spoken.
_OPENING = {"role": "user", "content": "(The conversation begins here.)"}
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
_TEXT_TYPES = re.compile(r"text/|application/(json|xml|yaml|x-yaml|javascript|toml|csv)\b")


class CallIds:
    """Calls' ids as this vendor takes them: fit for its pattern, and each one once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._unanswered: dict[str, list[str]] = {}
        self._answered: dict[str, str] = {}

    def of_call(self, own: str) -> str:
        plain = call_id(own)
        written, number = plain, 1
        while written in self._taken:
            number += 1
            written = f"{plain}_{number}"
        self._taken.add(written)
        self._unanswered.setdefault(own, []).append(written)
        return written

    def of_result(self, own: str) -> str:
        waiting = self._unanswered.get(own)
        if waiting:
            self._answered[own] = waiting.pop(0)
        return self._answered.get(own) or call_id(own)


def call_id(own: str) -> str:
    """The id in the letters that Anthropic takes."""
    return _UNFIT.sub("_", own) or "call"


def write_messages(
    messages: list[Message], asides: list[tuple[int, Text]] | None = None
) -> list[dict[str, Any]]:
    """The messages; one that says nothing is left out, results of one turn go together.

    `asides`: what the system says before the message of that number.
    """
    ids = CallIds()
    written: list[dict[str, Any]] = []
    spoken = _Asides(asides or [])
    for at, message in enumerate(messages):
        written += spoken.up_to(at)
        blocks = _blocks(message, ids, f"messages[{at}]")
        if not blocks:
            continue
        role = _role(message, blocks)
        before = written[-1] if written else None
        if before and before["role"] == role == "user" and blocks[0]["type"] == "tool_result":
            before["content"] = _results_first([*before["content"], *blocks])
        else:
            written.append({"role": role, "content": blocks})
    written += spoken.up_to(len(messages))
    return written or [dict(_OPENING)]


class _Asides:
    """Hands out each system message once, when its place is reached."""

    def __init__(self, asides: list[tuple[int, Text]]) -> None:
        self._left = sorted(asides, key=lambda aside: aside[0])

    def up_to(self, place: int) -> list[dict[str, Any]]:
        due: list[dict[str, Any]] = []
        while self._left and self._left[0][0] <= place:
            due.append({"role": "system", "content": [write_text(self._left.pop(0)[1])]})
        return due


def write_text(text: Text) -> Block:
    block: Block = {"type": "text", "text": text.text}
    if text.citations:
        block["citations"] = text.citations
    return _marked(block, text)


def _role(message: Message, blocks: list[Block]) -> str:
    of_system = all(block["type"] in SYSTEM_BLOCKS for block in blocks)
    return "system" if of_system else message.role


def _blocks(message: Message, ids: CallIds, path: str) -> list[Block]:
    blocks = [
        block
        for at, part in enumerate(message.parts)
        if (block := _block(part, ids, f"{path}.content[{at}]")) is not None
    ]
    if message.role == "user":
        return _results_first(blocks)
    return sorted(blocks, key=lambda block: block["type"] == "tool_use")


def _results_first(blocks: list[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _block(part: Part, ids: CallIds, path: str) -> Block | None:
    return _WRITERS[type(part)](part, ids, path)


def _marked(block: Block, part: Any) -> Block:
    """With the mark of the cache, and what only this dialect says of the part."""
    if part.cache is not None:
        block["cache_control"] = part.cache
    own = native(part.native)
    if isinstance(own, dict) and not isinstance(part, Text):
        return {**own, **block}
    return block


def _whole(part: Text | Image | Document) -> Block | None:
    """The block as it came from this dialect, for what others cannot say."""
    own = native(part.native)
    return own if isinstance(own, dict) and "type" in own else None


def _text(part: Text, ids: CallIds, path: str) -> Block | None:
    if whole := _whole(part):
        return whole
    # Anthropic refuses text that is empty or white.
    return write_text(part) if part.text.strip() else None


def _image(part: Image, ids: CallIds, path: str) -> Block | None:
    if whole := _whole(part):
        return whole
    if part.data is not None:
        source = {
            "type": "base64",
            "media_type": _image_type(part.media_type) or _guessed(part.data) or "image/png",
            "data": part.data,
        }
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    else:
        return None
    return _marked({"type": "image", "source": source}, part)


def _image_type(media_type: str | None) -> str | None:
    return "image/jpeg" if media_type == "image/jpg" else media_type


def _guessed(data: str) -> str | None:
    return next((kind for start, kind in BEGINNINGS.items() if data.startswith(start)), None)


def _audio(part: Audio, ids: CallIds, path: str) -> Block | None:
    raise _refused(path, "Anthropic's models take no audio")


def _refused(path: str, why: str) -> BadRequest:
    return BadRequest(f"{why} (`{path}`)", param=path, code="unsupported_parameter")


def _document(part: Document, ids: CallIds, path: str) -> Block | None:
    if whole := _whole(part):
        return whole
    source = _source(part, path)
    if source is None:
        return None
    block: Block = {"type": "document", "source": source}
    if part.name:
        block["title"] = part.name
    return _marked(block, part)


def _source(part: Document, path: str) -> Block | None:
    if part.file_id is not None:
        if not part.file_id.startswith("file_"):
            raise _refused(path, "Anthropic does not have this file: a file's id is its vendor's")
        return {"type": "file", "file_id": part.file_id}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.text is not None:
        return _text_source(part.text)
    return _data_source(part.data, part.media_type, path) if part.data is not None else None


def _text_source(text: str) -> Block | None:
    return {"type": "text", "media_type": "text/plain", "data": text} if text.strip() else None


def _data_source(data: str, media_type: str | None, path: str) -> Block | None:
    kind = media_type or _guessed(data) or "application/pdf"
    if kind == "application/pdf":
        return {"type": "base64", "media_type": kind, "data": data}
    if not _TEXT_TYPES.match(kind):
        raise _refused(path, f"Anthropic's models read PDF and plain text, not {kind}")
    try:
        return _text_source(base64.b64decode(data).decode())
    except ValueError:
        raise _refused(path, "A text file for Anthropic must be UTF-8 in base64") from None


def _thinking(part: Thinking, ids: CallIds, path: str) -> Block | None:
    """None for what another vendor's model thought: Anthropic takes back its own alone."""
    redacted, signature = part.redacted, part.signature
    details = part.details or {}
    if str(details.get("format", "")).startswith("anthropic"):  # OpenRouter's way of telling
        redacted = redacted or details.get("data")
        signature = signature or details.get("signature")
    if redacted:
        return {"type": "redacted_thinking", "data": redacted}
    if not signature:
        return None
    text = part.text or str(details.get("text") or "")
    return {"type": "thinking", "thinking": text, "signature": signature}


def _refusal(part: Refusal, ids: CallIds, path: str) -> Block | None:
    return {"type": "text", "text": part.text} if part.text.strip() else None


def _call(part: ToolCall, ids: CallIds, path: str) -> Block | None:
    block = {
        "type": "tool_use",
        "id": ids.of_call(part.id),
        "name": part.name,
        "input": {"input": part.arguments} if part.custom else object_of(part.arguments),
    }
    return _marked(block, part)


def _result(part: ToolResult, ids: CallIds, path: str) -> Block | None:
    block: Block = {"type": "tool_result", "tool_use_id": ids.of_result(part.call_id)}
    content = [
        inner
        for at, given in enumerate(part.parts)
        if (inner := _block(given, ids, f"{path}.content[{at}]")) is not None
    ]
    if content:
        block["content"] = _simple(content)
    if part.is_error:
        block["is_error"] = True
    return _marked(block, part)


def _simple(content: list[Block]) -> Any:
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return content[0]["text"]
    return content


_WRITERS: dict[type, Callable[[Any, CallIds, str], Block | None]] = {
    Text: _text,
    Image: _image,
    Audio: _audio,
    Document: _document,
    Thinking: _thinking,
    Refusal: _refusal,
    ToolCall: _call,
    ToolResult: _result,
}
