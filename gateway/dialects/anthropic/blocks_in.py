"""A question's content blocks, read into parts."""

from collections.abc import Callable
from typing import Any

from gateway.conversation import (
    Document,
    Image,
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gateway.dialects.anthropic import checks
from gateway.dialects.anthropic.arguments import text_of
from gateway.dialects.anthropic.carried import details_of
from gateway.dialects.anthropic.facts import NAME

Block = dict[str, Any]
# The names of the tools called so far, by the calls' ids.
Calls = dict[str, str]
Reader = Callable[[Block, str, Calls], Part]


def read_message(role: Role, content: Any, path: str, calls: Calls) -> Message:
    if isinstance(content, str):
        return Message(role, [Text(content)])
    if not isinstance(content, list):
        raise checks.wrong(path, "a string or an array of blocks")
    parts = [_read_block(role, block, f"{path}[{at}]", calls) for at, block in enumerate(content)]
    # Results come first on the wire too; a client that mixes them is put right.
    return Message(role, sorted(parts, key=lambda part: not isinstance(part, ToolResult)))


def read_text(block: Any, path: str) -> Text:
    return Text(
        checks.text(checks.members(block, path).get("text"), f"{path}.text"),
        cache=_cache(block, path),
        citations=[
            checks.members(item, f"{path}.citations[{at}]")
            for at, item in enumerate(
                checks.optional(block, "citations", checks.items, f"{path}.") or ()
            )
        ],
    )


def own_block(block: Block) -> Text:
    """A block that only this dialect has: it goes back as it came."""
    return Text("", native={NAME: block})


def leftover(block: Block, *known: str) -> dict[str, Any] | None:
    """The members that no other dialect has a word for."""
    own = {name: value for name, value in block.items() if name not in known}
    return {NAME: own} if own else None


def _read_block(role: Role, block: Any, path: str, calls: Calls) -> Part:
    kind = checks.name(checks.members(block, path).get("type"), f"{path}.type")
    if kind in _ROLES and _ROLES[kind] != role:
        raise checks.wrong(f"{path}.type", f"a block that a message of the {role} may hold")
    reader = _READERS.get(kind)
    return reader(block, path, calls) if reader else own_block(block)


def _cache(block: Block, path: str) -> dict[str, Any] | None:
    return checks.optional(block, "cache_control", checks.members, f"{path}.")


def _text(block: Block, path: str, calls: Calls) -> Part:
    return read_text(block, path)


def _image(block: Block, path: str, calls: Calls) -> Part:
    source = checks.members(block.get("source"), f"{path}.source")
    image = Image(
        cache=_cache(block, path), native=leftover(block, "type", "source", "cache_control")
    )
    match source.get("type"):
        case "base64":
            image.media_type = checks.name(source.get("media_type"), f"{path}.source.media_type")
            image.data = checks.base64(source.get("data"), f"{path}.source.data")
        case "url":
            image.url = checks.name(source.get("url"), f"{path}.source.url")
        case "file":
            file_id = checks.name(source.get("file_id"), f"{path}.source.file_id")
            return Document(file_id=file_id, native={NAME: block})
        case kind:
            checks.name(kind, f"{path}.source.type")
            return own_block(block)
    return image


def _document(block: Block, path: str, calls: Calls) -> Part:
    source = checks.members(block.get("source"), f"{path}.source")
    document = Document(
        name=checks.optional(block, "title", checks.text, f"{path}."),
        cache=_cache(block, path),
        native=leftover(block, "type", "source", "title", "cache_control"),
    )
    match source.get("type"):
        case "base64":
            document.media_type = checks.name(source.get("media_type"), f"{path}.source.media_type")
            document.data = checks.base64(source.get("data"), f"{path}.source.data")
        case "text":
            document.media_type = checks.optional(
                source, "media_type", checks.text, f"{path}.source."
            )
            document.text = checks.text(source.get("data"), f"{path}.source.data")
        case "url":
            document.media_type = "application/pdf"  # the only kind that it takes by address
            document.url = checks.name(source.get("url"), f"{path}.source.url")
        case "file":
            document.file_id = checks.name(source.get("file_id"), f"{path}.source.file_id")
        case "content":
            document.text = _plain(source.get("content"), f"{path}.source.content")
            document.native = {NAME: block}
        case kind:
            checks.name(kind, f"{path}.source.type")
            return own_block(block)
    return document


def _search_result(block: Block, path: str, calls: Calls) -> Part:
    return Document(
        text=_plain(block.get("content"), f"{path}.content"),
        name=checks.optional(block, "title", checks.text, f"{path}."),
        native={NAME: block},
    )


def _plain(content: Any, path: str) -> str:
    """The text of content that may hold blocks."""
    if isinstance(content, str):
        return content
    blocks = [
        checks.members(block, f"{path}[{at}]")
        for at, block in enumerate(checks.items(content, path))
    ]
    return "\n".join(text for block in blocks if isinstance(text := block.get("text"), str))


def _thinking(block: Block, path: str, calls: Calls) -> Part:
    text = checks.text(block.get("thinking"), f"{path}.thinking")
    signature = checks.optional(block, "signature", checks.text, f"{path}.")
    details = details_of(signature or "")
    return Thinking(text, None if details else signature or None, details=details)


def _redacted(block: Block, path: str, calls: Calls) -> Part:
    return Thinking(redacted=checks.name(block.get("data"), f"{path}.data"))


def _call(block: Block, path: str, calls: Calls) -> Part:
    call = ToolCall(
        id=checks.name(block.get("id"), f"{path}.id"),
        name=checks.name(block.get("name"), f"{path}.name"),
        cache=_cache(block, path),
        native=leftover(_without_default_caller(block), *_CALL_MEMBERS),
    )
    arguments = checks.members(block.get("input"), f"{path}.input")
    try:
        call.arguments = text_of(arguments)
    except RecursionError:
        raise checks.wrong(f"{path}.input", "nested less deeply") from None
    calls[call.id] = call.name
    return call


_CALL_MEMBERS = ("type", "id", "name", "input", "cache_control")


def _without_default_caller(block: Block) -> Block:
    if block.get("caller") not in (None, {"type": "direct"}):
        return block
    return {name: value for name, value in block.items() if name != "caller"}


def _result(block: Block, path: str, calls: Calls) -> Part:
    call_id = checks.name(block.get("tool_use_id"), f"{path}.tool_use_id")
    if call_id not in calls:
        raise checks.wrong(f"{path}.tool_use_id", "the id of a tool_use block before it")
    return ToolResult(
        call_id,
        name=calls[call_id],
        parts=_result_parts(block.get("content"), f"{path}.content", calls),
        is_error=checks.optional(block, "is_error", checks.flag, f"{path}.") or False,
        cache=_cache(block, path),
        native=leftover(block, *_RESULT_MEMBERS),
    )


_RESULT_MEMBERS = ("type", "tool_use_id", "content", "is_error", "cache_control")


def _result_parts(content: Any, path: str, calls: Calls) -> list[Text | Image | Document]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    parts: list[Text | Image | Document] = []
    for at, block in enumerate(checks.items(content, path)):
        part = _read_block("user", block, f"{path}[{at}]", calls)
        if not isinstance(part, (Text, Image, Document)):
            raise checks.wrong(f"{path}[{at}].type", "a block that a tool's result may hold")
        parts.append(part)
    return parts


_READERS: dict[str, Reader] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _call,
    "tool_result": _result,
}
_ROLES: dict[str, Role] = {
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_use": "assistant",
    "tool_result": "user",
}
