"""Reasoning state that belongs to tool calls: what is kept of an answer, and how it is put back.

A vendor wants its own back with the calls (signatures, sealed thoughts, DeepSeek's plain ones);
many clients drop what their dialect has no member for. State has an origin, a vendor and below it
a model: it is put back for that one alone, and no other vendor may see it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import orjson

from gateway.chat import ChatRequest
from gateway.conversation import (
    CallBegan,
    CallPiece,
    Chat,
    Message,
    Part,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ThinkingSealed,
    ToolCall,
)
from gateway.dialects.openai_chat.thoughts import objects
from gateway.dialects.splice import Edits, elements, joined, value_of

TEXT, DETAILS = "reasoning_content", "reasoning_details"
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
_WORDS = re.compile(r"chatcmpl|functions?|toolu|tool|call|[^a-zA-Z0-9]")
_TELLS_APART = 8


@dataclass(slots=True)
class Kept:
    """What one call brought: its `signature`; the first of an answer also the `thoughts` before
    it, and the signature of the answer's `text`.
    """

    origin: str
    signature: str | None = None
    text: str | None = None
    thoughts: list[Thinking] = field(default_factory=list)

    def written(self) -> str:
        thoughts = [_said(thought) for thought in self.thoughts]
        return orjson.dumps(_said(self) | {"thoughts": thoughts}).decode()


def read(text: str) -> Kept:
    said = orjson.loads(text)
    return Kept(**{**said, "thoughts": [Thinking(**thought) for thought in said["thoughts"]]})


def _said(record: Kept | Thinking) -> dict[str, Any]:
    members = ((each.name, getattr(record, each.name)) for each in fields(record))
    return {name: value for name, value in members if value}


def key_of(id: str, name: str, arguments: str) -> str:
    """Under which a call's state is kept. Some vendors count calls from 0 in each conversation
    (`functions.f:0`): then what is asked tells them apart.
    """
    key = _UNFIT.sub("_", id)
    own = _WORDS.sub("", id).replace(_WORDS.sub("", name), "", 1)
    if len(own) >= _TELLS_APART:
        return key
    told = name.encode() + b"\0" + _plain(arguments)
    return f"{key}:{hashlib.sha256(told).hexdigest()[:32]}"


def _plain(arguments: str) -> bytes:
    """The same for the same value, however a client has written it again."""
    try:
        value = orjson.loads(arguments or "{}")
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return arguments.encode()


# What an answer brought.


@dataclass(slots=True)
class _Choice:
    run: list[str] = field(default_factory=list)
    thoughts: list[Thinking] = field(default_factory=list)
    text: str | None = None
    calls: dict[int, CallBegan] = field(default_factory=dict)
    arguments: dict[int, str] = field(default_factory=dict)

    def take(self, event: Any) -> None:
        match event:
            case ThinkingPiece():
                self.run.append(event.text)
            case ThinkingSealed():
                text = "" if event.redacted else "".join(self.run)
                sealed = Thinking(text, event.signature, event.redacted, event.details)
                self.thoughts.append(sealed)
                self.run = []
            case TextPiece():
                self.text = event.signature or self.text
            case CallBegan():
                self.calls[event.call] = event
            case CallPiece():
                before = self.arguments.get(event.call, "")
                self.arguments[event.call] = before + event.arguments

    def kept(self, origin: str, *, plain: bool) -> Iterator[tuple[str, Kept]]:
        unsealed = "".join(self.run)
        thoughts = [*self.thoughts, Thinking(unsealed)] if plain and unsealed else self.thoughts
        text = self.text
        for number, call in self.calls.items():
            key = key_of(call.id, call.name, self.arguments.get(number, ""))
            yield key, Kept(origin, call.signature, text, thoughts)
            thoughts, text = [], None


def kept_of(events: Iterable[Any], origin: str, *, plain: bool) -> dict[str, str]:
    """What is to be kept of an answer, by the keys of its calls. `plain`: unsealed thoughts, too"""
    choices: dict[int, _Choice] = {}
    for event in events:
        choices.setdefault(event.choice, _Choice()).take(event)
    return {
        key: kept.written()
        for choice in choices.values()
        for key, kept in choice.kept(origin, plain=plain)
        if kept.signature or kept.text or kept.thoughts
    }


# A question that is translated.


def keys_in(chat: Chat) -> list[str]:
    return [_key(part) for message in chat.messages for part in _calls(message)]


def restore(chat: Chat, found: Mapping[str, Kept], origin: str) -> None:
    """Puts back what the client has left out, and takes out what another vendor must not see."""
    for message in chat.messages:
        for call in _calls(message):
            kept = found.get(_key(call))
            if kept is None:
                continue
            if kept.origin == origin:
                _put_back(message, call, kept)
            elif _vendor(kept.origin) != _vendor(origin):
                _take_out(message, call, kept)


def _vendor(origin: str) -> str:
    return origin.partition("\n")[0]


def _calls(message: Message) -> list[ToolCall]:
    return [part for part in message.parts if isinstance(part, ToolCall)]


def _key(call: ToolCall) -> str:
    return key_of(call.id, call.name, call.arguments)


def _put_back(message: Message, call: ToolCall, kept: Kept) -> None:
    """What the client itself has brought along wins."""
    call.signature = call.signature or kept.signature
    given = [part for part in message.parts if isinstance(part, Thinking)]
    sealed = any(map(_is_sealed, kept.thoughts))
    if kept.thoughts and not any(_is_sealed(each) or not sealed for each in given):
        said = [part for part in message.parts if not isinstance(part, Thinking)]
        message.parts = [*kept.thoughts, *said]
    texts = [part for part in message.parts if isinstance(part, Text)]
    if kept.text and not texts:
        message.parts.insert(message.parts.index(call), Text("", signature=kept.text))
    elif kept.text and not any(text.signature for text in texts):
        texts[-1].signature = kept.text


def _is_sealed(thought: Thinking) -> bool:
    """A Responses item may hold the bare text."""
    details = thought.details is not None and thought.details.get("type") != "reasoning"
    return bool(thought.signature or thought.redacted or details)


def _take_out(message: Message, call: ToolCall, kept: Kept) -> None:
    if call.signature == kept.signature:
        call.signature = None
    seals = [_seal(thought) for thought in kept.thoughts if _is_sealed(thought)]
    message.parts = [_without(part, seals, kept.text) for part in message.parts]


def _without(part: Part, seals: list[Any], signature: str | None) -> Part:
    if isinstance(part, Thinking) and _seal(part) in seals:
        return Thinking(part.text)
    if isinstance(part, Text) and signature is not None and part.signature == signature:
        return replace(part, signature=None)
    return part


def _seal(thought: Thinking) -> Any:
    return thought.signature or thought.redacted or thought.details


# A question in OpenAI's dialect whose vendor wants members of its own back.


def keys_lacking(body: Mapping[str, Any], members: Iterable[str]) -> list[str]:
    """The calls of those messages that come without what they should bring."""
    return [
        key
        for message in _of_the_model(body)
        if any(message.get(name) is None for name in members)
        for key in _keys(message)
    ]


def completed(
    request: ChatRequest, members: tuple[str, ...], found: Mapping[str, Kept], origin: str
) -> ChatRequest:
    """The question with these members in the model's messages; the very same if all is there."""
    messages = request.body.get("messages") or []
    if not any(_keys(message) for message in _of_the_model(request.body)):
        return request
    added = [_lacking(message, members, found, origin) for message in messages]
    if not any(added):
        return request
    text = value_of(request.raw, "messages") or b"[]"
    parts = [
        _with_members(text[start:end], more)
        for (start, end), more in zip(elements(text, 0), added, strict=True)
    ]
    whole = [message | more for message, more in zip(messages, added, strict=True)]
    return replace(
        request,
        raw=Edits({"messages": joined(parts)}).apply(request.raw),
        body={**request.body, "messages": whole},
    )


