"""The demo's answers as bytes: chat completions, whole and streamed, and errors."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import orjson

from gateway.errors import GatewayError
from gateway.providers.demo.reply import Call, Choice, count_tokens
from gateway.providers.demo.request import Asked

JSON = "application/json"
STREAM = "text/event-stream; charset=utf-8"
_DONE = b"data: [DONE]\n\n"
# In how many parts a stream brings a call's arguments, and a body is sent.
_PARTS = 4


class Piece(NamedTuple):
    """What is sent at once; `tokens` sets the pause that follows it."""

    data: bytes
    tokens: int = 0


def error_pieces(error: GatewayError) -> Iterator[Piece]:
    said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    yield Piece(orjson.dumps({"error": said}))


def whole(asked: Asked, answers: Sequence[Choice], created: int) -> Iterator[Piece]:
    """A chat completion, in two halves."""
    body = orjson.dumps(
        {
            **_head(asked, "chat.completion", created),
            "choices": [_choice(index, choice) for index, choice in enumerate(answers)],
            "usage": _usage(asked, answers),
        }
    )
    half = len(body) // 2
    yield Piece(body[:half])
    yield Piece(body[half:])


def streamed(asked: Asked, answers: Sequence[Choice], created: int) -> Iterator[Piece]:
    """A stream of chunks, one token each; the choices are opened in order and grow in turn."""
    head = _head(asked, "chat.completion.chunk", created)
    if asked.include_usage:
        head["usage"] = None
    for index, choice in enumerate(answers):
        opening = {"role": "assistant", "content": None if choice.calls else "", "refusal": None}
        yield _chunk(head, index, opening)
    for row in zip_longest(*map(_deltas, answers)):
        for index, delta in enumerate(row):
            if delta is not None:
                yield _chunk(head, index, *delta)
    if asked.include_usage:
        yield _event({**head, "choices": [], "usage": _usage(asked, answers)})
    yield Piece(_DONE)


def _head(asked: Asked, kind: str, created: int) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{asked.mark[:24]}",
        "object": kind,
        "created": created,
        "model": asked.model,
        "system_fingerprint": None,
    }


def _choice(index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls else "".join(choice.text),
        "refusal": None,
        "annotations": [],
    }
    if choice.calls:
        message["tool_calls"] = [_call(call, "".join(call.arguments)) for call in choice.calls]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": choice.finish}


def _call(call: Call, arguments: str) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _deltas(choice: Choice) -> Iterator[tuple[Mapping[str, Any], int, str | None]]:
    """Each delta, with its number of tokens and the finish reason that comes with it."""
    for token in choice.text:
        yield {"content": token}, 1, None
    for index, call in enumerate(choice.calls):
        yield {"tool_calls": [{"index": index, **_call(call, "")}]}, 1, None
        size = -(-len(call.arguments) // _PARTS) or 1
        for start in range(0, len(call.arguments), size):
            part = call.arguments[start : start + size]
            function = {"arguments": "".join(part)}
            yield {"tool_calls": [{"index": index, "function": function}]}, len(part), None
    yield {}, 0, choice.finish


def _chunk(
    head: Mapping[str, Any],
    index: int,
    delta: Mapping[str, Any],
    tokens: int = 0,
    finish: str | None = None,
) -> Piece:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event({**head, "choices": [choice]}, tokens)


def _event(chunk: Mapping[str, Any], tokens: int = 0) -> Piece:
    return Piece(b"data: %b\n\n" % orjson.dumps(chunk), tokens)


def _usage(asked: Asked, answers: Sequence[Choice]) -> dict[str, Any]:
    prompt = count_tokens(asked.prompt)
    completion = sum(choice.size for choice in answers)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
