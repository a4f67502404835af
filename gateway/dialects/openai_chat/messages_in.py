"""Reads the messages of a question: who said what, which tools were called, what they gave."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.conversation import Document, Image, Message, Part, Refusal, Text, ToolCall, ToolResult
from gateway.dialects.openai_chat.images import images_of
from gateway.dialects.openai_chat.parts_in import (
    ASSISTANT_KINDS,
    RESULT_KINDS,
    SYSTEM_KINDS,
    USER_KINDS,
    cache_mark,
    read_content,
)
from gateway.dialects.openai_chat.shape import (
    a_name,
    a_text,
    an_array,
    an_object,
    text_or_none,
    unsupported,
    wrong,
)
from gateway.dialects.openai_chat.thoughts import google_signature, read_thoughts
from gateway.errors import BadRequest


@dataclass(slots=True)
class Transcript:
    """What was said so far. `called`: the tool calls' names by id; `answering`: the last message
    holds results of tools, and whatever the user says next belongs to it.
    """

    system: list[Text] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    called: dict[str, str] = field(default_factory=dict)
    answering: bool = False

    def read(self, message: Any, path: str) -> None:
        an_object(message, path)
        role = message.get("role")
        reader = _READERS.get(role) if isinstance(role, str) else None
        if reader is None:
            raise wrong(f"{path}.role", f"one of {', '.join(_READERS)}")
        reader(self, message, path)


def read_messages(messages: Any) -> Transcript:
    """Raises BadRequest that names the path of what is wrong."""
    if messages is None:
        raise BadRequest(
            "`messages` is missing: it must be an array of messages",
            param="messages",
            code="missing_required_parameter",
        )
    if not an_array(messages, "messages"):
        raise wrong("messages", "an array of at least one message")
    transcript = Transcript()
    for at, message in enumerate(messages):
        transcript.read(message, f"messages[{at}]")
    return transcript


def _system(transcript: Transcript, message: dict[str, Any], path: str) -> None:
    """Wherever it stands: what it says holds for the whole conversation."""
    parts = read_content(message.get("content"), f"{path}.content", SYSTEM_KINDS)
    _mark(parts, message)
    transcript.system += [part for part in parts if isinstance(part, Text) and part.text]


def _user(transcript: Transcript, message: dict[str, Any], path: str) -> None:
    parts = read_content(message.get("content"), f"{path}.content", USER_KINDS)
    _mark(parts, message)
    name = text_or_none(message.get("name"), f"{path}.name")
    if transcript.answering:
        transcript.messages[-1].parts += parts
        transcript.messages[-1].name = name
    else:
        transcript.messages.append(Message("user", parts, name))
    transcript.answering = False


def _assistant(transcript: Transcript, message: dict[str, Any], path: str) -> None:
    parts: list[Part] = [*read_thoughts(message)]
    parts += _said(message, path)
    calls = _calls(message, path)
    parts += images_of(message)
    _sign(parts, calls, google_signature(message))
    for call in calls:
        transcript.called[call.id] = call.name
    parts += calls
    _mark(parts, message)
    name = text_or_none(message.get("name"), f"{path}.name")
    transcript.messages.append(Message("assistant", parts or [Text("")], name))
    transcript.answering = False


def _said(message: dict[str, Any], path: str) -> list[Part]:
    """Empty texts are left out: many clients send one beside tool calls."""
    parts: list[Part] = []
    if message.get("content") is not None:
        parts = read_content(message["content"], f"{path}.content", ASSISTANT_KINDS)
    refusal = text_or_none(message.get("refusal"), f"{path}.refusal")
    if refusal:
        parts.append(Refusal(refusal))
    parts = [part for part in parts if not isinstance(part, Text) or part.text or part.cache]
    if not parts and message.get("audio") and not message.get("tool_calls"):
        raise unsupported(f"{path}.audio", "An earlier answer in audio cannot be passed on")
    return parts


def _sign(parts: list[Part], calls: list[ToolCall], signature: str | None) -> None:
    """A message's own signature belongs to its text, or to its first call if it says nothing."""
    if signature is None:
        return
    texts = [part for part in parts if isinstance(part, Text)]
    if texts:
        texts[-1].signature = signature
    elif not calls:
        parts.append(Text("", signature=signature))
    elif calls[0].signature is None:
        calls[0].signature = signature


