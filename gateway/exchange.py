"""One exchange: who asks, what is asked, what is learned; and the one way to an answer.

`answer` is a stream of blocks, streamed or not: fallback, retries and usage are written once. Its
one `finally` settles and records, whatever the ending.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import orjson

from gateway.bodies import Keeper, kept
from gateway.chat import ChatRequest, Learned
from gateway.context import Gateway
from gateway.dialects.openai import usage_of
from gateway.dialects.passage import Passage
from gateway.dialects.translation import (
    count_answer,
    count_of,
    failure_of,
    stream_passage,
    whole_answer,
)
from gateway.errors import BadRequest, ClientHungUp, GatewayError, UpstreamError, UpstreamTimeout
from gateway.estimate import question_tokens, text_tokens
from gateway.fallback import fitting, named
from gateway.hangup import INTERIM, Watched
from gateway.limits import Call
from gateway.memory import Memory
from gateway.providers.base import Question, Target
from gateway.providers.failures import judge_inside
from gateway.question import Fetches, question_for
from gateway.record import NOTHING, Spent, row, spent
from gateway.rounds import Rounds, rounds_of
from gateway.routing import Route, route
from gateway.sse import TooLong, has_data
from gateway.store.clients import Client
from gateway.store.spool import Body
from gateway.telemetry import Ended
from gateway.upstream import Answer, Silence, read_whole

SILENCE = b""
_REASON_SIZE = 300
_log = logging.getLogger(__name__)


def new_request_id() -> str:
    return "req_" + secrets.token_hex(12)


class Exchange:
    """What is known of one call, from its arrival to its record."""

    __slots__ = (
        "gateway",
        "door",
        "request_id",
        "client_request_id",
        "started_at",
        "_clock",
        "client",
        "request",
        "target",
        "learned",
        "attempts",
        "attempt_log",
        "status",
        "error",
        "first_byte",
        "call",
        "committed",
        "complete",
        "waits",
        "_gone",
        "_greenlet",
        "_watched",
        "dropped",
        "memory",
        "rounds",
        "fetched",
        "limits",
        "flags",
        "_keeper",
    )

    def __init__(self, gateway: Gateway, door: str, client_request_id: str | None = None) -> None:
        self.gateway = gateway
        self.door = door
        self.request_id = new_request_id()
        self.client_request_id = client_request_id
        self.started_at = time.time()
        self._clock = time.monotonic()
        self.client: Client | None = None
        self.request: ChatRequest | None = None
        self.target: Target | None = None
        self.learned = Learned()
        self.attempts = 0
        self.attempt_log: list[dict[str, Any]] = []
        self.status = 500
        self.error: GatewayError | None = None
        self.first_byte: float | None = None
        self.call: Call | None = None
        """Its dealings with the client's limits, once the client is known."""
        self.dropped: tuple[str, ...] = ()
        self.memory: Memory | None = None
        self.rounds: Rounds | None = None
        """Of those calls alone in which the gateway runs tools."""
        self.fetched = Fetches(gateway.fetcher)
        self.limits: list[dict[str, Any]] = []
        """Those that applied, for the receipt."""
        self.flags: list[str] = []
        """What was out of the ordinary."""
        self.committed = False
        """The head was sent: no other target may be tried, and a failure is an event."""
        self.complete = False
        """All that upstream will say is here: what is left of the blocks comes without waiting."""
        self.waits = False
        """Its greenlet waits for upstream, so that it can be told that its client has gone."""
        self._gone = False
        self._greenlet: Any = None
        self._watched: Watched | None = None
        self._keeper: Keeper | None = None

    @property
    def is_final(self) -> bool:
        """The client has seen some of the answer: neither another try nor another target helps."""
        return self.committed and (self.rounds is None or self.rounds.touched)

    @property
    def tool_rounds(self) -> dict[str, Any] | None:
        """What the gateway's tools were asked and told, for the record."""
        rounds = self.rounds
        return {"rounds": rounds.rounds, "runs": rounds.runs} if rounds is not None else None

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._clock

    def watch(self, socket: Any, *, interim: bool) -> None:
        """Ends the exchange when the client's socket closes. `interim`: it bears a 100 Continue."""
        self._greenlet = gevent.getcurrent()
        probe = INTERIM if interim else None
        self._watched = self.gateway.hangups.add(socket, self._hung_up, probe, lambda: self.waits)

    def commit(self, keep_alive: bytes | None) -> None:
        """The head goes out now; `keep_alive` is what the answer's body bears at any time."""
        self.committed = True
        if self._watched is not None:
            self._watched.probe = keep_alive

    def hurry(self) -> None:
        """Raises ClientHungUp if the client has gone meanwhile."""
        if self._gone:
            raise ClientHungUp("The client hung up")

    def _hung_up(self) -> None:
        self._gone = True
        gevent.get_hub().loop.run_callback(self._interrupt)

    def _interrupt(self) -> None:
        # In the hub, so that the greenlet cannot have gone on since it was looked at.
        if self.waits and not self._greenlet.dead:
            self._greenlet.throw(ClientHungUp("The client hung up"))

    def settle(self) -> None:
        """Settles and records the exchange, once."""
        self.waits = False  # for upstream; nobody may interrupt what is done now
        if self._watched is not None:
            self.gateway.hangups.remove(self._watched)
        seconds = self.elapsed()
        used = self.spent()
        try:
            if self.call is not None:
                self.call.end(used.consumed, used.cost)
            if self.rounds is not None:
                used = self.rounds.total(used)
        finally:  # a worker that is ending may interrupt even this
            self._record(seconds, used)

    def spent(self) -> Spent:
        """What the question that is under way has used; of a call's rounds it is the last."""
        learned, rounds = self.learned, self.rounds
        idle = rounds is not None and bool(rounds.rounds) and not learned.delivered
        if idle and learned.usage is None and not learned.ended:
            return Spent()
        return spent(self, self.gateway.prices)

    def _record(self, seconds: float, used: Spent) -> None:
        if self.call is not None:
            self.limits = self.call.told()
            self.flags += ["overrun"] if self.call.overrun else []
        usage, target = used.usage or NOTHING, self.target
        self.gateway.metrics.ended(
            Ended(
                provider=target.provider.id if target else "none",
                model=target.model if target else "none",
                status=self.status,
                seconds=seconds,
                first_byte=self.first_byte if self.committed else None,
                input_tokens=usage.input_tokens or 0,
                output_tokens=usage.output_tokens or 0,
            )
        )
        self.gateway.ledger.add(row(self, seconds, used), self._body())

    def overheard(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks, and what they say, if the client's bodies are kept."""
        if self.client is None or self.client.log_bodies == "off":
            return blocks
        self._keeper = Keeper(self.gateway.settings.logging.max_body_kb << 10)
        return self._keeper.over(blocks)

    def _body(self) -> Body | None:
        client, request, keeper = self.client, self.request, self._keeper
        if client is None or request is None or keeper is None:
            return None
        how, most = client.log_bodies, self.gateway.settings.logging.max_body_kb << 10
        return Body(kept(request.raw, how, most), keeper.kept(how), how)


def answer(exchange: Exchange, ask: Callable[[Exchange], ChatRequest]) -> Iterator[bytes]:
    """The answer's blocks as they come, SILENCE where upstream pauses.

    `ask` lets the caller in and reads the question. Raises GatewayError: before the first block
    as an answer of its own, after it as the stream's end.
    """
    exchange.gateway.metrics.began()
    try:
        request = exchange.request = ask(exchange)
        yield from exchange.overheard(_answered(exchange, request))
        exchange.status = 200
    except GatewayError as error:
        _fail(exchange, error)
        raise
    except GeneratorExit:
        _fail(exchange, ClientHungUp("The client hung up"))
        raise
    except gevent.GreenletExit:
        _fail(exchange, ClientHungUp("The gateway was stopped", code="gateway_stopped"))
        raise
    except Exception:
        _log.exception("%s: an error of the gateway itself", exchange.request_id)
        failure = GatewayError("An error of the gateway itself; its log says more")
        _fail(exchange, failure)
        raise failure from None
    finally:
        exchange.settle()


def _fail(exchange: Exchange, error: GatewayError) -> None:
    exchange.error, exchange.status = error, error.status


def _answered(exchange: Exchange, request: ChatRequest) -> Iterator[bytes]:
    """The answer to a question, in as many rounds as the gateway's tools need."""
    gateway, client, call = exchange.gateway, exchange.client, exchange.call
    assert client is not None and call is not None
    way = route(client, request.model, gateway.ways)
    memory = exchange.memory = Memory(gateway.states, client.id)
    if any(request.dialect not in target.provider.speaks for target in way.targets):
        memory.look_back(request)  # what it goes on with is input, too
    call.read(request)
    rounds = exchange.rounds = rounds_of(client, request, gateway.toolbox, memory)
    if rounds is None:
        yield from _from_targets(exchange, client, request, way)
        return
    while True:
        request = exchange.request = rounds.next()
        yield from _from_targets(exchange, client, request, way)
        _round_over(exchange, call, rounds)
        if rounds.has_to_run:
            yield from _tools_run(exchange, rounds)
            call.grow(text_tokens(rounds.added))
        if not rounds.goes_on:
            break
    closing = rounds.closing(exchange.learned)
    memory.keep_response_of(request, exchange.learned)
    exchange.complete = True
    yield closing


def _round_over(exchange: Exchange, call: Call, rounds: Rounds) -> None:
    """Books what the round has used, so that the next one reserves anew."""
    used, learned = exchange.spent(), exchange.learned
    call.settle(used.consumed, used.cost)
    rounds.over(used, learned)
    exchange.learned = Learned(finish_reason=learned.finish_reason, tool_names=rounds.tool_names)


def _tools_run(exchange: Exchange, rounds: Rounds) -> Iterator[bytes]:
    """Runs the gateway's calls, while a stream's client is kept waiting."""
    interval = exchange.gateway.settings.upstream.keepalive_interval
    assert exchange.request is not None
    job = gevent.spawn(rounds.run)
    try:
        while not job.ready():
            job.join(interval if exchange.request.stream else None)
            if not job.ready():
                yield SILENCE
        job.get()
    finally:
        job.kill(block=False)


def _from_targets(
    exchange: Exchange, client: Client, request: ChatRequest, way: Route
) -> Iterator[bytes]:
    """The first answer that a target gives, in their order."""
    targets, unfit = fitting(way.targets, request, exchange.gateway.prices)
    exchange.attempt_log += [{"skipped": reason} for reason in (*way.skipped, *unfit)]
    failure: GatewayError | None = None
    for target in targets:
        if target is not targets[-1] and not exchange.gateway.breaker.allows(target.place):
            exchange.attempt_log.append({"skipped": f"{named(target)} keeps failing"})
            continue
        try:
            yield from _from_target(exchange, client, request, target)
            return
        except UpstreamError as error:
            if exchange.is_final or error.sticky:
                raise
            failure = error
        except BadRequest as error:
            # What this vendor cannot honour, the next one may; the first refusal is the answer.
            failure = failure or error
            if len(targets) > 1:
                exchange.attempt_log.append({"skipped": f"{named(target)}: {error.message}"})
    assert failure is not None
    raise failure


def _from_target(
    exchange: Exchange, client: Client, request: ChatRequest, target: Target
) -> Iterator[bytes]:
    """One target's answer, after as many tries as it is worth."""
    settings = exchange.gateway.settings.upstream
    exchange.target = target
    if request.kind == "count" and target.provider.speaks[0] == "openai":
        yield count_answer(request.dialect, question_tokens(request))
        return
    assert exchange.memory is not None
    cap = _reserved(exchange, request, target)
    question = question_for(client, request, target, cap, exchange.fetched, exchange.memory)
    exchange.dropped = question.dropped
    for tries in range(settings.max_retries + 1):
        exchange.hurry()
        exchange.attempts += 1
        exchange.learned = Learned()
        exchange.complete = False
        try:
            yield from _attempt(exchange, target, question)
            exchange.gateway.breaker.answered(target.place)
            return
        except UpstreamError as error:
            pause = _pause(error, tries, settings.max_retry_delay)
            most = settings.max_retries if error.most_retries is None else error.most_retries
            most = min(most, settings.max_retries)
            last = tries >= most or not error.retryable or pause is None
            _note_failed_attempt(exchange, target, error)
            if last or exchange.is_final:
                exchange.gateway.breaker.failed(target.place, error)
                raise
            time.sleep(pause or 0)


def _reserved(exchange: Exchange, request: ChatRequest, target: Target) -> int | None:
    """Reserves what the call may use at this target; gives the cap of its output."""
    assert exchange.call is not None
    gateway = exchange.gateway
    return exchange.call.reserve(
        request,
        target.provider.id,
        target.model,
        gateway.prices,
        gateway.settings.limits.default_output_reservation,
    )


def _note_failed_attempt(exchange: Exchange, target: Target, error: UpstreamError) -> None:
    code = error.code or str(error.status)
    exchange.gateway.metrics.upstream_failed(target.provider.id, code)
    exchange.attempt_log.append(
        {
            "provider": target.provider.id,
            "model": target.model,
            "status": error.status,
            "code": code,
            "message": error.message[:_REASON_SIZE],
            "after_ms": round(exchange.elapsed() * 1000),
        }
    )


def _pause(error: UpstreamError, tries: int, longest: float) -> float | None:
    """Seconds before the next try; None if upstream asks for more than is worth waiting."""
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= longest else None
    wait: float = min(0.25 * 2**tries, longest) * (0.75 + random.random() / 2)
    return wait


def _attempt(exchange: Exchange, target: Target, question: Question) -> Iterator[bytes]:
    """One try: the answer's blocks as they pass the meter."""
    reply = target.provider.chat(exchange.gateway.upstream, target, question)
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
    passage = _passage(exchange, target, question)
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
