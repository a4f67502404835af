"""The tool calls of one choice, put together from what vendors send for them."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.conversation import CallBegan, CallPiece, Event
from gateway.dialects.openai_chat.thoughts import google_signature

# Mistral's way to say that there is none.
_NO_ID = ("", "null")


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


@dataclass(slots=True)
class _Call:
    """`given`: the id as upstream gave it. `number` is None until the call has begun, which it
    has when its name is known; what came before waits in `held`.
    """

    given: str | None
    name: str = ""
    number: int | None = None
    held: str = ""


@dataclass(slots=True)
class CallReader:
    """`taken`: the ids that are in use anywhere in this answer."""

    choice: int
    taken: set[str]
    begun: int = 0
    _at: dict[int, _Call] = field(default_factory=dict)
    _last: _Call | None = None

    def read(self, pieces: Any, signature: str | None = None) -> list[Event]:
        """`signature`: one that came with the message, for a call that has none of its own."""
        events: list[Event] = []
        if isinstance(pieces, list):
            for piece in pieces:
                if isinstance(piece, dict):
                    events += self._piece(piece, signature)
                    signature = None
        return events

    def _piece(self, piece: dict[str, Any], signature: str | None) -> list[Event]:
        custom = isinstance(piece.get("custom"), dict)
        said = piece.get("custom") if custom else piece.get("function")
        if not isinstance(said, dict):
            said = {}
        given, name = _word(piece.get("id")), _word(said.get("name"))
        call = self._call(piece.get("index"), given if given not in _NO_ID else "", name)
        arguments = _arguments(said.get("input" if custom else "arguments"))
        if call.number is not None:
            return self._more(call, arguments)
        call.held += arguments
        if not name:
            return []
        own = google_signature(piece) or signature
        return self._begin(call, name, custom, own)

    def _call(self, index: Any, given: str, name: str) -> _Call:
        """The call that a piece belongs to: by its index, or the last one if it has none."""
        is_index = isinstance(index, int) and not isinstance(index, bool)
        call = self._at.get(index) if is_index else self._last
        # Some send whole calls that all have the same index, or none: a new name and id tell.
        if call is None or (name and _is_another(call, given, name, has_index=is_index)):
            call = _Call(given or None)
        if is_index:
            self._at[index] = call
        self._last = call
        return call

    def _begin(self, call: _Call, name: str, custom: bool, signature: str | None) -> list[Event]:
        call.name, call.number = name, self.begun
        self.begun += 1
        call_id = call.given
        if call_id is None or call_id in self.taken:
            call_id = new_call_id()
        self.taken.add(call_id)
        began = CallBegan(call.number, call_id, name, self.choice, custom, signature)
        return [began, *self._more(call, call.held)]

    def _more(self, call: _Call, arguments: str) -> list[Event]:
        if not arguments or call.number is None:
            return []
        return [CallPiece(call.number, arguments, self.choice)]


def _is_another(call: _Call, given: str, name: str, *, has_index: bool) -> bool:
    """Whether a piece that names a tool begins a call after this one."""
    if call.number is None:
        return False
    if given and call.given:
        return given != call.given
    return not has_index or name != call.name


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    """JSON text; some servers send the value itself."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than it writes
        return _by_json(value)


def _by_json(value: Any) -> str:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return "{}"
