"""The one way to an answer: its rounds, the targets in their order, the tries at each.

`answer` is a stream of blocks, streamed or not: fallback, retries and usage are written once. Its
one `finally` settles and records, whatever the ending.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator

import gevent

from gateway.attempt import attempt
from gateway.chat import ChatRequest, Learned
from gateway.dialects.translation import count_answer
from gateway.errors import BadRequest, ClientHungUp, GatewayError, UpstreamError
from gateway.estimate import question_tokens
from gateway.exchange import SILENCE, Exchange
from gateway.fallback import fitting, named
from gateway.limits import Call
from gateway.memory import Memory
from gateway.providers.base import Target
from gateway.question import question_for
from gateway.rounds import Rounds, rounds_of
from gateway.routing import Route, route
from gateway.store.clients import Client

_REASON_SIZE = 300
_log = logging.getLogger(__name__)


def answer(exchange: Exchange, ask: Callable[[Exchange], ChatRequest]) -> Iterator[bytes]:
    """The answer's blocks as they come, SILENCE where upstream pauses.

    `ask` lets the caller in and reads the question. Raises GatewayError: before the first block
    as an answer of its own, after it as the stream's end.
    """
    exchange.begin()
    try:
        request = exchange.request = ask(exchange)
        yield from exchange.overheard(_answered(exchange, request))
        exchange.status = 200
    except GatewayError as error:
        exchange.fail(error)
        raise
    except GeneratorExit:
        exchange.closed()
        raise
    except gevent.GreenletExit:
        exchange.fail(ClientHungUp("The gateway was stopped", code="gateway_stopped"))
        raise
    except Exception:
        _log.exception("%s: an error of the gateway itself", exchange.request_id)
        failure = GatewayError("An error of the gateway itself; its log says more")
        exchange.fail(failure)
        raise failure from None
    finally:
        exchange.settle()


def _answered(exchange: Exchange, request: ChatRequest) -> Iterator[bytes]:
    """The answer to a question, in as many rounds as the gateway's tools need."""
    gateway, client, call = exchange.gateway, exchange.client, exchange.call
    assert client is not None and call is not None
    way = route(client, request.model, gateway.ways)
    memory = exchange.memory = Memory(gateway.states, client.id)
    if any(request.dialect not in target.provider.speaks for target in way.targets):
        memory.look_back(request)  # what it goes on with is input, too
    rounds = exchange.rounds = rounds_of(client, request, gateway.toolbox, memory)
    call.read(request, rounds.added if rounds is not None else 0)
    if rounds is None:
        yield from _from_targets(exchange, client, request, way)
        return
    while True:
        request = exchange.request = rounds.next()
        yield from _from_targets(exchange, client, request, way)
        _round_over(exchange, call, rounds)
        if rounds.has_to_run:
            yield from _tools_run(exchange, rounds)
            call.grow(rounds.added)
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
    rounds.over(used, learned, exchange.elapsed())
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
    if exchange.call is not None and (exchange.rounds is not None or len(targets) > 1):
        exchange.call.stay()
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
    assert exchange.memory is not None
    cap = _reserved(exchange, request, target)
    if request.kind == "count" and target.provider.speaks[0] == "openai":
        yield count_answer(request.dialect, question_tokens(request))
        return
    question = question_for(client, request, target, cap, exchange.fetched, exchange.memory)
    exchange.dropped = question.dropped
    for tries in range(settings.max_retries + 1):
        exchange.hurry()
        exchange.attempts += 1
        exchange.learned = Learned()
        exchange.complete = False
        try:
            yield from attempt(exchange, target, question)
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
