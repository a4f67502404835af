"""One try at a target: its answer's blocks as they come, past the meter or translated."""

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.dialects.openai import usage_of
from gateway.dialects.passage import Passage
from gateway.dialects.translation import (
    count_answer,
    count_of,
    failure_of,
    stream_passage,
    whole_answer,
)
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.exchange import SILENCE, Exchange
from gateway.providers.base import Question, Target
from gateway.providers.failures import judge_inside
from gateway.sse import TooLong, has_data
from gateway.upstream import Answer, Silence, read_whole


def attempt(exchange: Exchange, target: Target, question: Question) -> Iterator[bytes]:
    """The answer's blocks, SILENCE where upstream pauses. Raises UpstreamError."""
    is_first = exchange.rounds is None or exchange.rounds.number == 1
    exchange.sent = target, question
    if is_first:
        exchange.asked_at, exchange.connect = exchange.elapsed(), None
    reply = target.provider.chat(exchange.gateway.upstream, target, question)
    if is_first:
        exchange.connect = reply.connect
    try:
        yield from _head(exchange, reply, question.request.stream)
        if not 200 <= reply.status < 300:
            raw = _body(exchange, reply)
            raise target.provider.judge(reply.status, reply.headers, raw, _key(target))
        if question.request.stream:
            yield from _stream(exchange, reply, target, question)
        elif whole := _whole(exchange, reply, target, question):
            yield whole
    finally:
        reply.close()


def _key(target: Target) -> str | None:
    return target.credentials.api_key


def _head(exchange: Exchange, reply: Answer, ticks: bool) -> Iterator[bytes]:
    """Waits for the answer's head; a stream's silence is passed on while it does."""
    settings = exchange.gateway.settings.upstream
    left = settings.first_byte_timeout
    while True:
        tick = min(left, settings.keepalive_interval) if ticks else left
        try:
            return reply.read_head(tick)
        except Silence:
            left -= tick
            if left <= 0:
                raise _too_slow(f"Upstream did not answer within {left + tick:g} s") from None
            yield SILENCE


def _too_slow(message: str) -> UpstreamTimeout:
    """Who was this slow once will be so again: the next target, not another try."""
    error = UpstreamTimeout(message)
    error.retryable = False
    return error


def _body(exchange: Exchange, reply: Answer) -> bytes:
    settings = exchange.gateway.settings.upstream
    try:
        return read_whole(reply, settings)
    except Silence:
        raise _too_slow(f"Upstream fell silent for {settings.idle_timeout:g} s") from None


def _whole(exchange: Exchange, reply: Answer, target: Target, question: Question) -> bytes:
    raw = _body(exchange, reply)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise judge_inside(raw.decode(errors="replace"), _key(target)) from None
    if (failure := failure_of(question.request, raw, body)) is not None:
        raise judge_inside(failure, _key(target))
    exchange.first_byte = exchange.elapsed()
    asked, sent = exchange.request, question.request
    assert asked is not None
    if asked.kind == "embed":
        return _embeddings(exchange, target, raw, body)
    if asked.kind == "count":
        same = asked.dialect == sent.dialect
        return raw if same else count_answer(asked.dialect, count_of(sent.dialect, body))
    learned = exchange.learned
    if exchange.rounds is not None:
        exchange.rounds.read_whole(sent, body, learned)
        _keep(exchange, target, question)
        return b""
    whole = whole_answer(
        asked,
        sent,
        raw,
        body,
        learned,
        answers=target.provider.answers,
        attend=_attends(question, target),
    )
    _keep(exchange, target, question)
    return whole


def _attends(question: Question, target: Target) -> bool:
    """Whether a vendor of OpenAI's dialect wants something of its answer back."""
    return bool(target.provider.quirks.returned and question.request.body.get("tools"))


def _keep(exchange: Exchange, target: Target, question: Question) -> None:
    """Before the answer's last event leaves, so that the next question finds it on any worker."""
    if exchange.memory is not None and exchange.request is not None:
        exchange.memory.keep(exchange.request, question.request, target, exchange.learned)


def _embeddings(exchange: Exchange, target: Target, raw: bytes, body: dict[str, Any]) -> bytes:
    assert exchange.request is not None
    said = target.provider.read_embeddings(exchange.request, body, target.model)
    exchange.learned.usage = usage_of(said.get("usage"))
    return raw if said is body else orjson.dumps(said)


def _stream(
    exchange: Exchange, reply: Answer, target: Target, question: Question
) -> Iterator[bytes]:
    passage = exchange.passage = _passage(exchange, target, question)
    try:
        yield from _passing(exchange, reply, target, question, passage)
    finally:
        passage.measure()


def _passing(
    exchange: Exchange, reply: Answer, target: Target, question: Question, passage: Passage
) -> Iterator[bytes]:
    learned = exchange.learned
    try:
        for block in _arriving(exchange, reply):
            passed = passage.feed(block) if block else SILENCE
            if exchange.first_byte is None:
                passed = _begun(exchange, passed)
            if learned.ended:
                _keep(exchange, target, question)
            yield passed
            if passage.failure is not None:
                raise judge_inside(passage.failure, _key(target))
    except TooLong as error:
        raise UpstreamError(f"Upstream sent {error}") from None
    except UpstreamError:
        # The connection broke, but everything had been said.
        if not learned.ended:
            raise
    rest = passage.finish()
    if learned.ended:
        _keep(exchange, target, question)
    if rest:
        yield _begun(exchange, rest)
    if passage.failure is not None:
        raise judge_inside(passage.failure, _key(target))
    if not learned.ended:
        raise UpstreamError("Upstream ended the stream in the middle", code="upstream_truncated")


def _passage(exchange: Exchange, target: Target, question: Question) -> Passage:
    limit = exchange.gateway.settings.upstream.max_event_mb << 20
    assert exchange.request is not None
    if exchange.rounds is not None:
        return exchange.rounds.passage(question.request, exchange.learned, limit)
    return stream_passage(
        exchange.request,
        question.request,
        exchange.learned,
        hide_usage=question.usage_added,
        limit=limit,
        answers=target.provider.answers,
        attend=_attends(question, target),
    )


def _begun(exchange: Exchange, passed: bytes) -> bytes:
    """Comments and blank lines are not the beginning of an answer: they are silence."""
    if not passed or not has_data(passed):
        return SILENCE
    if exchange.first_byte is None:
        exchange.first_byte = exchange.elapsed()
    return passed


def _arriving(exchange: Exchange, reply: Answer) -> Iterator[bytes]:
    """What comes from upstream, b"" at each pause. Raises UpstreamTimeout when it stays silent."""
    settings = exchange.gateway.settings.upstream
    left = settings.idle_timeout
    while True:
        tick = min(left, settings.keepalive_interval)
        try:
            block = reply.read_block(tick)
        except Silence:
            left -= tick
            if left <= 0:
                raise _too_slow(f"Upstream fell silent for {settings.idle_timeout:g} s") from None
            yield SILENCE
            continue
        if not block:
            return
        left = settings.idle_timeout
        # Of a round's answer not even the last block is the end.
        exchange.complete = reply.complete and exchange.rounds is None
        yield block
