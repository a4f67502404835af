"""Writes the messages of a question."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from gateway.conversation import (
    Audio,
    Chat,
    Document,
    Image,
    Message,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gateway.dialects.openai_chat.accepts import Accepts
from gateway.dialects.openai_chat.parts_out import (
    Spoken,
    document_text,
    mark,
    write_content,
)
from gateway.dialects.openai_chat.thoughts import google_content, write_blocks, write_details

_ERROR = "Error: "
_ATTACHED = "(The result is attached to the next message.)"


def write_messages(chat: Chat, accepts: Accepts) -> list[dict[str, Any]]:
    """What a role cannot say here (an image that a tool gave) is said by the user after it."""
    written: list[dict[str, Any]] = []
    if chat.system:
        written.append({"role": "system", "content": write_content(chat.system, accepts)})
    moved: list[Spoken] = []
    for message in _turns(chat.messages):
        if message.role == "user":
            written += _user(message, moved, accepts)
            moved = []
        else:
            written += _moved(moved, accepts)
            written.append(_assistant(message, accepts))
            moved = [part for part in message.parts if isinstance(part, Image | Audio | Document)]
    return written + _moved(moved, accepts)


def _turns(messages: list[Message]) -> Iterator[Message]:
    """Calls that were made in messages next to each other are made in one, as their results ask."""
    held: Message | None = None
    for message in messages:
        if held is None:
            held = message
        elif held.role == message.role == "assistant" and _calls(held):
            held = replace(held, parts=[*held.parts, *message.parts])
        else:
            yield held
            held = message
    if held is not None:
        yield held


def _calls(message: Message) -> bool:
    return any(isinstance(part, ToolCall) for part in message.parts)


def _user(message: Message, moved: list[Spoken], accepts: Accepts) -> Iterable[dict[str, Any]]:
    own: list[Spoken] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield _tool(part, accepts)
            moved = moved + _media(part)
        elif isinstance(part, Text | Image | Audio | Document):
            own.append(part)
        elif isinstance(part, Refusal):
            own.append(Text(part.text))
    if moved or own:
        said: dict[str, Any] = {"role": "user", "content": write_content(moved + own, accepts)}
        yield said if message.name is None or not accepts.names else {**said, "name": message.name}


def _moved(parts: list[Spoken], accepts: Accepts) -> list[dict[str, Any]]:
    return [{"role": "user", "content": write_content(parts, accepts)}] if parts else []


def _tool(result: ToolResult, accepts: Accepts) -> dict[str, Any]:
    texts = [text for part in result.parts if (text := _result_text(part)) is not None]
    if not texts and result.parts:
        texts = [Text(_ATTACHED)]
    if result.is_error:
        texts = _as_error(texts)
    content = write_content(texts, accepts)
    written = {"role": "tool", "tool_call_id": result.call_id, "content": content}
    mark(written, result.cache, accepts)
    return written


def _result_text(part: Text | Image | Document) -> Text | None:
    if isinstance(part, Document) and part.data is None and part.text is not None:
        return Text(document_text(part), part.cache)
    return part if isinstance(part, Text) else None


def _media(result: ToolResult) -> list[Spoken]:
    return [part for part in result.parts if _result_text(part) is None]


def _as_error(texts: list[Text]) -> list[Text]:
    """The dialect has no other word for it."""
    if not texts:
        return [Text("Error")]
    first, *others = texts
    if first.text.lower().startswith("error"):
        return texts
    return [Text(_ERROR + first.text, first.cache), *others]


def _assistant(message: Message, accepts: Accepts) -> dict[str, Any]:
    thoughts = [part for part in message.parts if isinstance(part, Thinking)]
    spoken: list[Spoken] = [part for part in message.parts if isinstance(part, Text | Refusal)]
    calls = [_call(part, accepts) for part in message.parts if isinstance(part, ToolCall)]
    if accepts.thoughts == "chunks":
        spoken = [*(thought for thought in thoughts if thought.text), *spoken]
    content = write_content(spoken, accepts)
    written: dict[str, Any] = {"role": "assistant", "content": content or (None if calls else "")}
    if message.name is not None and accepts.names:
        written["name"] = message.name
    if accepts.thoughts not in ("chunks", None):
        written |= _thoughts(thoughts, spoken, accepts.thoughts, accepts.seals)
    if calls:
        written["tool_calls"] = calls
    return written


def _thoughts(
    thoughts: list[Thinking], spoken: list[Spoken], member: str, seals: bool
) -> dict[str, Any]:
    text = "".join(thought.text for thought in thoughts)
    if not seals:
        return {member: text} if text else {}
    signatures = [part.signature for part in spoken if isinstance(part, Text) and part.signature]
    members = {
        member: text,
        "reasoning_details": write_details(thoughts),
        "thinking_blocks": write_blocks(thoughts),
        "extra_content": google_content(signatures[-1]) if signatures else None,
    }
    return {name: value for name, value in members.items() if value}


def _call(call: ToolCall, accepts: Accepts) -> dict[str, Any]:
    if call.custom:
        said = {"name": call.name, "input": call.arguments}
        return {"id": call.id, "type": "custom", "custom": said}
    said = {"name": call.name, "arguments": call.arguments or "{}"}
    written: dict[str, Any] = {"id": call.id, "type": "function", "function": said}
    if call.signature and accepts.thoughts not in ("chunks", None) and accepts.seals:
        written["extra_content"] = google_content(call.signature)
    mark(written, call.cache, accepts)
    return written
