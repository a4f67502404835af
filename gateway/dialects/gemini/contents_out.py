"""Messages as `contents` for a Gemini model."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import orjson

from gateway.conversation import (
    Audio,
    Chat,
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
from gateway.dialects.gemini.facts import MADE_ID, SKIP_SIGNATURE, Family
from gateway.dialects.gemini.native import own
from gateway.dialects.gemini.parts_out import (
    JsonObject,
    call_part,
    media_part,
    text_part,
    thought_part,
)
from gateway.errors import BadRequest


def write_contents(chat: Chat, family: Family) -> list[JsonObject]:
    """Raises BadRequest for what Gemini cannot be told."""
    writer = _Contents(family)
    for message in _merged(chat.messages):
        writer.add(message)
    contents = writer.contents
    if contents and contents[0]["role"] != "user":
        contents.insert(0, blank_turn())
    return contents


def blank_turn() -> JsonObject:
    """Gemini takes no empty turn, and no conversation that the model begins."""
    return {"role": "user", "parts": [{"text": " "}]}


def _merged(messages: list[Message]) -> Iterator[Message]:
    """All results of a step in one message, though they may have come in several."""
    for role, grouped in groupby(messages, key=lambda message: message.role):
        run = list(grouped)
        if role == "user" and any(_results(message) for message in run[1:]):
            results = [result for message in run for result in _results(message)]
            yield Message("user", [*results, *(part for message in run for part in _rest(message))])
        else:
            yield from run


def _results(message: Message) -> list[ToolResult]:
    return [part for part in message.parts if isinstance(part, ToolResult)]


def _rest(message: Message) -> list[Part]:
    return [part for part in message.parts if not isinstance(part, ToolResult)]


class _Contents:
    """Contents so far; the names of all calls by id, and the ids of the last step's calls."""

    def __init__(self, family: Family) -> None:
        self.contents: list[JsonObject] = []
        self._family = family
        self._names: dict[str, str] = {}
        self._step: list[str] = []

    def add(self, message: Message) -> None:
        if message.role == "assistant":
            role, parts = "model", self._model_parts(message.parts)
        else:
            role, parts = "user", [*self._answers(_results(message)), *_written(_rest(message))]
        if not parts and any(isinstance(part, Text) for part in message.parts):
            parts = [{"text": ""}]
        if parts:
            self.contents.append({"role": role, "parts": parts})

    def _model_parts(self, parts: list[Part]) -> list[JsonObject]:
        calls = [part for part in parts if isinstance(part, ToolCall)]
        self._step = [call.id for call in calls]
        self._names |= {call.id: call.name for call in calls}
        written = _written(parts)
        if calls and self._family.signs_calls:
            first = next(part for part in written if "functionCall" in part)
            first.setdefault("thoughtSignature", SKIP_SIGNATURE)
        return written

    def _answers(self, results: list[ToolResult]) -> list[JsonObject]:
        """In the order of the step's calls, since calls without ids are matched by it."""
        order = {id: number for number, id in enumerate(self._step)}
        results = sorted(results, key=lambda result: order.get(result.call_id, len(order)))
        responses = [self._response(result) for result in results]
        if self._family.takes_media_in_results:
            return responses
        return [*responses, *(media_part(part) for result in results for part in _media_of(result))]

    def _response(self, result: ToolResult) -> JsonObject:
        name = result.name or self._names.get(result.call_id)
        if name is None:
            raise BadRequest(f"The result of {result.call_id!r} answers no tool call before it")
        response: JsonObject = {"name": name, "response": _response_of(result)}
        if not is_made(result.call_id):
            response = {"id": result.call_id} | response
        attached = _media_of(result)
        if attached and self._family.takes_media_in_results:
            response["parts"] = [media_part(part) for part in attached]
        return {"functionResponse": response | own(result.native)}


def is_made(id: str) -> bool:
    """Whether the gateway made a call's id, since its vendor gave none."""
    return id.startswith(MADE_ID)


def _response_of(result: ToolResult) -> JsonObject:
    texts = [
        part
        for part in result.parts
        if isinstance(part, Text) or (isinstance(part, Document) and part.text is not None)
    ]
    if not texts and not result.is_error:
        return {}
    text = "\n".join(part.text or "" for part in texts)
    value = _object(text)
    if result.is_error:
        return value if value is not None and "error" in value else {"error": text}
    return {"output": text} if value is None else value


def _object(text: str) -> JsonObject | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _media_of(result: ToolResult) -> list[Image | Document]:
    return [
        part
        for part in result.parts
        if isinstance(part, Image) or (isinstance(part, Document) and part.text is None)
    ]


def _written(parts: Iterable[Part]) -> list[JsonObject]:
    return [written for part in parts if (written := _write(part)) is not None]


def _write(part: Part) -> JsonObject | None:
    match part:
        case Text() | Refusal():
            return _write_text(part)
        case ToolCall():
            id = None if is_made(part.id) else part.id
            return call_part(id, part.name, part.arguments, part.signature)
        case Thinking():
            # Gemini signs calls and texts; a signed thought is another vendor's, and no use here.
            return thought_part(part.text) if part.text else None
        case Image() | Audio() | Document():
            if isinstance(part, Document) and part.file_id is not None:
                raise BadRequest(
                    "`file_id` names a file of another provider: send the file itself",
                    param="file_id",
                    code="unsupported_parameter",
                )
            return media_part(part)
    return None


def _write_text(part: Text | Refusal) -> JsonObject | None:
    """An empty text says nothing, unless it brings a signature."""
    if isinstance(part, Refusal):
        return text_part(part.text) if part.text else None
    if not part.text and not part.signature and not own(part.native):
        return None
    return text_part(part.text, part.signature, part.native)
