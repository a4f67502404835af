"""Reads an answer of a vendor of this dialect, whole or as a stream, however it is worded."""

from collections.abc import Callable
from typing import Any, ClassVar

import orjson

from gateway.chat import Usage
from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Event,
    Finished,
    FinishReason,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.openai_chat.calls_in import new_call_id
from gateway.dialects.openai_chat.thoughts import objects
from gateway.dialects.responses.items_in import thought_text
from gateway.dialects.responses.native import kept
from gateway.dialects.responses.usage import counted

_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_REASONS: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
}
# No count of seconds is as high before the year 5138.
_MOST_SECONDS = 100_000_000_000
_ENDED = ("completed", "complete", "incomplete", "cancelled")


def read_answer(body: dict[str, Any]) -> list[Event]:
    """A whole answer, as the events of a stream that says the same."""
    if not isinstance(body, dict):
        return []
    items = _Items()
    return [_began(body), *items.all_done(body), *_end(body, items)]


class StreamReader:
    """`ended`: upstream said that the response is complete, or why it is not. `failure`: the error
    object that came instead; nothing is read after it.
    """

    usage: Usage | None = None
    """It is told with the end alone."""

    def __init__(self) -> None:
        self.ended = False
        self.failure: Any = None
        self._began = False
        self._items = _Items()

    def feed(self, data: bytes, name: str | None = None) -> list[Event]:
        """The data of one event, and the event's name."""
        if self.ended or self.failure is not None:
            return []
        try:
            said = orjson.loads(data)
        except orjson.JSONDecodeError:
            if name == "error" or (not self._began and data != b"[DONE]"):
                self.failure = data.decode(errors="replace")
            return []
        if not isinstance(said, dict):
            return []
        kind = said.get("type", name)
        take = self._TAKERS.get(kind) if isinstance(kind, str) else None
        if take is not None:
            return take(self, said)
        if said.get("error"):
            self.failure = said
        return []

    def finish(self) -> list[Event]:
        """Nothing waits for the end."""
        return []

    def _created(self, said: dict[str, Any]) -> list[Event]:
        if self._began:
            return []
        self._began = True
        return [_began(_object(said.get("response")))]

    def _text(self, said: dict[str, Any]) -> list[Event]:
        return self._items.text(said)

    def _refusal(self, said: dict[str, Any]) -> list[Event]:
        return self._items.refusal(said)

    def _thought(self, said: dict[str, Any]) -> list[Event]:
        return self._items.thought(said)

    def _arguments(self, said: dict[str, Any]) -> list[Event]:
        return self._items.arguments(said)

    def _cited(self, said: dict[str, Any]) -> list[Event]:
        return self._items.cite(_index(said), [said.get("annotation")])

    def _added(self, said: dict[str, Any]) -> list[Event]:
        return self._items.added(_index(said), _object(said.get("item")))

    def _done(self, said: dict[str, Any]) -> list[Event]:
        return self._items.done(_index(said), _object(said.get("item")))

    def _ended(self, said: dict[str, Any]) -> list[Event]:
        self.ended = True
        body = _object(said.get("response"))
        events: list[Event] = [] if self._began else [_began(body)]
        if not self._items.told:
            events += self._items.all_done(body)
        return events + _end({"status": "completed", **body}, self._items)

    def _failed(self, said: dict[str, Any]) -> list[Event]:
        error = _object(said.get("response")).get("error")
        self.failure = {"error": error or {"message": "The response failed", "code": None}}
        return []

    def _error(self, said: dict[str, Any]) -> list[Event]:
        """The error stands in the event itself, or in a member of it."""
        members = {name: value for name, value in said.items() if name != "type"}
        self.failure = {"error": said.get("error") or members}
        return []

    _TAKERS: ClassVar[dict[str, Callable[["StreamReader", dict[str, Any]], list[Event]]]] = {
        "response.output_text.delta": _text,
        "response.function_call_arguments.delta": _arguments,
        "response.custom_tool_call_input.delta": _arguments,
        "response.reasoning_summary_text.delta": _thought,
        "response.reasoning_text.delta": _thought,
        "response.refusal.delta": _refusal,
        "response.output_text.annotation.added": _cited,
        "response.output_item.added": _added,
        "response.output_item.done": _done,
        "response.created": _created,
        "response.in_progress": _created,
        "response.queued": _created,
        "response.completed": _ended,
        "response.incomplete": _ended,
        "response.failed": _failed,
        "error": _error,
    }


class _Item:
    """What was told of one item. `thought`: which kind of thoughts, and which part of them, came
    last; `call` is its number if it is one.
    """

    __slots__ = ("call", "cited", "done", "said", "thought")

    def __init__(self) -> None:
        self.call: int | None = None
        self.cited: list[Any] = []
        self.said = False
        self.thought: tuple[Any, Any] | None = None
        self.done = False


