"""One exchange: who asks, what is asked, what is learned; how it is broken off, and its record."""

import errno
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import gevent

from gateway.bodies import Keeper, kept
from gateway.chat import ChatRequest, Learned
from gateway.context import Gateway
from gateway.dialects.passage import Passage
from gateway.errors import Cancelled, ClientHungUp, GatewayError
from gateway.hangup import INTERIM, Watched
from gateway.limits import Call
from gateway.memory import Memory
from gateway.providers.base import Question, Target
from gateway.question import Fetches, address_and_headers
from gateway.record import NOTHING, Spent, row, spent, under_way
from gateway.rounds import Rounds
from gateway.store.clients import Client
from gateway.store.spool import Body
from gateway.telemetry import Ended

SILENCE = b""
"""A block of an answer that says nothing: upstream pauses."""
_READING_TIME = 0.5
"""Seconds in which the caller of a cancelled call may read what was sent before it is told."""
_NO_RETRY = {"x-should-retry": "false"}


def new_request_id() -> str:
    return "req_" + secrets.token_hex(12)


def is_request_id(text: str) -> bool:
    return re.fullmatch(r"req_[0-9a-f]{24}", text) is not None


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
        "asked_at",
        "connect",
        "sent",
        "call",
        "committed",
        "complete",
        "waits",
        "passage",
        "_stopped",
        "_break_off_at",
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
        self.asked_at: float | None = None
        """When the last try began; of rounds, in the first."""
        self.connect: float | None = None
        """Seconds that its connection took, if one was made for it."""
        self.sent: tuple[Target, Question] | None = None
        """What went up last, and where."""
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
        self.passage: Passage | None = None
        """How the stream goes to the client, once there is one."""
        self._stopped: GatewayError | None = None
        """Why it is to end, though its greenlet may not have heard of it."""
        self._break_off_at = 0.0
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

    def begin(self) -> None:
        """It is under way from here on, until `settle`."""
        self.gateway.metrics.began()
        self.gateway.in_flight.calls[self.request_id] = self
        if self._greenlet is None:
            # No client's socket is watched: who asks inside the gateway only waits.
            self._greenlet, self.waits = gevent.getcurrent(), True

    def watch(self, socket: Any, *, interim: bool) -> None:
        """Ends the exchange when the client's socket closes. `interim`: it bears a 100 Continue."""
        self._greenlet = gevent.getcurrent()
        probe = INTERIM if interim else None
        self._watched = self.gateway.hangups.add(socket, self._hung_up, probe, lambda: self.waits)

    @property
    def ends(self) -> bool:
        return self._stopped is not None

    @property
    def earlier_output(self) -> int:
        return self.rounds.output_tokens if self.rounds is not None else 0

    def told(self) -> dict[str, Any]:
        return under_way(self)

    def commit(self, keep_alive: bytes | None) -> None:
        """The head goes out now; `keep_alive` is what the answer's body bears at any time."""
        self.committed = True
        if self._watched is not None:
            self._watched.probe = keep_alive

    def hurry(self) -> None:
        """Raises ClientHungUp if the client has gone meanwhile, Cancelled if it was cancelled."""
        if self._stopped is not None:
            raise self._stopped

    def cancel(self) -> None:
        """Ends it by an administrator's wish: the caller is told, if it reads.

        Asked again after a while, it ends though the caller does not read what was sent before.
        """
        now = time.monotonic()
        if self._stopped is None:
            self._break_off_at = now + _READING_TIME
            self._stop(Cancelled("An administrator cancelled this call", headers=_NO_RETRY))
        elif now >= self._break_off_at:
            gevent.get_hub().loop.run_callback(self._break_off)

    def fail(self, error: GatewayError) -> None:
        """It has come to nothing; `settle` records why."""
        self.error, self.status = error, error.status

    def closed(self) -> None:
        """Its answer is not read to its end."""
        self.fail(self._stopped or ClientHungUp("The client hung up"))

    def _hung_up(self) -> None:
        self._stop(ClientHungUp("The client hung up"))

    def _stop(self, error: GatewayError) -> None:
        self._stopped = self._stopped or error
        gevent.get_hub().loop.run_callback(self._interrupt)

    def _interrupt(self) -> None:
        # In the hub, so that the greenlet cannot have gone on since it was looked at.
        if self.waits and self._greenlet is not None and not self._greenlet.dead:
            self._greenlet.throw(self._stopped)

    def _break_off(self) -> None:
        """What it waits for fails; sending does so as if the client had reset its connection."""
        is_over = self.request_id not in self.gateway.in_flight.calls
        if self.waits:
            self._interrupt()
        elif not is_over and self._greenlet is not None and not self._greenlet.dead:
            self._greenlet.throw(ConnectionResetError(errno.ECONNRESET, "cancelled"))

    def settle(self) -> None:
        """Settles and records the exchange, once."""
        self.waits = False  # for upstream; nobody may interrupt what is done now
        self.gateway.in_flight.calls.pop(self.request_id, None)
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
        body = Body(kept(request.raw, how, most), keeper.kept(how), how)
        if self.sent is None:
            return body
        target, question = self.sent
        url, headers = address_and_headers(target, question.request)
        head = [f"POST {url}", *(f"{name}: {value}" for name, value in headers.items())]
        return body._replace(
            sent=kept(question.body, how, most),
            sent_head=kept("\n".join(head).encode(), "full", most),
        )
