"""Events as a whole answer of a Gemini model."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

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
    Call,
    Candidate,
    block_reason,
    prompt_feedback,
    usage_metadata,
)
from gateway.dialects.gemini.native import native_of, own
from gateway.dialects.gemini.parts_out import JsonObject, text_part, thought_part
from gateway.dialects.gemini.signature import sealed


def write_answer(events: Iterable[Event], model: str) -> dict[str, Any]:
    """A whole answer. `model`: the name it was asked by."""
    answer = _Whole()
    for event in events:
        answer.add(event)
    return answer.body(model)


class _Whole:
    def __init__(self) -> None:
        self._id: str | None = None
        self._usage: Counted | None = None
        self._blocked: str | None = None
        self._choices: dict[int, Candidate] = {}
        self._parts: dict[int, list[JsonObject | Call]] = {}
        self._run: list[str] = []
        self._run_of: tuple[int, bool] | None = None

    def add(self, event: Event) -> None:
        match event:
            case TextPiece(native=None, image=None) | ThinkingPiece() | RefusalPiece():
                self._add_text(event)
            case TextPiece():
                self._add_native(event)
            case ThinkingSealed():
                self._seal(event)
            case CallBegan():
                self._choice(event.choice).begin(event)
                self._add(event.choice, self._choice(event.choice).calls[event.call])
            case CallPiece():
                self._choice(event.choice).extend(event)
            case Cited():
                self._choice(event.choice).cite(event.citation)
            case Finished():
                self._choice(event.choice).finished = event
            case Counted():
                self._usage = event
            case Began():
                self._id = event.id

    def body(self, model: str) -> JsonObject:
        self._close_run()
        body: JsonObject = {}
        if self._blocked is not None and not any(self._parts.values()):
            body["promptFeedback"] = prompt_feedback(self._blocked, self._choices.get(0))
        else:
            body["candidates"] = [self._candidate(index) for index in sorted(self._choices)]
        if self._usage is not None:
            body["usageMetadata"] = usage_metadata(self._usage)
        return body | {"modelVersion": model, "responseId": self._id or uuid4().hex}

    def _candidate(self, index: int) -> JsonObject:
        parts = [
            part.part() if isinstance(part, Call) else part for part in self._parts.get(index, ())
        ]
        content: JsonObject = {"parts": parts} if parts else {}
        return {
            "content": content | {"role": "model"},
            "index": index,
            **self._choices[index].ending(),
        }

    def _choice(self, index: int) -> Candidate:
        return self._choices.setdefault(index, Candidate())

    def _add(self, index: int, part: JsonObject | Call) -> None:
        self._close_run()
        self._choice(index)
        self._parts.setdefault(index, []).append(part)

    def _add_native(self, event: TextPiece) -> None:
        native = native_of(event)
        if event.text or event.signature or own(native):
            self._add(event.choice, text_part(event.text, event.signature, native))

    def _add_text(self, event: TextPiece | ThinkingPiece | RefusalPiece) -> None:
        """Pieces of one kind make one part; a signature belongs to its own piece."""
        if isinstance(event, RefusalPiece) and self._blocked is None:
            self._blocked = block_reason(event)
            if self._blocked is not None:
                return
        if isinstance(event, TextPiece) and event.signature:
            self._add(event.choice, text_part(event.text, event.signature))
            return
        run = (event.choice, isinstance(event, ThinkingPiece))
        if self._run_of != run:
            self._close_run()
            self._run_of = run
        self._run.append(event.text)

    def _close_run(self) -> None:
        run, text = self._run_of, "".join(self._run)
        self._run, self._run_of = [], None
        if run is not None and text:
            self._add(run[0], thought_part(text) if run[1] else text_part(text))

    def _seal(self, event: ThinkingSealed) -> None:
        signature = sealed(event.signature, event.redacted, event.details)
        if not signature:
            return
        self._close_run()
        parts = self._parts.get(event.choice) or [{}]
        last = parts[-1]
        if isinstance(last, dict) and last.get("thought") and "thoughtSignature" not in last:
            last["thoughtSignature"] = signature
        else:
            self._add(event.choice, thought_part("", signature))
