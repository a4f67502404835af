"""What the openai package makes of answers: the judge of this dialect's tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.conversation import Event
from gateway.dialects.openai_chat import StreamReader, StreamWriter
from gateway.sse import Cutter, data_of, events, name_of
from tests.upstream import Sse, Upstream

REASONS = {"function_call": "tool_calls", "model_length": "length"}


@dataclass
class Said:
    """One choice, as a reader of the package sees it; arguments as JSON values."""

    text: str
    reasoning: str
    refusal: str | None
    tools: list[tuple[str, Any]]
    finish: str | None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Read:
    choices: list[Said]
    usage: dict[str, int | None] | None


def completion(answer: dict[str, Any]) -> ChatCompletion:
    """As the package's types take it, at their strictest."""
    return ChatCompletion.model_validate(answer, strict=True)


def chunks(stream: bytes) -> list[ChatCompletionChunk]:
    """The chunks of a stream of ours, at their strictest; it must end with [DONE]."""
    *said, done = map(data_of, events(stream))
    assert done == b"[DONE]"
    return [ChatCompletionChunk.model_validate(json.loads(data), strict=True) for data in said]


def accumulated(found: list[ChatCompletionChunk]) -> ChatCompletion:
    """By the package's own accumulator; the last usage that came stands for all."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    usage = None
    for chunk in found:
        state.handle_chunk(chunk)
        usage = chunk.usage or usage
    answer = state.current_completion_snapshot
    answer.usage = usage
    return answer


@contextmanager
def streamed(upstream: Upstream, stream: bytes) -> Iterator[openai.Stream[ChatCompletionChunk]]:
    """The stream as the package's client reads it from a socket."""
    upstream.always(Sse([event for event in events(stream)], done=False))
    with openai.OpenAI(base_url=upstream.base_url, api_key="key", max_retries=0) as client:
        ask: Any = client.chat.completions.create
        with ask(model="m", messages=[{"role": "user", "content": "?"}], stream=True) as chunks:
            yield chunks


def read(answer: ChatCompletion) -> Read:
    return Read([_said(choice) for choice in answer.choices], _usage(answer))


def feed(reader: StreamReader, stream: bytes, cuts: list[int] | None = None) -> list[Event]:
    """The events of a stream that arrives in pieces, cut wherever it likes."""
    cutter, found = Cutter(1 << 24), []
    places = [0, *sorted(cuts or ()), len(stream)]
    for start, end in zip(places, places[1:], strict=False):
        for event in events(cutter.feed(stream[start:end])):
            if data := data_of(event):
                found += reader.feed(data, name_of(event))
    return found + reader.finish()


def written(found: list[Event], *, include_usage: bool = True) -> bytes:
    writer = StreamWriter("model", include_usage=include_usage)
    return b"".join(map(writer.write, found)) + writer.end()


def _said(choice: Any) -> Said:
    message = choice.message
    extra = message.model_extra or {}
    reasoning = extra.get("reasoning_content") or extra.get("reasoning") or ""
    content = message.content
    if isinstance(content, list):  # Mistral's
        reasoning = "".join(_thinking(part) for part in content)
        content = "".join(part.get("text") or "" for part in content)
    return Said(
        text=content or "",
        reasoning=reasoning,
        refusal=message.refusal,
        tools=[_tool(call) for call in message.tool_calls or []],
        finish=REASONS.get(choice.finish_reason, choice.finish_reason),
        extra={name: value for name, value in extra.items() if value},
    )


def _thinking(part: dict[str, Any]) -> str:
    return "".join(piece["text"] for piece in part.get("thinking") or [])


def _tool(call: Any) -> tuple[str, Any]:
    if getattr(call, "custom", None) is not None:
        custom = call.custom if isinstance(call.custom, dict) else call.custom.model_dump()
        return custom["name"], custom["input"]
    return call.function.name, json.loads(call.function.arguments or "{}")


def _usage(answer: ChatCompletion) -> dict[str, int | None] | None:
    usage: Any = answer.usage
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = getattr(prompt, "cached_tokens", None)
    if cached is None:
        cached = getattr(usage, "num_cached_tokens", None)
    return {
        "prompt": usage.prompt_tokens,
        "completion": usage.completion_tokens,
        "cached": cached,
        "cache_write": getattr(prompt, "cache_write_tokens", None),
        "reasoning": getattr(completion, "reasoning_tokens", None),
    }
