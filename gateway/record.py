"""What is kept of a call: what it used and cost, its row in the log; and what is shown before."""

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

import orjson

from gateway.chat import ChatRequest, Learned, Usage
from gateway.dialects.passage import Passage
from gateway.errors import GatewayError
from gateway.estimate import CHARS_PER_TOKEN, likely_tokens
from gateway.prices import Price, Prices
from gateway.providers.base import Question, Target
from gateway.store.clients import Client

NOTHING = Usage()
FREE = Usage(0, 0)


class Call(Protocol):
    """What a row tells of an exchange. `limits` and `flags` are those of the log's columns."""

    request_id: str
    client_request_id: str | None
    door: str
    started_at: float
    client: Client | None
    request: ChatRequest | None
    target: Target | None
    learned: Learned
    attempts: int
    attempt_log: list[dict[str, Any]]
    status: int
    error: GatewayError | None
    first_byte: float | None
    asked_at: float | None
    connect: float | None
    sent: tuple[Target, Question] | None
    dropped: tuple[str, ...]
    limits: list[dict[str, Any]]
    flags: list[str]

    @property
    def tool_rounds(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Spent:
    """What a call used. `usage` None: nothing that anybody counted, and nothing was delivered.

    `cost` None: not known. `estimated`: upstream did not report the counts, or not all.
    """

    usage: Usage | None = None
    estimated: bool = False
    cost: Decimal | None = None
    price: Price | None = None

    @property
    def consumed(self) -> Usage | None:
        """What counts against the client's limits."""
        return None if self.usage is FREE else self.usage


def spent(call: Call, prices: Prices) -> Spent:
    """What a call used: as upstream reported it, else by what was asked and delivered."""
    if call.request is None or (call.learned.usage is None and call.first_byte is None):
        return Spent()
    if call.request.kind == "count":  # no vendor charges for it
        return Spent(FREE, cost=Decimal())
    assert call.target is not None and call.sent is not None
    _, question = call.sent
    usage, estimated = _usage(question, call.learned)
    price = prices.of(call.target.provider.id, call.target.model)
    if price is None:
        return Spent(usage, estimated)
    price = price.at(question.request.tier)
    return Spent(usage, estimated, price.cost(usage), price)


class UnderWay(Call, Protocol):
    """A call that has not ended. `ends`: it has been cancelled, and is about to."""

    passage: Passage | None

    @property
    def earlier_output(self) -> int:
        """Output tokens of the rounds that are over."""

    @property
    def ends(self) -> bool: ...


def under_way(call: UnderWay) -> dict[str, Any]:
    """A call as lists of those in flight show it; `started_at`: milliseconds since the epoch."""
    client, request, target = call.client, call.request, call.target
    tokens, estimated = _output_so_far(call)
    return {
        "request_id": call.request_id,
        "started_at": int(call.started_at * 1000),
        "client_id": client.id if client else None,
        "client_name": client.name if client else None,
        "door": call.door,
        "provider": target.provider.id if target else None,
        "model": _text(target.model, 255) if target else request and _text(request.model, 255),
        "streamed": request.stream if request else False,
        "attempts": call.attempts,
        "output_tokens": tokens,
        "estimated": estimated,
        "cancelled": call.ends,
    }


def _output_so_far(call: UnderWay) -> tuple[int, bool]:
    """How many tokens, and whether they are estimated from the text."""
    if call.passage is not None:
        call.passage.measure()
    usage, written = call.learned.usage, math.ceil(call.learned.delivered / CHARS_PER_TOKEN)
    counted = (usage and usage.output_tokens) or 0
    return call.earlier_output + max(counted, written), written > counted


def _usage(question: Question, learned: Learned) -> tuple[Usage, bool]:
    """The counts, and whether they are estimated."""
    usage, written = learned.usage, math.ceil(learned.delivered / CHARS_PER_TOKEN)
    if usage is None:
        return Usage(likely_tokens(question.body), written), True
    if not question.request.stream or learned.ended:
        return usage, False
    # It was cut; some vendors tell at a stream's beginning what it has come to so far.
    return replace(usage, output_tokens=max(usage.output_tokens or 0, written)), True


def row(call: Call, seconds: float, spent: Spent) -> list[Any]:
    """The values of the log's columns, in their order."""
    client, request, target, error = call.client, call.request, call.target, call.error
    usage, learned = spent.usage or NOTHING, call.learned
    return [
        call.request_id,
        _text(call.client_request_id, 200),
        client.id if client else None,
        client.name if client else None,
        int(call.started_at * 1000),
        call.door,
        _text(request.model, 255) if request else None,
        target.provider.id if target else None,
        _text(target.model, 255) if target else None,
        request.stream if request else False,
        call.status,
        _text(error.code, 80) if error else None,
        _text(error.message, 1000) if error else None,
        call.attempts,
        _json(call.attempt_log),
        _milliseconds(call.first_byte),
        _milliseconds(seconds),
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.input_audio_tokens,
        usage.output_audio_tokens,
        spent.estimated,
        spent.cost,
        _json(spent.price.told(usage)) if spent.price else None,
        _text(learned.finish_reason, 60),
        _json(learned.tool_names),
        _json(call.dropped),
        _json(call.limits),
        _json(call.flags),
        _json(call.tool_rounds),
        _milliseconds(call.asked_at),
        _milliseconds(call.connect),
    ]


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _text(value: str | None, size: int) -> str | None:
    """Text as the log's column takes it; PostgreSQL keeps no NUL."""
    return value[:size].replace("\0", "\ufffd") if value else None


def _json(value: Any) -> str | None:
    return orjson.dumps(value).decode() if value else None