def _with_members(text: bytes, more: Mapping[str, Any]) -> bytes:
    if not more:
        return text
    return Edits({name: orjson.dumps(value) for name, value in more.items()}).apply(text)


def _lacking(
    message: dict[str, Any], members: Iterable[str], found: Mapping[str, Kept], origin: str
) -> dict[str, Any]:
    if message.get("role") != "assistant":
        return {}
    kept = [found[key] for key in _keys(message) if key in found]
    thoughts = [thought for each in kept if each.origin == origin for thought in each.thoughts]
    told = {name: _TELLS[name](thoughts) for name in members if message.get(name) is None}
    return {name: value for name, value in told.items() if value is not None}


def _text_of(thoughts: list[Thinking]) -> str:
    """DeepSeek wants it in all the model's messages once there are tools; empty is good enough."""
    return "".join(thought.text for thought in thoughts)


def _details_of(thoughts: list[Thinking]) -> list[dict[str, Any]] | None:
    return [thought.details for thought in thoughts if thought.details is not None] or None


_TELLS = {TEXT: _text_of, DETAILS: _details_of}


def _of_the_model(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (each for each in objects(body.get("messages")) if each.get("role") == "assistant")


def _keys(message: Mapping[str, Any]) -> list[str]:
    return [
        key_of(call["id"], str(said.get("name")), _arguments(said.get("arguments")))
        for call in objects(message.get("tool_calls"))
        if isinstance(said := call.get("function"), dict) and isinstance(call.get("id"), str)
    ]


def _arguments(given: Any) -> str:
    """Some clients send the object itself; what cannot be written is none that was kept."""
    if isinstance(given, str):
        return given
    try:
        return orjson.dumps(given).decode()
    except orjson.JSONEncodeError:
        return ""
