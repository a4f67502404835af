"""OpenAI chat completions: reads requests, meters answers, words errors.

The facts are those of the openai package's types (3.54) and of recorded traffic.
"""

import re
from bisect import bisect_right
from itertools import accumulate
from typing import Any

import orjson

from gateway.chat import ChatRequest, Learned, Usage
from gateway.dialects.checks import (
    COUNT,
    FLAG,
    INTEGER,
    NUMBER,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXT_OR_OBJECT,
    TEXTS,
    Check,
    check_fields,
    is_number,
    missing,
    parse_object,
    wrong,
)
from gateway.dialects.runs import LEAST, Runs
from gateway.dialects.splice import Edits
from gateway.errors import BadRequest, GatewayError
from gateway.sse import Cutter, data_of, events, is_event

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
STREAM_TYPE = "text/event-stream; charset=utf-8"

_MOST_TOKENS = 10**15

# Null is what the SDKs send for "not given", so it passes everywhere but in `messages`.
FIELDS: dict[str, Check] = {
    "model": TEXT,
    "stream": FLAG,
    "stream_options": OBJECT,
    "n": COUNT,
    "max_tokens": COUNT,
    "max_completion_tokens": COUNT,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "frequency_penalty": NUMBER,
    "presence_penalty": NUMBER,
    "seed": INTEGER,
    "logprobs": FLAG,
    "top_logprobs": INTEGER,
    "logit_bias": OBJECT,
    "stop": TEXTS,
    "tools": OBJECTS,
    "tool_choice": TEXT_OR_OBJECT,
    "parallel_tool_calls": FLAG,
    "response_format": OBJECT,
    "user": TEXT,
    "metadata": OBJECT,
}


def read_request(raw: bytes) -> ChatRequest:
    """The question in a body. Raises BadRequest that names the field at fault."""
    body = parse_object(raw)
    check_fields(body, FIELDS)
    _check_messages(body.get("messages"))
    options = body.get("stream_options") or {}
    return ChatRequest(
        raw=raw,
        body=body,
        model=body.get("model") or None,
        stream=bool(body.get("stream")),
        include_usage=bool(options.get("include_usage")),
    )


def read_embeddings_request(raw: bytes) -> ChatRequest:
    """A question for embeddings. Raises BadRequest that names the field at fault."""
    body = parse_object(raw)
    check_fields(body, FIELDS)
    given = body.get("input")
    if given is None:
        raise missing("input")
    if not isinstance(given, (str, list)) or not given:
        raise wrong("input", "a string, or an array of strings or tokens")
    model = body.get("model") or None
    return ChatRequest(raw, body, model, False, False, kind="embed")


def _check_messages(messages: Any) -> None:
    if messages is None:
        raise BadRequest(
            "`messages` is missing: it must be an array of messages",
            param="messages",
            code="missing_required_parameter",
        )
    if not isinstance(messages, list) or not messages:
        raise wrong("messages", "an array of at least one message")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise wrong(f"messages[{index}]", "an object")
        if not isinstance(message.get("role"), str):
            raise wrong(f"messages[{index}].role", "a string")
        content = message.get("content")
        if isinstance(content, list):
            _check_parts(content, index)
        elif content is not None and not isinstance(content, str):
            raise wrong(f"messages[{index}].content", "a string or an array of parts")


def _check_parts(parts: list[Any], index: int) -> None:
    for at, part in enumerate(parts):
        if not isinstance(part, dict):
            raise wrong(f"messages[{index}].content[{at}]", "an object")


