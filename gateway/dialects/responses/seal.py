"""Other vendors' reasoning state, on its way through a client of this dialect.

A client brings a reasoning item's `encrypted_content` back unread. There the signature of a thought
travels, a redacted block, a vendor's own item, and the signatures of the calls that follow: marked,
and in base64.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.conversation import ThinkingSealed

_MARK = b"gateway-reasoning:"  # a multiple of three bytes, so that its base64 is a prefix, too
_MARK_TEXT = b64encode(_MARK).decode()


@dataclass(slots=True)
class State:
    """`calls`: the signatures of tool calls by their ids; `text`: that of the text before it."""

    signature: str | None = None
    redacted: str | None = None
    details: dict[str, Any] | None = None
    calls: dict[str, str] = field(default_factory=dict)
    text: str | None = None


def state_of(event: ThinkingSealed) -> State:
    return State(event.signature, event.redacted, event.details)


def sealed(state: State) -> str | None:
    """The `encrypted_content` of a reasoning item; None if there is nothing to carry."""
    if state.details is not None and state.details.get("type") == "reasoning":
        content = state.details.get("encrypted_content")
        return content if isinstance(content, str) else None
    members = {name: getattr(state, name) for name in State.__slots__}
    said = {name: value for name, value in members.items() if value}
    return b64encode(_MARK + orjson.dumps(said)).decode() if said else None


def opened(content: Any) -> State | None:
    """What was sealed here; None for what OpenAI sealed, or what is broken."""
    if not isinstance(content, str) or not content.startswith(_MARK_TEXT):
        return None
    try:
        said = orjson.loads(b64decode(content)[len(_MARK) :])
    except ValueError:
        return None
    return _state(said) if isinstance(said, dict) else None


def _state(said: dict[str, Any]) -> State:
    calls, details = said.get("calls"), said.get("details")
    return State(
        signature=_text(said.get("signature")),
        redacted=_text(said.get("redacted")),
        details=details if isinstance(details, dict) else None,
        calls=_texts(calls) if isinstance(calls, dict) else {},
        text=_text(said.get("text")),
    )


def _texts(found: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