class _Items:
    """The items of an answer, each told once, whether in pieces, whole, or both."""

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}
        self._taken: set[str] = set()
        self.calls = 0

    @property
    def told(self) -> bool:
        return bool(self._items)

    def all_done(self, body: dict[str, Any]) -> list[Event]:
        found = enumerate(objects(body.get("output")))
        return [event for at, item in found for event in self.done(at, item)]

    def added(self, at: int, item: dict[str, Any]) -> list[Event]:
        told = self._at(at)
        return self._begin(told, item) if _word(item.get("type")) in _CALLS else []

    def text(self, said: dict[str, Any]) -> list[Event]:
        text = said.get("delta")
        if not text or not isinstance(text, str):
            return []
        self._at(_index(said)).said = True
        return [TextPiece(text)]

    def refusal(self, said: dict[str, Any]) -> list[Event]:
        text = said.get("delta")
        if not text or not isinstance(text, str):
            return []
        self._at(_index(said)).said = True
        return [RefusalPiece(text)]

    def thought(self, said: dict[str, Any]) -> list[Event]:
        """A model may tell its thoughts and a summary of them: one of the two is read."""
        text, told = said.get("delta"), self._at(_index(said))
        if not text or not isinstance(text, str):
            return []
        place = (said.get("type"), said.get("summary_index", said.get("content_index")))
        if told.thought is not None and told.thought[0] != place[0]:
            return []
        between = "" if told.thought in (None, place) else "\n\n"
        told.thought, told.said = place, True
        return [ThinkingPiece(between + text)]

    def arguments(self, said: dict[str, Any]) -> list[Event]:
        text, told = said.get("delta"), self._at(_index(said))
        if told.call is None or not text or not isinstance(text, str):
            return []
        told.said = True
        return [CallPiece(told.call, text)]

    def cite(self, at: int, annotations: list[Any]) -> list[Event]:
        told = self._at(at)
        fresh = [each for each in objects(annotations) if each not in told.cited]
        told.cited += fresh
        return [Cited(each) for each in fresh]

    def done(self, at: int, item: dict[str, Any]) -> list[Event]:
        """What of a whole item was not told in pieces."""
        told = self._at(at)
        if told.done:
            return []
        told.done = True
        kind = _word(item.get("type"))
        if kind == "message":
            return self._message(at, told, item)
        if kind == "reasoning":
            return self._reasoning(told, item)
        if kind in _CALLS:
            return self._call(told, item, _CALLS[kind])
        return [] if kind is None else [TextPiece("", native=kept({"item": item}))]

    def _at(self, at: int) -> _Item:
        found = self._items.get(at)
        if found is None:
            found = self._items[at] = _Item()
        return found

    def _begin(self, told: _Item, item: dict[str, Any]) -> list[Event]:
        name = item.get("name")
        if told.call is not None or not name or not isinstance(name, str):
            return []
        told.call = self.calls
        self.calls += 1
        call_id = item.get("call_id") or item.get("id")
        if not isinstance(call_id, str) or call_id in self._taken:
            call_id = new_call_id()
        self._taken.add(call_id)
        custom = item["type"] == "custom_tool_call"
        namespace = item.get("namespace")
        native = kept({"namespace": namespace} if isinstance(namespace, str) else {})
        return [CallBegan(told.call, call_id, name, custom=custom, native=native)]

    def _call(self, told: _Item, item: dict[str, Any], member: str) -> list[Event]:
        events = self._begin(told, item)
        arguments = item.get(member)
        if told.call is None or told.said or not arguments or not isinstance(arguments, str):
            return events
        return [*events, CallPiece(told.call, arguments)]

    def _message(self, at: int, told: _Item, item: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        for part in objects(item.get("content")):
            text, refusal = part.get("text"), part.get("refusal")
            if not told.said and text and isinstance(text, str):
                events.append(TextPiece(text))
            if not told.said and refusal and isinstance(refusal, str):
                events.append(RefusalPiece(refusal))
            events += self.cite(at, objects(part.get("annotations")))
        return events

    def _reasoning(self, told: _Item, item: dict[str, Any]) -> list[Event]:
        text = "" if told.said else thought_text(item)
        thoughts: list[Event] = [ThinkingPiece(text)] if text else []
        return [*thoughts, ThinkingSealed(details=item)]


def _end(body: dict[str, Any], items: _Items) -> list[Event]:
    usage = counted(body.get("usage"))
    reason = _reason(body, items)
    return [
        *([] if reason is None else [Finished(reason)]),
        *([] if usage is None else [usage]),
    ]


def _reason(body: dict[str, Any], items: _Items) -> FinishReason | None:
    """None while the response is not complete."""
    if body.get("status") not in (*_ENDED, None):
        return None
    why = _object(body.get("incomplete_details")).get("reason")
    if isinstance(why, str) and why in _REASONS:
        return _REASONS[why]
    return "tool_calls" if items.calls else "stop"


def _began(body: dict[str, Any]) -> Began:
    created = body.get("created_at")
    if not isinstance(created, int | float) or not 0 < created < _MOST_SECONDS:
        created = None
    seconds = None if created is None else int(created)
    return Began(_word(body.get("id")), _word(body.get("model")), seconds)


def _index(said: dict[str, Any]) -> int:
    index = said.get("output_index")
    return index if type(index) is int else 0


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str | None:
    return value if value and isinstance(value, str) else None