def _calls(message: dict[str, Any], path: str) -> list[ToolCall]:
    given = message.get("tool_calls")
    calls = [
        _call(an_object(call, f"{path}.tool_calls[{at}]"), f"{path}.tool_calls[{at}]")
        for at, call in enumerate([] if given is None else an_array(given, f"{path}.tool_calls"))
    ]
    if message.get("function_call") is not None:
        calls.append(_function_call(message["function_call"], f"{path}.function_call"))
    return calls


def _call(call: dict[str, Any], path: str) -> ToolCall:
    custom = call.get("custom") is not None
    holder = f"{path}.{'custom' if custom else 'function'}"
    said = an_object(call.get("custom" if custom else "function"), holder)
    if custom:
        arguments = a_text(said.get("input"), f"{holder}.input")
    else:
        arguments = _arguments(said.get("arguments"), f"{holder}.arguments")
    return ToolCall(
        id=a_name(call.get("id"), f"{path}.id"),
        name=a_name(said.get("name"), f"{holder}.name"),
        arguments=arguments,
        custom=custom,
        signature=google_signature(call),
        cache=cache_mark(call),
    )


def _function_call(call: Any, path: str) -> ToolCall:
    """The older form has no id: it gets one from where it stands, the same every time."""
    an_object(call, path)
    name = a_name(call.get("name"), f"{path}.name")
    arguments = _arguments(call.get("arguments"), f"{path}.arguments")
    place = path.removeprefix("messages[").partition("]")[0]
    return ToolCall(f"call_{place:0>24}", name, arguments)


def _arguments(given: Any, path: str) -> str:
    """Some clients send the object itself."""
    if given is None:
        return ""
    try:
        if isinstance(given, dict):
            return orjson.dumps(given).decode()
        text = a_text(given, path)
        if not text.strip():
            return ""
        orjson.loads(text)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise wrong(path, "JSON text") from None
    return text


def _tool(transcript: Transcript, message: dict[str, Any], path: str) -> None:
    call_id = a_text(message.get("tool_call_id"), f"{path}.tool_call_id")
    if call_id not in transcript.called:
        raise wrong(f"{path}.tool_call_id", "the id of a tool call before it")
    _result(transcript, message, path, call_id)


def _function(transcript: Transcript, message: dict[str, Any], path: str) -> None:
    """The older form of a result: it names the function, and answers its last call."""
    name = a_name(message.get("name"), f"{path}.name")
    for call_id, called in reversed(transcript.called.items()):
        if called == name:
            return _result(transcript, message, path, call_id)
    raise wrong(f"{path}.name", "the name of a function called before it")


def _result(transcript: Transcript, message: dict[str, Any], path: str, call_id: str) -> None:
    parts = read_content(message.get("content"), f"{path}.content", RESULT_KINDS)
    result = ToolResult(
        call_id=call_id,
        name=transcript.called[call_id],
        parts=[part for part in parts if isinstance(part, Text | Image | Document)],
        cache=cache_mark(message),
    )
    if not transcript.answering:
        transcript.messages.append(Message("user", []))
        transcript.answering = True
    transcript.messages[-1].parts.append(result)


def _mark(parts: list[Part], message: dict[str, Any]) -> None:
    """A cache mark on the message counts for its last part that can bear one."""
    mark = cache_mark(message)
    if mark is None:
        return
    for part in reversed(parts):
        if isinstance(part, Text | Image | Document | ToolCall):
            part.cache = part.cache or mark
            return


_READERS: dict[str, Callable[[Transcript, dict[str, Any], str], None]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
    "function": _function,
}
