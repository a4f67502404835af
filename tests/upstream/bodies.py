"""Valid bodies in OpenAI's words, for answers that need no recording."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Body = dict[str, Any]
Call = tuple[str, Mapping[str, Any]]  # the name of a tool, and its arguments

MODEL = "test-model"
CREATED = 1_700_000_000


def completion(
    text: str | None = "Hello",
    *,
    model: str = MODEL,
    usage: bool = True,
    finish: str | None = None,
    tool_calls: Sequence[Call] = (),
    **extra: Any,
) -> Body:
    """A whole answer; `extra` are more top-level members, or others instead."""
    message: Body = {"role": "assistant", "content": text, "refusal": None}
    if tool_calls:
        message["tool_calls"] = [_tool_call(*numbered) for numbered in enumerate(tool_calls)]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish or _finish(tool_calls),
    }
    body: Body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [choice],
    }
    return body | ({"usage": _usage()} if usage else {}) | extra


def chunks(
    text_pieces: Iterable[str] = ("Hello",),
    *,
    model: str = MODEL,
    usage: bool = False,
    finish: str | None = None,
    tool_calls: Sequence[Call] = (),
    **extra: Any,
) -> list[Body]:
    """A streamed answer: chunks for the role, each piece, the finish and, if wanted, the usage.

    Each tool call comes in three: its name, and two halves of its arguments.
    """
    deltas: list[Body] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in text_pieces]
    for numbered in enumerate(tool_calls):
        deltas += [{"tool_calls": [part]} for part in _tool_call_parts(*numbered)]
    choices: list[list[Body]] = [
        [{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas
    ]
    choices.append([{"index": 0, "delta": {}, "finish_reason": finish or _finish(tool_calls)}])
    without_usage: Body = {"usage": None} if usage else {}
    stream = [_chunk(choice, model) | without_usage | extra for choice in choices]
    if usage:
        stream.append(_chunk([], model) | {"usage": _usage()} | extra)
    return stream


def error(
    message: str = "upstream failed",
    *,
    type: str = "api_error",
    code: str | int | None = None,
    param: str | None = None,
) -> Body:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def model_list(names: Iterable[str]) -> Body:
    models = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "upstream"}
        for name in names
    ]
    return {"object": "list", "data": models}


def _tool_call(index: int, call: Call) -> Body:
    name, arguments = call
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call_{index}", "type": "function", "function": function}


def _tool_call_parts(index: int, call: Call) -> Iterable[Body]:
    whole = _tool_call(index, call)
    arguments = whole["function"]["arguments"]
    middle = len(arguments) // 2
    yield {"index": index, **whole, "function": {**whole["function"], "arguments": ""}}
    for part in (arguments[:middle], arguments[middle:]):
        yield {"index": index, "function": {"arguments": part}}


def _chunk(choices: list[Body], model: str) -> Body:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "choices": choices,
    }


def _finish(tool_calls: Sequence[Call]) -> str:
    return "tool_calls" if tool_calls else "stop"


def _usage() -> Body:
    return {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
