"""One answer in the words of each vendor, whole and streamed, for an upstream that is scripted."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.upstream import Answer, Json, Named, Received, Sse

MODEL = "test-model"
Body = dict[str, Any]


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the model says: text, and the calls of tools after it."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    input_tokens: int = 9
    output_tokens: int = 4


def answer(dialect: str, said: Said, received: Received) -> Answer:
    """`said` in the vendor's dialect, streamed if the request wants a stream."""
    body = received.json if isinstance(received.json, dict) else {}
    if bool(body.get("stream")) or ":streamGenerateContent" in received.path:
        return STREAMS[dialect](said)
    return Json(WHOLES[dialect](said))


def offered(dialect: str, body: Body) -> list[str]:
    """The names of the functions that a request offers."""
    found = list(_tools(dialect, body))
    return [name for name in found if isinstance(name, str)]


def results(dialect: str, body: Body) -> list[str]:
    """The results of tools that a request holds, in their order, as JSON text or plain."""
    return list(_results(dialect, body))


def _tools(dialect: str, body: Body) -> Iterator[Any]:
    for tool in body.get("tools") or ():
        if dialect == "openai":
            yield (tool.get("function") or tool.get("custom") or {}).get("name")
        elif dialect == "gemini":
            yield from (one["name"] for one in tool.get("functionDeclarations") or ())
        else:
            yield tool.get("name")


def _results(dialect: str, body: Body) -> Iterator[str]:
    if dialect == "openai":
        yield from (_text(m["content"]) for m in body["messages"] if m["role"] == "tool")
    elif dialect == "anthropic":
        for block in (b for m in body["messages"] for b in m["content"] if isinstance(b, dict)):
            if block["type"] == "tool_result":
                yield _text(block.get("content", ""))
    elif dialect == "gemini":
        for part in (part for content in body["contents"] for part in content["parts"]):
            if "functionResponse" in part:
                yield _text(part["functionResponse"]["response"])
    else:
        for item in body["input"]:
            if str(item.get("type")).endswith("_call_output"):
                yield _text(item["output"])


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


# OpenAI's chat completions


def _openai_usage(said: Said) -> Body:
    total = said.input_tokens + said.output_tokens
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": total,
    }


def _openai_call(call: Call, arguments: str) -> Body:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _openai_finish(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


def _openai_whole(said: Said) -> Body:
    message: Body = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [_openai_call(c, json.dumps(c.arguments)) for c in said.calls]
    choice = {"index": 0, "message": message, "finish_reason": _openai_finish(said)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [choice | {"logprobs": None}],
        "usage": _openai_usage(said),
    }


def _openai_stream(said: Said) -> Sse:
    deltas: list[Body] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _halves(said.text)]
    for at, call in enumerate(said.calls):
        deltas.append({"tool_calls": [{"index": at} | _openai_call(call, "")]})
        for piece in _halves(json.dumps(call.arguments)):
            deltas.append({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
    choices: list[list[Body]] = [[{"index": 0, "delta": d, "finish_reason": None}] for d in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": _openai_finish(said)}])
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
    }
    stream = [head | {"choices": choice, "usage": None} for choice in choices]
    return Sse([*stream, head | {"choices": [], "usage": _openai_usage(said)}])


# Anthropic's Messages


def _anthropic_blocks(said: Said) -> list[Body]:
    texts: list[Body] = [{"type": "text", "text": said.text}] if said.text else []
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        for call in said.calls
    ]
    return texts + calls


def _anthropic_whole(said: Said) -> Body:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": _anthropic_blocks(said),
        "stop_reason": "tool_use" if said.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens},
    }


def _anthropic_stream(said: Said) -> Sse:
    whole = _anthropic_whole(said)
    begun = whole | {"content": [], "stop_reason": None}
    begun["usage"] = {"input_tokens": said.input_tokens, "output_tokens": 1}
    events: list[Body] = [{"type": "message_start", "message": begun}]
    for at, block in enumerate(whole["content"]):
        if block["type"] == "text":
            opening: Body = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in _halves(block["text"])]
        else:
            opening = block | {"input": {}}
            deltas = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in ("", *_halves(json.dumps(block["input"])))
            ]
        events.append({"type": "content_block_start", "index": at, "content_block": opening})
        events += [{"type": "content_block_delta", "index": at, "delta": d} for d in deltas]
        events.append({"type": "content_block_stop", "index": at})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": said.output_tokens}
    events.append({"type": "message_delta", "delta": delta, "usage": usage})
    events.append({"type": "message_stop"})
    return Sse([Named(event["type"], event) for event in events], done=False)


# Gemini's generateContent


def _gemini_piece(said: Said, parts: list[Body], finish: str | None) -> Body:
    candidate: Body = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {
        "promptTokenCount": said.input_tokens,
        "candidatesTokenCount": said.output_tokens,
        "totalTokenCount": said.input_tokens + said.output_tokens,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL}


def _gemini_calls(said: Said) -> list[Body]:
    """Without ids, as its own API gives them."""
    return [{"functionCall": {"name": call.name, "args": call.arguments}} for call in said.calls]


def _gemini_whole(said: Said) -> Body:
    texts: list[Body] = [{"text": said.text}] if said.text else []
    return _gemini_piece(said, texts + _gemini_calls(said), "STOP")


def _gemini_stream(said: Said) -> Sse:
    pieces: list[Body] = [{"text": piece} for piece in _halves(said.text)] + _gemini_calls(said)
    events = [_gemini_piece(said, [piece], None) for piece in pieces]
    events.append(_gemini_piece(said, [{"text": ""}], "STOP"))
    return Sse(events, done=False, newline="\r\n")


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


WHOLES: dict[str, Callable[[Said], Body]] = {
    "openai": _openai_whole,
    "anthropic": _anthropic_whole,
    "gemini": _gemini_whole,
}
STREAMS: dict[str, Callable[[Said], Sse]] = {
    "openai": _openai_stream,
    "anthropic": _anthropic_stream,
    "gemini": _gemini_stream,
}
