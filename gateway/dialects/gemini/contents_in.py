"""`contents` as clients send them, read as messages."""

from collections.abc import Iterable
from typing import Any

import orjson

from gateway.conversation import (
    Audio,
    Document,
    Image,
    Message,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gateway.dialects.gemini.facts import MADE_ID, ROLES
from gateway.dialects.gemini.fields import Fields, wrong
from gateway.dialects.gemini.media import audio_type, inline, linked
from gateway.dialects.gemini.native import DATA, kept, shown
from gateway.dialects.gemini.signature import opened, signature_of, standard
from gateway.errors import BadRequest

_PARTS = (
    "text, inlineData, fileData, functionCall, functionResponse, executableCode, "
    "codeExecutionResult, toolCall or toolResponse"
)


def read_contents(contents: Iterable[Fields]) -> list[Message]:
    """Raises BadRequest that names the path of the first thing wrong."""
    reader = _Contents()
    for content in contents:
        reader.add(content)
    return reader.messages


class _Contents:
    """Messages so far; the calls that wait for an answer, by the ids that the client gave them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._waiting: list[tuple[str | None, ToolCall]] = []
        self._answered: dict[str, ToolCall] = {}
        self._ids: set[str] = set()

    def add(self, content: Fields) -> None:
        role = ROLES.get(content.text("role") or "user")
        if role is None:
            raise wrong(content.at("role"), "user, model, function or tool")
        parts = content.each("parts")
        if not parts:
            raise wrong(content.at("parts"), "an array of at least one part")
        if role == "assistant":
            self._add_model(parts)
        else:
            self._add_user(parts)

    def _add_model(self, parts: list[Fields]) -> None:
        """A streamed answer comes back as many contents: together they are one message."""
        last = self.messages[-1] if self.messages else None
        if last is None or last.role != "assistant":
            last = Message("assistant", [])
            self.messages.append(last)
            self._answered |= {given: call for given, call in self._waiting if given is not None}
            self._waiting = []
        for fields in parts:
            _append(last.parts, self._model_part(fields))

    def _model_part(self, fields: Fields) -> Part:
        if "functionResponse" in fields:
            raise wrong(fields.at("functionResponse"), "in a content of role user")
        if "functionCall" in fields:
            return self._call(fields)
        if fields.flag("thought") and "text" in fields:
            return opened(fields.text("text") or "", _signature(fields))
        return _plain_part(fields)

    def _call(self, fields: Fields) -> ToolCall:
        call = Fields(fields.value("functionCall"), fields.at("functionCall"))
        given = call.text("id") or None
        read = ToolCall(
            id=self._unused(given),
            name=call.word("name"),
            arguments=_json(call.object("args") or {}, call.at("args")),
            signature=_signature(fields),
        )
        self._waiting.append((given, read))
        return read

    def _unused(self, given: str | None) -> str:
        """The same id for the same place each time, so that vendors' caches of prompts hold."""
        made = given
        number = len(self._ids)
        while made is None or made in self._ids:
            made, number = f"{MADE_ID}_{number}", number + 1
        self._ids.add(made)
        return made

    def _add_user(self, parts: list[Fields]) -> None:
        results = [self._result(fields) for fields in parts if "functionResponse" in fields]
        others = [_user_part(fields) for fields in parts if "functionResponse" not in fields]
        last = self.messages[-1] if self.messages else None
        if results and last is not None and _holds_results(last):
            before = [part for part in last.parts if isinstance(part, ToolResult)]
            since = [part for part in last.parts if not isinstance(part, ToolResult)]
            last.parts = [*before, *results, *since, *others]
        else:
            self.messages.append(Message("user", [*results, *others]))

    def _result(self, fields: Fields) -> ToolResult:
        result = Fields(fields.value("functionResponse"), fields.at("functionResponse"))
        given, name = result.text("id") or None, result.text("name") or None
        call = self._called(given, name, result.path)
        read = _answer(call, result)
        read.parts += [_attachment(part) for part in result.each("parts")]
        read.native = kept(result.rest())
        return read

    def _called(self, given: str | None, name: str | None, path: str) -> ToolCall:
        """The call that is answered: by its id, else the first of this name that still waits."""
        if given is None and name is None:
            raise wrong(f"{path}.name", "a string that is not empty")
        waiting = self._waiting
        found = next((item for item in waiting if given is not None and item[0] == given), None)
        if found is None and given in self._answered:
            return self._answered[given]
        if found is None:
            found = next((item for item in waiting if item[1].name == name), None)
        if found is None:
            raise BadRequest(f"`{path}` answers no functionCall before it", param=path)
        waiting.remove(found)
        if found[0] is not None:
            self._answered[found[0]] = found[1]
        return found[1]


def _append(parts: list[Part], part: Part) -> None:
    """What was cut by streaming is joined again; a signature stays with its very own part."""
    last = parts[-1] if parts else None
    if isinstance(part, Text) and isinstance(last, Text) and _is_plain(part) and _is_plain(last):
        last.text += part.text
    elif isinstance(part, Thinking) and isinstance(last, Thinking) and not _has_state(last):
        parts[-1] = Thinking(last.text + part.text, part.signature, part.redacted, part.details)
    else:
        parts.append(part)


def _is_plain(text: Text) -> bool:
    return text.signature is None and text.native is None


def _has_state(thinking: Thinking) -> bool:
    return bool(thinking.signature or thinking.redacted or thinking.details)


def _holds_results(message: Message) -> bool:
    return message.role == "user" and isinstance(message.parts[0], ToolResult)


def _user_part(fields: Fields) -> Part:
    if "functionCall" in fields:
        raise wrong(fields.at("functionCall"), "in a content of role model")
    return _plain_part(fields)


def _plain_part(fields: Fields) -> Part:
    """A part that may stand in either role."""
    signature = _signature(fields)
    fields.flag("thought")
    if (blob := fields.fields("inlineData")) is not None:
        part: Part = inline(_data(blob), blob.word("mimeType"), blob.text("displayName"))
    elif (file := fields.fields("fileData")) is not None:
        part = linked(file.word("fileUri"), file.text("mimeType"), file.text("displayName"))
    else:
        return _text(fields, signature)
    if isinstance(part, Image):
        part.signature = signature
    if isinstance(part, Image | Document):
        part.native = kept(fields.rest())
    return part


def _text(fields: Fields, signature: str | None) -> Text:
    text = fields.text("text")
    members = fields.rest()
    if text is None and signature is None and not DATA & members.keys():
        raise wrong(fields.path, f"a part: {_PARTS}")
    return Text(
        shown(members) if text is None else text,
        signature=signature,
        native=kept(members),
    )


def _signature(fields: Fields) -> str | None:
    text = fields.text("thoughtSignature")
    if not text:
        return None
    signature = signature_of(text)
    if signature is None:
        raise wrong(fields.at("thoughtSignature"), "base64")
    return signature or None


def _data(blob: Fields) -> str:
    data = standard("".join(blob.word("data").split()))
    if data is None:
        raise wrong(blob.at("data"), "base64")
    return data


def _answer(call: ToolCall, fields: Fields) -> ToolResult:
    """`output` and `error` are Gemini's own words for what a function gives; other members stay
    the JSON text that they are.
    """
    response = fields.object("response") or {}
    result = ToolResult(call.id, call.name, is_error=response.get("error") is not None)
    if response:
        told = response.get("error" if result.is_error else "output")
        if not isinstance(told, str) or len(response) > 1:
            told = _json(response, fields.at("response"))
        result.parts.append(Text(told))
    return result


def _json(value: dict[str, Any], path: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise wrong(path, "nested less deep") from None


def _attachment(fields: Fields) -> Text | Image | Document:
    part = _plain_part(fields)
    if isinstance(part, Audio):
        return Document(data=part.data, media_type=audio_type(part.format))
    if not isinstance(part, Text | Image | Document):
        raise wrong(fields.path, "an image or a document")
    return part
