"""Events as a stream of a Gemini model: server-sent events, or the elements of one array."""

from uuid import uuid4

import orjson

from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.gemini.candidate import (
    Candidate,
    block_reason,
    prompt_feedback,
    usage_metadata,
)
from gateway.dialects.gemini.failure import error_body, error_event
from gateway.dialects.gemini.native import native_of, own
from gateway.dialects.gemini.parts_out import JsonObject, text_part, thought_part
from gateway.dialects.gemini.signature import sealed
from gateway.errors import GatewayError

# The Python SDK cannot read comments, so nothing can be said while there is nothing to say.
KEEP_ALIVE: bytes | None = None
STREAM_TYPE = "text/event-stream; charset=utf-8"
ARRAY_TYPE = "application/json; charset=utf-8"


class StreamWriter:
    """Each event of the stream is an answer of its own. Calls go out when the choice ends, since
    Gemini's are always whole; how it ended and what was used go out last.
    """

    def __init__(self, model: str, *, include_usage: bool = True) -> None:
        self._model = orjson.dumps(model)
        self._include_usage = include_usage
        self._tail = b""
        self._usage: Counted | None = None
        self._blocked: str | None = None
        self._said = False
        self._choices: dict[int, Candidate] = {}

    def write(self, event: Event) -> bytes:
        """What to send now, which may be nothing."""
        match event:
            case TextPiece(native=None, signature=None, image=None):
                return self._text(event.text, event.choice) if event.text else b""
            case TextPiece():
                return self._native(event)
            case ThinkingPiece():
                return self._thought(event.text, event.choice) if event.text else b""
            case CallPiece():
                self._choice(event.choice).extend(event)
            case CallBegan():
                self._choice(event.choice).begin(event)
            case ThinkingSealed():
                return self._seal(event)
            case RefusalPiece():
                return self._refuse(event)
            case Cited():
                self._choice(event.choice).cite(event.citation)
            case Finished():
                return self._finish(event)
            case Counted():
                self._usage = event
            case Began():
                self._name(event.id)
        return b""

    def end(self) -> bytes:
        """The last event: finish reasons, sources, usage."""
        last: JsonObject = {}
        if self._blocked is not None and not self._said:
            last["promptFeedback"] = prompt_feedback(self._blocked, self._choices.get(0))
        else:
            ended = [(index, choice.ending()) for index, choice in sorted(self._choices.items())]
            candidates = [_last_candidate(index, ending) for index, ending in ended if ending]
            if candidates:
                last["candidates"] = candidates
        if self._usage is not None and self._include_usage:
            last["usageMetadata"] = usage_metadata(self._usage)
        return self._frame(orjson.dumps(last)[1:-1]) if last else b""

    def fail(self, error: GatewayError) -> bytes:
        """Ends a stream that has begun."""
        return error_event(error)

    def _text(self, text: str, choice: int) -> bytes:
        return self._part(b'{"text":' + orjson.dumps(text) + b"}", choice)

    def _thought(self, text: str, choice: int) -> bytes:
        return self._part(b'{"text":' + orjson.dumps(text) + b',"thought":true}', choice)

    def _native(self, event: TextPiece) -> bytes:
        native = native_of(event)
        if not event.text and not event.signature and not own(native):
            return b""
        part = text_part(event.text, event.signature, native)
        return self._part(orjson.dumps(part), event.choice)

    def _part(self, part: bytes, choice: int) -> bytes:
        self._said = True
        self._choice(choice)
        return self._frame(
            b'"candidates":[{"content":{"parts":[%b],"role":"model"},"index":%d}]' % (part, choice)
        )

    def _frame(self, members: bytes) -> bytes:
        self._name(None)
        return b"data: {%b%b\r\n\r\n" % (members, self._tail)

    def _name(self, id: str | None) -> None:
        if self._tail:
            return
        named = orjson.dumps(id or uuid4().hex)
        self._tail = b',"modelVersion":%b,"responseId":%b}' % (self._model, named)

    def _choice(self, index: int) -> Candidate:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Candidate()
        return choice

    def _seal(self, event: ThinkingSealed) -> bytes:
        signature = sealed(event.signature, event.redacted, event.details)
        if not signature:
            return b""
        return self._part(orjson.dumps(thought_part("", signature)), event.choice)

    def _refuse(self, event: RefusalPiece) -> bytes:
        blocked = block_reason(event)
        if blocked is not None and not self._said:
            self._blocked = blocked
            return b""
        return self._text(event.text, event.choice) if event.text else b""

    def _finish(self, event: Finished) -> bytes:
        choice = self._choice(event.choice)
        choice.finished = event
        calls = b",".join(orjson.dumps(call.part()) for call in choice.calls.values())
        choice.calls = {}
        return self._part(calls, event.choice) if calls else b""


def _last_candidate(index: int, ending: JsonObject) -> JsonObject:
    content = {"parts": [{"text": ""}], "role": "model"}
    return {"content": content, "index": index, **ending}


class ArrayWriter(StreamWriter):
    """The form without `alt=sse`: the same answers as elements of one array."""

    def __init__(self, model: str, *, include_usage: bool = True) -> None:
        super().__init__(model, include_usage=include_usage)
        self._begun = False

    def end(self) -> bytes:
        last = super().end()
        return last + (b"]" if self._begun else b"[]")

    def fail(self, error: GatewayError) -> bytes:
        return self._element(orjson.dumps(error_body(error))) + b"]"

    def _frame(self, members: bytes) -> bytes:
        framed = super()._frame(members)
        return self._element(framed.removeprefix(b"data: ").removesuffix(b"\r\n\r\n"))

    def _element(self, element: bytes) -> bytes:
        before = b",\r\n" if self._begun else b"["
        self._begun = True
        return before + element
