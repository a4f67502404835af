"""Anthropic's recordings, and what Anthropic's own SDK makes of an answer."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import orjson
from anthropic.types.beta import BetaMessage

from gateway.conversation import Event
from gateway.dialects.anthropic import StreamReader, StreamWriter
from gateway.sse import data_of, events
from tests.upstream import Json, Recording, Sse, Upstream, load
from tests.upstream.recordings import RECORDINGS

ALL = load(RECORDINGS.with_name("anthropic.jsonl.gz"))
ANSWERED = [row for row in ALL if row.path == "/v1/messages" and row.status == 200]
WHOLE = [row for row in ANSWERED if not row.stream]
STREAMS = [row for row in ANSWERED if row.stream]


class Sdk:
    """Asks a loopback upstream that gives the answer in hand.

    The beta half of the SDK knows all blocks that the recordings hold, and uses the same wire.
    """

    def __init__(self, upstream: Upstream, client: anthropic.Anthropic) -> None:
        self._upstream = upstream
        self._client = client

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        self._upstream.always(Json(orjson.dumps(body)))
        return plain(self._client.beta.messages.create(**_QUESTION))

    def stream(self, pieces: Iterable[bytes]) -> dict[str, Any]:
        """The message that the SDK's accumulator has when the stream is over."""
        self._upstream.always(Sse([piece for piece in pieces if piece], done=False))
        with self._client.beta.messages.stream(**_QUESTION) as stream:
            return plain(stream.get_final_message())

    def event_types(self, pieces: Iterable[bytes]) -> list[str]:
        self._upstream.always(Sse([piece for piece in pieces if piece], done=False))
        with self._client.messages.create(**_QUESTION, stream=True) as stream:
            return [event.type for event in stream]


_QUESTION: Any = {
    "model": "m",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "q"}],
}


@contextmanager
def sdk() -> Iterator[Sdk]:
    with Upstream() as upstream:
        with anthropic.Anthropic(base_url=upstream.origin, api_key="k", max_retries=0) as client:
            yield Sdk(upstream, client)


def plain(message: Any) -> dict[str, Any]:
    """All that a client can read in a message.

    Left out: what is null, a call's caller where it is the default, and empty usage figures.
    """
    found: dict[str, Any] = message.to_dict(mode="json")
    for block in found["content"]:
        if block.get("caller") == {"type": "direct"}:
            del block["caller"]
    found["content"] = [_told(block) for block in found["content"]]
    found["usage"] = {name: value for name, value in found["usage"].items() if value}
    return _told(found)


def _told(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def is_strictly_a_message(body: Any) -> bool:
    """Whether the SDK's types take it without any coercion."""
    try:
        BetaMessage.model_validate_json(orjson.dumps(body), strict=True)
    except ValueError:
        return False
    return True


def read(stream: bytes) -> list[Event]:
    """The events of a whole recorded stream."""
    reader = StreamReader()
    found = [event for one in events(stream) for event in reader.feed(data_of(one))]
    assert reader.ended and reader.failure is None
    return [*found, *reader.finish()]


def streamed(found: Iterable[Event]) -> list[bytes]:
    writer = StreamWriter("m")
    return [*(writer.write(event) for event in found), writer.end()]


def name(recording: Recording) -> str:
    return recording.id
