"""What is kept for a client between two of its calls, and put back into the next question.

Reasoning state, by the tool calls that it belongs to; and whole responses, for
`previous_response_id`. `dialects/recall.py` knows what it is, `store/state.py` where it lies.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from gateway.chat import ChatRequest, Learned
from gateway.conversation import Chat
from gateway.dialects import recall
from gateway.dialects.responses import stored_items
from gateway.dialects.translation import in_dialect
from gateway.errors import Unavailable
from gateway.providers.base import Target
from gateway.store.state import States

_CALL, _RESPONSE, _ROUNDS = "call", "response", "rounds"


def origin_of(target: Target) -> str:
    """Whose state it is: Gemini refuses a signature from another model, key or address."""
    return f"{target.provider.id} {target.credentials.base_url}\n{target.model}"


class Memory:
    """What one exchange finds and leaves of its client's state; each thing is read once."""

    __slots__ = ("_states", "_client", "_known", "_before")

    def __init__(self, states: States, client: int) -> None:
        self._states = states
        self._client = client
        self._known: dict[str, recall.Kept | None] = {}
        self._before: list[str] = []

    def in_dialect(
        self, request: ChatRequest, dialect: str, target: Target
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        """As `translation.in_dialect`, with what the client has left to the gateway."""
        if request.dialect != dialect:
            self.look_back(request)
            if _goes_on(request) and request.earlier is None and self._states.degraded is not None:
                raise Unavailable("What is kept for clients cannot be read now: try again later")
        sent, unsaid = in_dialect(
            request,
            dialect,
            target.model,
            target.provider.accepts,
            lambda chat: self._restore(chat, target),
        )
        return self._completed(sent, target), unsaid

    def look_back(self, request: ChatRequest) -> None:
        """Finds the conversation that a question goes on with, if it is kept here."""
        if _goes_on(request) and request.earlier is None:
            previous = request.body["previous_response_id"]
            found = conversation(self._states, self._client, previous)
            if found is not None:
                self._before, request.earlier = found

    def _restore(self, chat: Chat, target: Target) -> None:
        """Gives a question that is translated the reasoning state of its tool calls."""
        if keys := recall.keys_in(chat):
            recall.restore(chat, self._found(keys), origin_of(target))

    def _completed(self, sent: ChatRequest, target: Target) -> ChatRequest:
        """The question with what the vendor's row wants back in each of the model's messages."""
        members = target.provider.quirks.returned
        if not members or sent.dialect != "openai":
            return sent
        found = self._found(recall.keys_lacking(sent.body, members))
        return recall.completed(sent, members, found, origin_of(target))

    def keep(self, asked: ChatRequest, sent: ChatRequest, target: Target, learned: Learned) -> None:
        """Leaves what the next question may need. May be called again when there is more."""
        if asked.dialect == "responses" and asked.body.get("store") is False:
            return  # such a client carries all of it itself
        members = target.provider.quirks.returned
        if len(learned.state) > learned.kept and (
            members or asked.chat is not None or asked.dialect != sent.dialect
        ):
            learned.kept = len(learned.state)
            plain = recall.TEXT in members
            with suppress(orjson.JSONEncodeError):  # nested deeper than it can be written
                values = recall.kept_of(learned.state, origin_of(target), plain=plain)
                self._states.put(self._client, _CALL, values)
        self.keep_response_of(asked, learned)

    def keep_response_of(self, asked: ChatRequest, learned: Learned) -> None:
        """Leaves the whole answer of a door that may go on from it by its id."""
        if learned.response is None or asked.body.get("store") is False:
            return
        with suppress(orjson.JSONEncodeError):
            self._keep_response(asked, learned.response)

    def keep_rounds(self, values: Mapping[str, str]) -> None:
        """Leaves rounds in which the client had calls beside the gateway's own."""
        self._states.put(self._client, _ROUNDS, values)

    def kept_rounds(self, keys: Sequence[str]) -> dict[str, str]:
        return self._states.get(self._client, _ROUNDS, keys) if keys else {}

    def _found(self, keys: Sequence[str]) -> dict[str, recall.Kept]:
        unknown = [key for key in dict.fromkeys(keys) if key not in self._known]
        if unknown:
            found = self._states.get(self._client, _CALL, unknown)
            self._known |= {
                key: recall.read(found[key]) if key in found else None for key in unknown
            }
        return {key: kept for key in keys if (kept := self._known[key]) is not None}

    def _keep_response(self, asked: ChatRequest, response: dict[str, Any]) -> None:
        """Each with what its own question said; those before it are named."""
        said = {"input": asked.body.get("input"), "response": response, "before": self._before}
        value = orjson.dumps(said).decode()
        self._states.put(self._client, _RESPONSE, {response["id"]: value})


def _goes_on(request: ChatRequest) -> bool:
    return request.dialect == "responses" and bool(request.body.get("previous_response_id"))


def conversation(
    states: States, client: int, response_id: str
) -> tuple[list[str], list[dict[str, Any]]] | None:
    """The responses up to this one, and all their items; None if a part of it is not known."""
    last = _stored(states, client, [response_id]).get(response_id)
    if last is None:
        return None
    ids = [*last["before"], response_id]
    known = _stored(states, client, last["before"]) | {response_id: last}
    if len(known) < len(ids):
        return None
    said = (stored_items(known[id], known[id]["response"]) for id in ids)
    return ids, [item for items in said for item in items]


def stored_response(states: States, client: int, response_id: str) -> dict[str, Any] | None:
    """A response as it was given."""
    found = _stored(states, client, [response_id]).get(response_id)
    return None if found is None else found["response"]


def forget_response(states: States, client: int, response_id: str) -> bool:
    """Whether there was one. A conversation that went on from it cannot go on any more."""
    known = stored_response(states, client, response_id) is not None
    states.forget(client, _RESPONSE, [response_id])
    return known


def _stored(states: States, client: int, ids: list[str]) -> dict[str, dict[str, Any]]:
    found = states.get(client, _RESPONSE, ids) if ids else {}
    return {id: orjson.loads(value) for id, value in found.items()}
