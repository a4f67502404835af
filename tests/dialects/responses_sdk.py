"""What the openai package makes of responses: the judge of this dialect's tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from openai._models import construct_type
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.conversation import Event
from gateway.dialects.responses import StreamReader, StreamWriter
from gateway.sse import Cutter, data_of, events, name_of
from tests.upstream import Recording, Sse, Upstream, load

RECORDINGS = load(
    Path(__file__).parents[1] / "fixtures" / "recordings" / "openai-responses.jsonl.gz"
)
# Two recordings have a status that OpenAI does not know.
STATUSES = {"complete": "completed"}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
CALLS = ("function_call", "custom_tool_call")
OURS = (*CALLS, "message", "reasoning")


@dataclass
class Read:
    """A response as a reader of the package sees it; arguments as JSON values."""

    text: str
    reasoning: str
    refusal: str
    tools: list[tuple[str, Any]]
    sealed: list[str]
    cited: list[str]
    others: list[str]
    status: str
    incomplete: str | None
    usage: dict[str, int] | None


def strict(answer: dict[str, Any]) -> Response:
    """As the package's types take it, at their strictest, but for items of the vendor's own: those
    stay as they came, and the recorded ones are older than the types.
    """
    ours = [item for item in answer["output"] if item["type"] in OURS]
    Response.model_validate({**answer, "output": ours}, strict=True)
    return lenient(answer)


def lenient(answer: dict[str, Any]) -> Response:
    """As the package itself takes what a vendor sends."""
    found: Any = construct_type(type_=Response, value=answer)
    return found  # type: ignore[no-any-return]


def said(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream of ours: named by their types, numbered, fit for the types."""
    found = []
    for at, event in enumerate(events(stream)):
        step = json.loads(data_of(event))
        assert name_of(event) == step["type"]
        assert step["sequence_number"] == at
        if "response" in step:
            strict(step["response"])
        elif step.get("item", {}).get("type", "message") in OURS:
            EVENT.validate_python(step, strict=True)
        found.append(step)
    return found


def last_response(recording: Recording) -> dict[str, Any]:
    """The response with which a recorded stream ends."""
    told = steps(recording)
    return next(each["response"] for each in told if each["type"] == "response.completed")


def done_items(recording: Recording) -> list[dict[str, Any]]:
    """The items as they came in a recorded stream: in the end OpenAI seals thoughts anew."""
    told = steps(recording)
    return [each["item"] for each in told if each["type"] == "response.output_item.done"]


def steps(recording: Recording) -> list[dict[str, Any]]:
    datas = map(data_of, events(recording.body()))
    return [json.loads(data) for data in datas if data and data != b"[DONE]"]


@contextmanager
def client_of(upstream: Upstream, stream: bytes) -> Iterator[openai.OpenAI]:
    """The package's client; what it asks is answered with the stream, over a socket."""
    upstream.always(Sse(list(events(stream)), done=False))
    with openai.OpenAI(base_url=upstream.base_url, api_key="key", max_retries=0) as client:
        yield client


def accumulated(upstream: Upstream, stream: bytes) -> Response:
    """By the package's own accumulator; its snapshots of text agree with the end."""
    with client_of(upstream, stream) as client:
        with client.responses.stream(model="m", input="?") as found:
            snapshots = ""
            for event in found:
                if event.type == "response.output_text.done":
                    snapshots += event.text
            answer = found.get_final_response()
    assert snapshots == answer.output_text
    return answer


def read(response: Response) -> Read:
    items: list[Any] = list(response.output or [])
    parts = [part for item in items if item.type == "message" for part in item.content]
    texts = [part for part in parts if part.type == "output_text"]
    thoughts = [item for item in items if item.type == "reasoning"]
    usage = response.usage
    why = response.incomplete_details
    return Read(
        text="".join(part.text for part in texts),
        reasoning="\n\n".join(filter(None, map(_thought, thoughts))),
        refusal="".join(part.refusal for part in parts if part.type == "refusal"),
        tools=[_tool(item) for item in items if item.type in CALLS],
        sealed=[item.encrypted_content for item in thoughts if item.encrypted_content],
        cited=[
            getattr(each, "url", None) or each.file_id
            for part in texts
            for each in part.annotations
        ],
        others=[item.type for item in items if item.type not in (*CALLS, "message", "reasoning")],
        status=STATUSES.get(str(response.status), str(response.status)),
        incomplete=why.reason if why is not None else None,
        usage=None if usage is None else _usage(usage),
    )


def feed(reader: StreamReader, stream: bytes, cuts: list[int] | None = None) -> list[Event]:
    """The events of a stream that arrives in pieces, cut wherever it likes."""
    cutter, found = Cutter(1 << 24), []
    places = [0, *sorted(cuts or ()), len(stream)]
    for start, end in zip(places, places[1:], strict=False):
        for event in events(cutter.feed(stream[start:end])):
            if data := data_of(event):
                found += reader.feed(data, name_of(event))
    return found + reader.finish()


def written(found: list[Event], **about: Any) -> bytes:
    writer = StreamWriter("model", **about)
    return b"".join(map(writer.write, found)) + writer.end()


def _thought(item: Any) -> str:
    return "\n\n".join(part.text for part in item.summary or getattr(item, "content", None) or [])


def _tool(item: Any) -> tuple[str, Any]:
    if item.type == "custom_tool_call":
        return item.name, item.input
    return item.name, json.loads(item.arguments)


def _usage(usage: Any) -> dict[str, int]:
    return {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "total": usage.total_tokens,
        "cached": usage.input_tokens_details.cached_tokens,
        "cache_write": getattr(usage.input_tokens_details, "cache_write_tokens", None) or 0,
        "reasoning": usage.output_tokens_details.reasoning_tokens,
    }
