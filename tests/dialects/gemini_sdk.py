"""Gemini's recordings, and what Google's own SDK makes of an answer."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from google import genai
from google.genai import types

from gateway.sse import data_of, events
from tests.upstream import Json, Recording, Sse, Upstream, load
from tests.upstream.recordings import RECORDINGS

ALL = load(RECORDINGS.with_name("gemini.jsonl.gz"))
CHATS = [row for row in ALL if "enerateContent" in row.path]
WHOLE = [row for row in CHATS if row.kind == "json" and row.status == 200]
STREAMS = [row for row in CHATS if row.kind == "sse"]
EMBEDDINGS = [row for row in ALL if row.path.endswith(":batchEmbedContents")]


def model_of(recording: Recording) -> str:
    return recording.path.rpartition("/")[2].partition(":")[0]


def chunks_of(recording: Recording) -> list[bytes]:
    """The data of each event of a recorded stream."""
    return [data_of(event) for event in events(recording.body())]


class Sdk:
    """Asks a loopback upstream that gives the answer in hand."""

    def __init__(self, upstream: Upstream, client: genai.Client) -> None:
        self._upstream = upstream
        self._client = client

    def whole(self, body: bytes) -> list[types.GenerateContentResponse]:
        self._upstream.always(Json(body))
        return [self._client.models.generate_content(model="m", contents="q")]

    def stream(self, pieces: Iterable[bytes]) -> list[types.GenerateContentResponse]:
        self._upstream.always(Sse([piece for piece in pieces if piece], done=False))
        return list(self._client.models.generate_content_stream(model="m", contents="q"))


@contextmanager
def sdk() -> Iterator[Sdk]:
    with Upstream() as upstream:
        options = types.HttpOptions(base_url=upstream.origin)
        with genai.Client(api_key="k", http_options=options) as client:
            yield Sdk(upstream, client)


def view(answers: Iterable[types.GenerateContentResponse]) -> dict[str, Any]:
    """All that a client can read in an answer, whether it came whole or in pieces.

    Left out: ids that the SDK's caller cannot tell from made ones (see `ids`), and where the
    pieces of a text begin and end.
    """
    seen: dict[str, Any] = {"candidates": {}, "usage": None, "feedback": None, "id": None}
    for answer in answers:
        seen["id"] = seen["id"] or answer.response_id
        if answer.usage_metadata is not None:
            seen["usage"] = plain(answer.usage_metadata)
        if answer.prompt_feedback is not None:
            seen["feedback"] = plain(answer.prompt_feedback)
        for candidate in answer.candidates or []:
            at = seen["candidates"].setdefault(candidate.index or 0, {"parts": []})
            for part in (candidate.content and candidate.content.parts) or []:
                add_part(at["parts"], plain(part))
            ending = plain(candidate)
            for name in ("content", "index"):
                ending.pop(name, None)
            at |= ending
    return seen


def add_part(parts: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Texts of one kind are joined up to a signature; empty ones are nothing."""
    if part.get("text") == "" and not part.get("thought_signature"):
        return
    call = part.get("function_call")
    if call is not None:
        call.pop("id", None)
    last = parts[-1] if parts else {}
    joins = {"text"} <= part.keys() <= {"text", "thought"} and part.keys() == last.keys()
    if joins and not part.keys() ^ last.keys():
        last["text"] += part["text"]
    else:
        parts.append(part)


def plain(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = model.model_dump(mode="json", exclude_none=True)
    return found


def ids(answers: Iterable[types.GenerateContentResponse]) -> list[str | None]:
    """The ids of all calls, in order."""
    return [
        part.function_call.id
        for answer in answers
        for candidate in answer.candidates or []
        for part in (candidate.content and candidate.content.parts) or []
        if part.function_call is not None
    ]
