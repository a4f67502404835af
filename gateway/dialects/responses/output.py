"""The output of a response, put together from an answer's events, as steps of a stream.

A message or a thought ends where something else begins. A call ends there, too, if its arguments
are complete: some vendors send those of several calls in turns.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import orjson

from gateway.conversation import (
    CallBegan,
    CallPiece,
    Cited,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.openai_chat import native as chat_native
from gateway.dialects.openai_chat.citations import annotations_of
from gateway.dialects.openai_chat.thoughts import google_content, objects
from gateway.dialects.responses.items_out import (
    CallOut,
    MessageOut,
    ReasoningOut,
    Status,
    Step,
    whole,
)
from gateway.dialects.responses.native import own
from gateway.dialects.responses.seal import State, sealed, state_of

_FILES = ("file_citation", "container_file_citation", "file_path")


class Output:
    """`names`: namespaces and own names of tools by those under which they were offered."""

    def __init__(self, names: dict[str, tuple[str, str]]) -> None:
        self.items: list[dict[str, Any]] = []
        self.finished: Finished | None = None
        self.message: MessageOut | None = None
        self._names = names
        self._reasoning: ReasoningOut | None = None
        self._calls: dict[int, CallOut] = {}
        self._last_message: MessageOut | None = None
        self._cited: list[dict[str, Any]] = []

    def take(self, event: Event) -> Iterable[Step]:
        """The steps that an event makes; of several choices a response has the first."""
        taker = self._TAKERS.get(type(event))
        if taker is None or getattr(event, "choice", 0) != 0:
            return ()
        return taker(self, event)

    def finish(self) -> Iterable[Step]:
        """Ends what is open; the last of it is incomplete if the answer is."""
        ending, steps = self.finished, list(self._explained())
        if ending is not None:
            self._note_logprobs(ending)
        cut = ending is not None and ending.reason in ("length", "content_filter")
        steps += self._end_thought(None)
        steps += self._end_message("incomplete" if cut else "completed")
        last = max(self._calls, default=None)
        for number, call in sorted(self._calls.items()):
            unfinished = cut and number == last and not _is_complete(call)
            steps += call.close("incomplete" if unfinished else "completed")
        self._calls = {}
        return steps

    def _text(self, event: TextPiece) -> Iterable[Step]:
        item = own(event.native).get("item")
        if isinstance(item, dict):
            yield from self._begin()
            self.items.append(item)
            yield from whole(len(self.items) - 1, item)
        if event.text:
            yield from self._say("output_text")
            if self.message is not None:
                yield self.message.piece(event.text)
        if event.signature:
            yield from self._sign(event.signature)

    def _refusal(self, event: RefusalPiece) -> Iterable[Step]:
        yield from self._say("refusal")
        if self.message is not None:
            yield self.message.piece(event.text)

    def _thinking(self, event: ThinkingPiece) -> Iterable[Step]:
        if self._reasoning is None:
            yield from self._think()
        if self._reasoning is not None:
            yield from self._reasoning.piece(event.text)

    def _sealed(self, event: ThinkingSealed) -> Iterable[Step]:
        yield from self._seal(state_of(event))

    def _call_began(self, event: CallBegan) -> Iterable[Step]:
        if event.signature:
            yield from self._seal(State(calls={event.id: event.signature}))
        yield from self._begin()
        call = self._calls[event.call] = CallOut(len(self.items), event, self._names)
        self.items.append(call.item)
        yield from call.open()

    def _call_piece(self, event: CallPiece) -> Iterable[Step]:
        call = self._calls.get(event.call)
        if call is not None and event.arguments:
            yield call.piece(event.arguments)

    def _cite(self, event: Cited) -> Iterable[Step]:
        """What is cited before anything is said waits for it."""
        written = self._last_message.written() if self._last_message is not None else 0
        annotations = _annotations(event.citation, written)
        if self._last_message is None:
            self._cited += annotations
            return
        for annotation in annotations:
            yield from self._last_message.annotate(annotation)

    def _finish(self, event: Finished) -> Iterable[Step]:
        self.finished = event
        return ()

    def _say(self, kind: Any) -> Iterable[Step]:
        if self.message is None:
            yield from self._begin()
            self.message = self._last_message = MessageOut(len(self.items))
            self.items.append(self.message.item)
            yield from self.message.open()
        yield from self.message.begin(kind)
        if self._cited and kind == "output_text":
            waiting, self._cited = self._cited, []
            for annotation in waiting:
                yield from self.message.annotate(annotation)

    def _think(self) -> Iterable[Step]:
        yield from self._begin()
        self._reasoning = ReasoningOut(len(self.items))
        self.items.append(self._reasoning.item)
        yield from self._reasoning.open()

    def _seal(self, state: State) -> Iterable[Step]:
        encrypted = sealed(state)
        if self._reasoning is None and encrypted is not None:
            yield from self._think()
        yield from self._end_thought(encrypted)

    def _sign(self, signature: str) -> Iterable[Step]:
        """A message bears the signature of its text; a text that says nothing has none to bear."""
        if self._last_message is not None:
            self._last_message.item["extra_content"] = google_content(signature)
        else:
            yield from self._seal(State(text=signature))

    def _begin(self) -> Iterable[Step]:
        """Ends what must not be open any longer when an item begins."""
        yield from self._end_thought(None)
        yield from self._end_message("completed")
        for number, call in list(self._calls.items()):
            if _is_complete(call):
                yield from call.close("completed")
                del self._calls[number]

    def _end_thought(self, encrypted: str | None) -> Iterable[Step]:
        if self._reasoning is not None:
            reasoning, self._reasoning = self._reasoning, None
            yield from reasoning.close(encrypted)

    def _end_message(self, status: Status) -> Iterable[Step]:
        if self.message is not None:
            message, self.message = self.message, None
            yield from message.close(status)

    def _explained(self) -> Iterable[Step]:
        """Why content was withheld, as a refusal, unless the model has refused itself."""
        why = self.finished.explanation if self.finished is not None else None
        message = self._last_message
        refused = message is not None and any(part["type"] == "refusal" for part in message.parts)
        if why and not refused:
            yield from self._refusal(RefusalPiece(why))

    def _note_logprobs(self, ending: Finished) -> None:
        told = chat_native.own(ending.native).get("logprobs")
        entries = objects(told.get("content")) if isinstance(told, dict) else []
        message = self._last_message
        texts = [part for part in message.parts if "logprobs" in part] if message else []
        if texts:
            texts[-1]["logprobs"] = [_logprob(each) for each in entries]

    _TAKERS: ClassVar[dict[type, Callable[[Any, Any], Iterable[Step]]]] = {
        TextPiece: _text,
        RefusalPiece: _refusal,
        ThinkingPiece: _thinking,
        ThinkingSealed: _sealed,
        CallBegan: _call_began,
        CallPiece: _call_piece,
        Cited: _cite,
        Finished: _finish,
    }


def _is_complete(call: CallOut) -> bool:
    """Nobody sends the input of custom tools in turns; no other's end can be told."""
    if call.custom:
        return True
    try:
        return isinstance(orjson.loads("".join(call.pieces)), dict)
    except orjson.JSONDecodeError:
        return False


def _annotations(citation: dict[str, Any], place: int) -> list[dict[str, Any]]:
    """OpenAI's own of files as they came, and of addresses in this dialect's flat form."""
    if citation.get("type") in _FILES:
        return [citation]
    found = [annotation["url_citation"] for annotation in annotations_of(citation, place)]
    members = ("start_index", "end_index", "title", "url")
    return [{"type": "url_citation", **{name: inner[name] for name in members}} for inner in found]


def _logprob(entry: dict[str, Any]) -> dict[str, Any]:
    """Here each token's bytes must be there."""
    written = {**entry, "bytes": entry.get("bytes") or list(str(entry.get("token")).encode())}
    if "top_logprobs" in entry:
        written["top_logprobs"] = [_logprob(each) for each in objects(entry["top_logprobs"])]
    return written