def error_body(error: GatewayError, request_id: str = "") -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`, and what upstream's own error held besides."""
    own = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    return {"error": {**error.extra, **own}}


def error_event(error: GatewayError) -> bytes:
    """A failure after the head was sent, as the SDKs notice it: one data event, no [DONE]."""
    return b"data: " + orjson.dumps(error_body(error)) + b"\n\n"


def usage_of(found: Any) -> Usage | None:
    """The counts of a `usage` object; None if it holds none.

    Here the prompt's count holds what was cached, and the completion's what was reasoned, whatever
    the vendor leaves out of them.
    """
    if not isinstance(found, dict):
        return None
    prompt = _details(found, "prompt_tokens_details")
    completion = _details(found, "completion_tokens_details")
    into, out = _count(found.get("prompt_tokens")), _count(found.get("completion_tokens"))
    if into is None and out is None:
        return None
    cached = _first(prompt.get("cached_tokens"), *_cached_elsewhere(found))
    reasoned = _first(completion.get("reasoning_tokens"), found.get("reasoning_tokens"))
    return Usage(
        input_tokens=_with_cached(into, cached),
        output_tokens=_with_reasoned(into, out, reasoned, _count(found.get("total_tokens"))),
        cached_tokens=cached,
        cache_write_tokens=_count(prompt.get("cache_write_tokens")),
        reasoning_tokens=reasoned,
        input_audio_tokens=_count(prompt.get("audio_tokens")),
        output_audio_tokens=_count(completion.get("audio_tokens")),
        output_image_tokens=_count(completion.get("image_tokens")) or 0,
    )


def _cached_elsewhere(found: dict[str, Any]) -> tuple[Any, ...]:
    """DeepSeek and Mistral name what was cached in their own ways."""
    details = _details(found, "prompt_token_details")
    hits = found.get("prompt_cache_hit_tokens")
    return hits, found.get("num_cached_tokens"), details.get("cached_tokens")


def _details(found: dict[str, Any], name: str) -> dict[str, Any]:
    details = found.get(name)
    return details if isinstance(details, dict) else {}


def _with_cached(into: int | None, cached: int | None) -> int | None:
    """xAI may leave what was cached out of the prompt's count."""
    return into + cached if into is not None and cached is not None and cached > into else into


def _with_reasoned(
    into: int | None, out: int | None, reasoned: int | None, total: int | None
) -> int | None:
    """xAI counts what was reasoned in the total alone."""
    if out is None or not reasoned or total is None:
        return out
    return out + reasoned if total == (into or 0) + out + reasoned else out


def _first(*values: Any) -> int | None:
    """The first count that was given."""
    for value in values:
        if value is not None and (count := _count(value)) is not None:
            return count
    return None


def _count(value: Any) -> int | None:
    """A count as it can be true; the log could not keep any other."""
    if value is None:
        return None
    return int(value) if is_number(value) and 0 <= value <= _MOST_TOKENS else None


def meter_answer(body: dict[str, Any], learned: Learned) -> None:
    """Notes usage, finish reason and tool names of a whole answer."""
    learned.ended = True
    learned.usage = usage_of(body.get("usage")) or _groq_usage(body)
    for choice in _objects(body.get("choices")):
        learned.finish_reason = learned.finish_reason or _text(choice.get("finish_reason"))
        message = choice.get("message")
        if not isinstance(message, dict):
            continue
        learned.delivered += len(_text(message.get("content")) or "")
        for call in _objects(message.get("tool_calls")):
            _note_tool(call, learned)


def _groq_usage(body: dict[str, Any]) -> Usage | None:
    """Groq may report a stream's usage under `x_groq` instead."""
    own = body.get("x_groq")
    return usage_of(own.get("usage")) if isinstance(own, dict) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _note_tool(call: dict[str, Any], learned: Learned) -> None:
    named = call.get("function") or call.get("custom")
    name = _text(named.get("name")) if isinstance(named, dict) else None
    if name:
        learned.tool_names.append(name)


_PIECE = re.compile(
    rb'"(?:content|reasoning_content|reasoning|arguments)"\s*:\s*"((?:[^"\\]++|\\.)*+)"', re.DOTALL
)
# What an event may hold that the meter wants to know: these names, and these unless they are null.
_TELLING = (b'"tool_calls"', b'"error"', b"[DONE]", b'"x_groq"')
_TELLING_UNLESS_NULL = (
    (b'"finish_reason"', b'"finish_reason":null', b'"finish_reason": null'),
    (b'"usage"', b'"usage":null', b'"usage": null'),
)
_BROKEN_OFF = {
    "message": "Upstream broke off its answer (finish_reason: error)",
    "type": "api_error",
    "code": "error",
}
_KEPT_UNMEASURED = 32 * 1024
_WITHOUT_USAGE = Edits(drop=frozenset({"usage"}))


def _telling_events(block: bytes) -> list[tuple[int, int]]:
    """Start and end of the events that the meter has to parse; most hold a piece of text alone.

    In JSON text a quote inside a string is always escaped, so what is found are members' names.
    Hundreds of events may come at once: to look for the few is a tenth of looking at each.
    """
    places: list[int] = []
    for name in _TELLING:
        at = block.find(name)
        while at >= 0:
            places.append(at)
            at = block.find(name, at + 1)
    for name, null, spaced in _TELLING_UNLESS_NULL:
        left = block.count(name) - block.count(null)
        left -= block.count(spaced) if left else 0
        at = len(block)
        while left > 0:  # they come last, so they are looked for from the end
            at = block.rfind(name, 0, at)
            if not block.startswith((null, spaced), at):
                places.append(at)
                left -= 1
    if places and b"\r" in block:
        return _events_around(block, places)
    return sorted({_event_around(block, at) for at in places})


def _is_dull(text: bytes) -> bool:
    return not _telling_events(text)


def _event_around(block: bytes, at: int) -> tuple[int, int]:
    before = block.rfind(b"\n\n", 0, at)
    return (0 if before < 0 else before + 2), block.find(b"\n\n", at) + 2


def _events_around(block: bytes, places: list[int]) -> list[tuple[int, int]]:
    """The same where lines may end otherwise."""
    borders = [0, *accumulate(map(len, events(block)))]
    found = {bisect_right(borders, at) for at in places}
    return [(borders[index - 1], borders[index]) for index in sorted(found)]


class StreamMeter:
    """Reads a relayed stream as it passes, and takes out what only the gateway asked for.

    `feed` takes bytes as they arrive and gives back whole events to hand on, or b"". After an
    error event, or a first event that is not of this dialect, `failure` holds what upstream sent
    instead, and nothing further is handed on.
    """

    def __init__(self, learned: Learned, *, hide_usage: bool, limit: int, choices: int = 1) -> None:
        self._learned = learned
        self._hide_usage = hide_usage
        self._cutter = Cutter(limit)
        self._choices = choices
        self._finished: set[str] = set()
        self._begun = False
        self._runs = Runs(_is_dull)
        self._unmeasured: list[bytes] = []
        self._unmeasured_size = 0
        self.failure: Any = None

    def feed(self, data: bytes) -> bytes:
        block = self._cutter.feed(data)
        return self._read(block) if block else b""

    def finish(self) -> bytes:
        """The last event, if it came without its blank line and is whole."""
        rest = self._cutter.rest()
        if not self._begun and not is_event(rest):
            self.failure = _spoken(rest)
        if not rest.strip() or not _is_whole(data_of(rest + b"\n\n")):
            return b""
        return self._read(rest.rstrip(b"\r\n") + b"\n\n")

    def _read(self, block: bytes) -> bytes:
        if not self._begun:
            self._begin(block)
        self._hold(block)
        block = self._kept(block)
        if self._hide_usage:
            # Where there are many, to split is a third cheaper than to replace.
            shown = b"".join(block.split(b',"usage":null'))
            unchanged = len(shown) == len(block)
            return block.replace(b', "usage": null', b"") if unchanged else shown
        return block

    def _hold(self, block: bytes) -> None:
        """Text is measured only if no usage comes; until then the last of it is kept."""
        self._unmeasured.append(block)
        self._unmeasured_size += len(block)
        if self._unmeasured_size > _KEPT_UNMEASURED:
            self.measure()

    def measure(self) -> None:
        """Adds what was handed on to the size of the delivered text."""
        blocks, self._unmeasured, self._unmeasured_size = self._unmeasured, [], 0
        if self._learned.usage is None:
            self._learned.delivered += sum(map(len, _PIECE.findall(b"".join(blocks))))

    def _begin(self, block: bytes) -> None:
        for event in events(block):
            data = data_of(event)
            if data or not is_event(event):
                self._begun = True
                if not _is_whole(data):
                    self.failure = _spoken(data or block)
                return

    def _kept(self, block: bytes) -> bytes:
        """The block without what the client is not to see."""
        if self.failure is not None:
            return b""
        kept: list[bytes] = []
        done = 0
        for start, end in self._telling(block):
            event = block[start:end]
            passed = self._passed(event)
            if passed != event:
                kept += (block[done:start], passed)
                done = end
            if self.failure is not None:
                return b"".join(kept)
        return block if not done else b"".join(kept) + block[done:]

    def _telling(self, block: bytes) -> list[tuple[int, int]]:
        if len(block) < LEAST:
            return _telling_events(block)
        return [
            (start + at, start + to)
            for start, end in self._runs.others(block)
            for at, to in _telling_events(block[start:end])
        ]

    def _passed(self, event: bytes) -> bytes:
        """Notes what an event tells; gives what of it the client is to see."""
        data = data_of(event)
        if data == b"[DONE]":
            self._learned.ended = True
            return event
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return event
        if not isinstance(chunk, dict):
            return event
        usage = usage_of(chunk.get("usage"))
        self._note(chunk, usage)
        if self.failure is not None:
            return b""
        if not self._hide_usage or usage is None:
            return event
        # Most vendors give usage a chunk of its own, some put it on the last choice's.
        has_choices = bool(_objects(chunk.get("choices")))
        if not has_choices:
            return b""
        shown = _WITHOUT_USAGE.apply(data)
        if data in event:
            return event.replace(data, shown)
        return b"data: " + shown.replace(b"\n", b"\ndata: ") + b"\n\n"

    def _note(self, chunk: dict[str, Any], usage: Usage | None) -> None:
        self.failure = _failure_in(chunk)
        if self.failure is not None:
            return
        learned = self._learned
        learned.usage = usage or _groq_usage(chunk) or learned.usage
        for choice in _objects(chunk.get("choices")):
            reason = _text(choice.get("finish_reason"))
            if reason:
                learned.finish_reason = reason
                self._finished.add(str(choice.get("index")))
                learned.ended = learned.ended or len(self._finished) >= self._choices
            delta = choice.get("delta")
            for call in _objects(delta.get("tool_calls")) if isinstance(delta, dict) else ():
                _note_tool(call, learned)


def _failure_in(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """The error that a chunk tells of; Groq may tell it under `x_groq`."""
    if chunk.get("error"):
        return chunk
    groq = chunk.get("x_groq")
    told = groq.get("error") if isinstance(groq, dict) else None
    return {"error": told} if told else broken_off(chunk)


def broken_off(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The error for which a choice's finish reason `error` stands (OpenRouter, Mistral)."""
    for choice in _objects(answer.get("choices")):
        if choice.get("finish_reason") == "error":
            told = choice.get("error")
            return {"error": told if isinstance(told, dict) else dict(_BROKEN_OFF)}
    return None


def _spoken(answer: bytes) -> Any:
    """What came instead of a chunk: an error object, or any text."""
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError:
        found = None
    told = isinstance(found, dict) and found.get("error")
    return found if told else answer.decode(errors="replace")


def _is_whole(data: bytes) -> bool:
    if data == b"[DONE]":
        return True
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
