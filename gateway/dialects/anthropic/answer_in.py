"""A vendor's answer, read into events: whole, or as a stream."""

from collections.abc import Callable
from typing import Any

import orjson

from gateway.chat import Usage
from gateway.conversation import Began, Counted, Event, Finished
from gateway.dialects.anthropic.answer_blocks import Blocks
from gateway.dialects.anthropic.facts import NAME, STOP_REASONS, STOP_WORDS

_COUNTS = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens_details",
    }
)
_MESSAGE = frozenset(
    {
        "type",
        "id",
        "role",
        "model",
        "content",
        "stop_reason",
        "stop_sequence",
        "stop_details",
        "usage",
        "delta",
    }
)


def read_answer(body: dict[str, Any]) -> list[Event]:
    """A whole answer; what is odd in it is passed over."""
    blocks = Blocks()
    events: list[Event] = [_began(body)]
    events += _whole_blocks(blocks, body)
    events.append(_finished(body, blocks.calls))
    return events + _counted(_object(body.get("usage")))


class StreamReader:
    """`ended`: the message was said to be complete. `failure`: what came instead of its rest."""

    def __init__(self) -> None:
        self.ended = False
        self.failure: Any = None
        self._began = False
        self._finished = False
        self._blocks = Blocks()
        self._usage: dict[str, Any] = {}
        self._readers: dict[Any, Callable[[dict[str, Any]], list[Event]]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
        }

    def feed(self, data: bytes, name: str | None = None) -> list[Event]:
        """The events of one server-sent event; pings, and what is not known, give none."""
        if self.failure is not None or not data or data == b"[DONE]":
            return []
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            self.failure = data.decode(errors="replace")
            return []
        if not isinstance(found, dict):
            return []
        kind = found.get("type", "error" if "error" in found else name)
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        return reader(found) if reader else []

    @property
    def usage(self) -> Usage | None:
        """What goes in is told at the beginning, what comes out at the end."""
        return next((told.usage for told in _counted(self._usage)), None)

    def finish(self) -> list[Event]:
        """The counts, as far as they are known."""
        usage, self._usage = self._usage, {}
        return list(_counted(usage))

    def _message_start(self, found: dict[str, Any]) -> list[Event]:
        message = _object(found.get("message"))
        self._count(message)
        if self._began:
            return []
        self._began = True
        began = _began(message)
        if self._usage:
            began.native = {NAME: {"usage": dict(self._usage)}}
        return [began, *_whole_blocks(self._blocks, message)]

    def _block_start(self, found: dict[str, Any]) -> list[Event]:
        return self._blocks.start(_index(found), _object(found.get("content_block")))

    def _block_delta(self, found: dict[str, Any]) -> list[Event]:
        return self._blocks.delta(_index(found), _object(found.get("delta")))

    def _block_stop(self, found: dict[str, Any]) -> list[Event]:
        return self._blocks.stop(_index(found))

    def _message_delta(self, found: dict[str, Any]) -> list[Event]:
        self._count(found)
        delta = _object(found.get("delta"))
        return self._end({**found, **delta}) if delta.get("stop_reason") else []

    def _message_stop(self, found: dict[str, Any]) -> list[Event]:
        return self._end({}) + self.finish()

    def _error(self, found: dict[str, Any]) -> list[Event]:
        self.failure = found
        return []

    def _end(self, found: dict[str, Any]) -> list[Event]:
        self.ended = True
        if self._finished:
            return []
        self._finished = True
        return [_finished(found, self._blocks.calls)]

    def _count(self, found: dict[str, Any]) -> None:
        """Counts are totals so far; one that is left out stands as it was."""
        for name, value in _object(found.get("usage")).items():
            if value is not None:
                self._usage[name] = value


def _began(message: dict[str, Any]) -> Began:
    return Began(_text(message.get("id")), _text(message.get("model")))


def _whole_blocks(blocks: Blocks, message: dict[str, Any]) -> list[Event]:
    content = message.get("content")
    events: list[Event] = []
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            events += blocks.start(None, block)
            events += blocks.stop(None)
    return events


def _finished(found: dict[str, Any], calls: int) -> Finished:
    word = _text(found.get("stop_reason")) or ""
    details = _object(found.get("stop_details"))
    reason = STOP_REASONS.get(word, "tool_calls" if calls else "stop")
    own: dict[str, Any] = {}
    if word not in (STOP_WORDS[reason], "stop_sequence", ""):
        own["stop_reason"] = word
    if details.get("category"):
        own["stop_details"] = details
    rest = {name: value for name, value in found.items() if name not in _MESSAGE and value}
    if rest:
        own["rest"] = rest
    return Finished(
        reason,
        stop_sequence=_text(found.get("stop_sequence")),
        explanation=_text(details.get("explanation")),
        native={NAME: own} if own else None,
    )


def _counted(found: dict[str, Any]) -> list[Counted]:
    """Usage counts what was cached as input; Anthropic counts it apart."""
    read = _count_of(found, "cache_read_input_tokens")
    written = _count_of(found, "cache_creation_input_tokens")
    fresh = [n for n in (_count_of(found, "input_tokens"), read, written) if n is not None]
    lasting = _object(found.get("cache_creation"))
    usage = Usage(
        input_tokens=sum(fresh) if fresh else None,
        output_tokens=_count_of(found, "output_tokens"),
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=_count_of(_object(found.get("output_tokens_details")), "thinking_tokens"),
        cache_write_1h_tokens=_count_of(lasting, "ephemeral_1h_input_tokens") or 0,
        web_searches=_count_of(_object(found.get("server_tool_use")), "web_search_requests") or 0,
    )
    if usage.input_tokens is None and usage.output_tokens is None:
        return []
    own = {name: value for name, value in found.items() if name not in _COUNTS and value}
    return [Counted(usage, native={NAME: own} if own else None)]


def _count_of(found: dict[str, Any], name: str) -> int | None:
    value = found.get(name)
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if known and 0 <= value < 1e15 else None  # type: ignore[arg-type, operator]


def _index(found: dict[str, Any]) -> int:
    index = found.get("index")
    return index if isinstance(index, int) else -1


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
