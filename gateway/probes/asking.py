"""One question of a probe, asked as the client's own calls are, within its time."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import gevent
import orjson

from gateway.answering import answer
from gateway.context import Gateway
from gateway.dialects import openai
from gateway.errors import ClientHungUp, GatewayError, UpstreamError
from gateway.exchange import Exchange
from gateway.limits import Call
from gateway.probes.questions import CAP, QUESTIONS
from gateway.store.clients import Client

FLAG = "connection_test"
_MOST_BYTES = 1 << 20
_LIMITS = (
    *("rate_limit_minute", "rate_limit_hour", "rate_limit_day"),
    *("tokens_per_minute", "max_concurrent", "max_input_tokens"),
    *("quota_requests_day", "quota_input_tokens_day", "quota_output_tokens_day"),
    *("budget_usd_day", "budget_usd_month"),
)


class OutOfTime(ClientHungUp):
    """The test waits no longer. It says nothing of whether the answer would have come."""

    code = "test_out_of_time"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back, as the client would have got it; `error`: what it would have got instead."""

    body: bytes
    error: GatewayError | None
    exchange: Exchange

    @property
    def ms(self) -> int:
        return round(self.exchange.elapsed() * 1000)

    @property
    def model(self) -> str | None:
        """The one that was asked, when aliases have been followed."""
        target = self.exchange.target
        return target.model if target else None


def tested(client: Client) -> Client:
    """The client as its probes go out: to its own provider alone, and past its limits.

    They are an administrator's calls, which neither use up what the client may do nor are refused
    for it; and the gateway's tools are not theirs to run.
    """
    free: dict[str, Any] = dict.fromkeys(_LIMITS)
    return replace(client, fallback_models=(), tool_mode="pass-through", **free)


def ask(gateway: Gateway, client: Client, model: str, name: str) -> Heard:
    """The answer to one of the QUESTIONS. Raises nothing but what ends the worker."""
    exchange = Exchange(gateway, "openai")
    exchange.client, exchange.call = client, Call(client, gateway.shared)
    exchange.flags.append(FLAG)
    body = orjson.dumps({"model": model, "max_tokens": CAP, **QUESTIONS[name]})
    blocks: list[bytes] = []
    try:
        with in_time(gateway):
            blocks.extend(_bounded(answer(exchange, lambda _: openai.read_request(body))))
    except GatewayError as error:
        return Heard(b"".join(blocks), error, exchange)
    return Heard(b"".join(blocks), None, exchange)


@contextmanager
def in_time(gateway: Gateway) -> Iterator[None]:
    """Raises OutOfTime in what takes longer than a probe may."""
    seconds = gateway.settings.admin.test_timeout
    with gevent.Timeout(seconds, OutOfTime(f"No answer within {seconds:g} s")):
        yield


def _bounded(blocks: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    with closing(cast(Generator[bytes], blocks)):
        for block in blocks:
            yield bytes(block)
            size += len(block)
            if size > _MOST_BYTES:
                raise UpstreamError("The answer to a small question has no end")
