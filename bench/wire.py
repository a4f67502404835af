"""What is asked and answered: texts in the shapes and sizes that OpenAI's API has."""

import json
import re
from typing import Any

EVENTS = 100
STAMP = re.compile(rb'"content":"@(\d+)"')
LAST = b"data: [DONE]\n\n"
_SIZE = 1024
_ID = "chatcmpl-CDuXJ7mVwPq3nRk0sTfHbLzYa1e9G"
_USAGE = {
    "prompt_tokens": 228,
    "completion_tokens": EVENTS - 2,
    "total_tokens": 226 + EVENTS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def question(model: str, *, stream: bool = False, usage: bool = False) -> str:
    """A request of 1 kB; the model's name tells the static upstream what to answer."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": ""},
        ],
        "temperature": 0.7,
    }
    if stream:
        body["stream"] = True
    if usage:
        body["stream_options"] = {"include_usage": True}
    return _filled(body, body["messages"][1])


def whole() -> bytes:
    """A whole answer of 1 kB."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "annotations": [],
    }
    body = {
        "id": _ID,
        "object": "chat.completion",
        "created": 1757420003,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_8bda4d3a2c",
    }
    return _filled(body, message).encode()


def stream(*, usage: bool) -> list[bytes]:
    """The events of a streamed answer and the [DONE] behind them."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": f" word{number}"} for number in range(EVENTS - 2)]
    return [event(delta, usage=usage) for delta in deltas] + ending(usage=usage)


def ending(*, usage: bool) -> list[bytes]:
    """What comes behind the text: the finish, the usage if it was asked for, and [DONE]."""
    counted = [_written([], {"usage": _USAGE})] if usage else []
    return [event({}, "stop", usage=usage), *counted, LAST]


def event(delta: dict[str, Any], finish: str | None = None, *, usage: bool) -> bytes:
    """About 250 bytes."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _written([choice], {"usage": None} if usage else {})


def stamped(*, usage: bool) -> tuple[bytes, bytes]:
    """An event whose text is a moment: what stands before and behind the moment's digits."""
    before, _, behind = event({"content": "@0"}, usage=usage).partition(b"@0")
    return before + b"@", behind


def _written(choices: list[Any], more: dict[str, Any]) -> bytes:
    chunk = {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": 1757420003,
        "model": "gpt-4o-mini",
        "system_fingerprint": "fp_8bda4d3a2c",
        "choices": choices,
        **more,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _filled(body: dict[str, Any], message: dict[str, Any]) -> str:
    """The body's text, its message so long that the whole has the size wanted."""
    words = "What would you say to somebody who asks how this works, and why? " * 20
    message["content"] = words[: _SIZE - len(json.dumps(body, separators=(",", ":")))]
    return json.dumps(body, separators=(",", ":"))


def messages_question(model: str, *, stream: bool = False) -> str:
    """The same question of 1 kB at Anthropic's door."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": 1000,
        "system": "You are a helpful assistant.",
        "messages": [{"role": "user", "content": ""}],
        "temperature": 0.7,
    }
    if stream:
        body["stream"] = True
    return _filled(body, body["messages"][0])


def message() -> bytes:
    """Anthropic's whole answer of 1 kB."""
    block = {"type": "text", "text": ""}
    body = _message([block], "end_turn")
    text = json.loads(whole())["choices"][0]["message"]["content"]
    return json.dumps({**body, "content": [{**block, "text": text}]}).encode()


def messages_stream() -> list[bytes]:
    """Anthropic's stream of as many pieces of text as OpenAI's has."""
    words = [{"type": "text_delta", "text": f" word{number}"} for number in range(EVENTS - 2)]
    usage = {"output_tokens": EVENTS - 2}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        _named("message_start", message=_message([], None)),
        _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(_named("content_block_delta", index=0, delta=delta) for delta in words),
        _named("content_block_stop", index=0),
        _named("message_delta", delta=stop, usage=usage),
        _named("message_stop"),
    ]


def _message(content: list[Any], reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 228,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": EVENTS - 2,
            "service_tier": "standard",
        },
    }


def _named(name: str, **members: Any) -> bytes:
    data = json.dumps({"type": name, **members}, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()
