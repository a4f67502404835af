"""What a run stands on: the servers, each started when it is first asked for."""

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import load, process, wire
from bench.load import Outcome, Plan
from bench.servers import MESSAGES, Gateway, NotServing, Reference, Server, Upstream

LIMITS = {
    "rate_limit_minute": 10**9,
    "rate_limit_hour": 10**9,
    "rate_limit_day": 10**9,
}
ALL_LIMITS = {
    **LIMITS,
    "tokens_per_minute": 10**12,
    "max_concurrent": 10**6,
    "quota_requests_day": 10**9,
    "quota_input_tokens_day": 10**12,
    "quota_output_tokens_day": 10**12,
    "max_input_tokens": 10**6,
    "max_output_tokens": 10**5,
    "budget_usd_day": 10**6,
    "budget_usd_month": 10**6,
}
_CALM, _TRIES = 0.05, 3
_LOOK, _IN_USE = 0.25, 0.15


@dataclass(frozen=True)
class Row:
    """One line of the result. `met` None: there is no bound."""

    name: str
    gateway: str
    reference: str = "-"
    ratio: str = "-"
    bound: str = "-"
    met: bool | None = None


class Stage:
    """`with Stage(pairs, seconds, patience) as stage:` ends all that was started on it."""

    def __init__(self, pairs: int, seconds: float, patience: float) -> None:
        self.pairs = pairs
        self.seconds = seconds
        self.notes: list[str] = []
        """What should be known besides the figures."""
        self._disturbed = 0
        self._patience = patience
        self._exit = ExitStack()

    def __enter__(self) -> "Stage":
        self.folder = Path(self._exit.enter_context(TemporaryDirectory(prefix="bench-")))
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()
        if self._disturbed:
            told = f"Others used the worker's core during {self._disturbed} runs"
            self.notes.append(f"{told}: those figures are unsure.")

    @cached_property
    def upstream(self) -> Upstream:
        return self._exit.enter_context(Upstream())

    @cached_property
    def empty(self) -> Reference:
        return self._reference("empty")

    @cached_property
    def relay(self) -> Reference:
        return self._reference("relay")

    @cached_property
    def gateway(self) -> Gateway:
        return self._exit.enter_context(Gateway(self.folder / "gateway"))

    @cached_property
    def key(self) -> str:
        """That of a client with three limits, none of which is ever reached."""
        return self.new_client(self.gateway)

    def new_client(self, gateway: Gateway, limits: Mapping[str, int] = LIMITS) -> str:
        """A client of the gateway whose provider is the static upstream; gives its key."""
        return gateway.client(
            name=f"with {len(limits)} limits",
            provider="openai-compatible",
            provider_base_url=f"http://127.0.0.1:{self.upstream.port}/v1",
            provider_api_key="upstream-key",
            **limits,
        )

    @cached_property
    def anthropic_key(self) -> str:
        """That of a like client whose vendor speaks Anthropic's dialect."""
        return self.gateway.client(
            name="translated",
            provider="anthropic",
            provider_base_url=f"http://127.0.0.1:{self.upstream.port}",
            provider_api_key="upstream-key",
            **LIMITS,
        )

    def translated(self, door: str, model: str) -> Plan:
        """The plan of a call whose vendor speaks another dialect; what is right, one call tells."""
        server, stream = self.gateway, model == "stream"
        if door == "openai":
            plan = self.plan(server, model, key=self.anthropic_key)
        else:
            body = wire.messages_question(model, stream=stream)
            plan = replace(self.plan(server, model), path=MESSAGES, body=body)
        status, answer = server.call("POST", plan.path, plan.body, plan.key)
        if status != 200:
            raise NotServing(f"The gateway does not translate: {status} {answer!r}")
        if not stream:
            return replace(plan, length=len(answer))
        last = answer.decode().rstrip("\n").rpartition("\n\n")[2] + "\n\n"
        return replace(plan, events=answer.count(b"data: "), last=last)

    def plan(
        self,
        server: Server | Upstream,
        model: str,
        *,
        usage: bool = False,
        key: str | None = None,
    ) -> Plan:
        """32 connections that ask `server` for `model` again and again."""
        streamed = model != "whole"
        plan = Plan(
            port=server.port,
            worker=server.worker,
            path=server.path,
            key=key or (self.key if server is self.gateway else "none"),
            body=wire.question(model, stream=streamed, usage=usage),
            connections=32,
            seconds=self.seconds,
        )
        if server is self.empty:
            return replace(plan, length=len("{}\n"))
        if not streamed:
            return replace(plan, length=len(wire.whole()))
        return replace(plan, events=len(wire.stream(usage=usage)))

    def ask(self, plan: Plan) -> Outcome:
        """The outcome of the plan; on a busy machine, the least disturbed of a few tries."""
        outcomes: list[Outcome] = []
        while not outcomes or (len(outcomes) < _TRIES and self._patience > 0):
            self._wait_for_calm()
            began = time.monotonic()
            outcomes.append(load.run(plan))
            if is_calm(outcomes[-1]):
                return outcomes[-1]
            self._patience -= time.monotonic() - began
            tell(f"others used the worker's core for {outcomes[-1].ready:.0%} of the time")
        self._disturbed += 1
        return min(outcomes, key=lambda outcome: outcome.ready)

    def _wait_for_calm(self) -> None:
        """Until nobody uses the worker's core, or the patience of the whole run is at its end."""
        (core,) = process.cores()[0]
        began = time.monotonic()
        while self._patience > 0 and process.core_use(core, _LOOK) > _IN_USE:
            self._patience -= _LOOK
        if (waited := time.monotonic() - began) > 4 * _LOOK:
            tell(f"waited {waited:.0f} s for others to leave the worker's core")

    def _reference(self, name: str) -> Reference:
        server = Reference(self.folder, name, self.upstream.port)
        return self._exit.enter_context(server)


def is_calm(outcome: Outcome) -> bool:
    """Whether the worker had its core to itself."""
    return outcome.ready <= _CALM


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)
