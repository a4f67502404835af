"""The load: keep-alive connections over raw sockets that check each answer.

`run` starts it as a process of its own, on the cores that the worker does not use.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from bench import process, wire

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SETTLING = 0.4
"""Seconds until what a worker does behind its answers, such as its log, is done."""
_PATIENCE = 30.0


class LoadFailed(Exception):
    """Answers were wrong, or did not come."""


@dataclass(frozen=True)
class Plan:
    """What to ask, how often, and what a right answer is.

    `seconds`: each connection asks again and again for so long, after a tenth of it to warm up; 0
    is one question each, spread over `ramp` seconds. An answer has `length` bytes, or as many
    `events` and `last` at its end. `patience`: seconds until open answers are given up.
    """

    port: int
    worker: int
    path: str
    key: str
    body: str
    connections: int
    seconds: float = 0.0
    ramp: float = 0.0
    length: int | None = None
    events: int | None = None
    last: str = wire.LAST.decode()
    patience: float = _PATIENCE


@dataclass(frozen=True)
class Outcome:
    """`cpu` is what the worker used, in seconds; `late` are the events' delays in ms.

    Shares of the time: in which the worker was `ready` to run, but others had its core; in which
    the load itself was `busy`.
    """

    answers: int
    cpu: float
    ready: float
    busy: float
    late_median: float
    late_p99: float
    late_most: float
    errors: int
    first_error: str

    @property
    def microseconds(self) -> float:
        """The worker's CPU per answer."""
        return self.cpu / self.answers * 1e6


def run(plan: Plan) -> Outcome:
    """Raises LoadFailed for any wrong answer."""
    _, cores = process.cores()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as load:
        try:
            process.pin(load.pid, cores)
            said, _ = load.communicate(json.dumps(asdict(plan)))
        except BaseException:
            load.kill()
            raise
    if load.returncode != 0:
        raise LoadFailed(f"the load ended with {load.returncode}")
    outcome = Outcome(**json.loads(said))
    if outcome.errors or not outcome.answers:
        raise LoadFailed(f"{outcome.errors} errors, the first: {outcome.first_error}")
    return outcome


class Answer:
    """An HTTP answer while it arrives; `body` is what has been decoded of it so far."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.complete = False
        self._raw = bytearray()
        self._length: int | None = None

    def feed(self, data: bytes) -> None:
        self._raw += data
        if not self.status and not self._read_head():
            return
        if self._length is None:
            self._read_chunks()
        else:
            self.body += self._raw
            self._raw.clear()
            self.complete = len(self.body) >= self._length

    def _read_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = int(self._raw[9:12])
        found = _LENGTH.search(self._raw, 0, end)
        length = int(found[1]) if found else None
        del self._raw[: end + 4]
        if status < 200:
            return self._read_head()
        self.status = status
        self._length = length
        return True

    def _read_chunks(self) -> None:
        raw, at = self._raw, 0
        while not self.complete and (line := raw.find(b"\r\n", at)) >= 0:
            start = line + 2
            end = start + int(raw[at:line], 16)
            if len(raw) < end + 2:
                break
            self.body += raw[start:end]
            self.complete = start == end
            at = end + 2
        del raw[:at]


class Tally:
    """What all connections have seen together."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.answers = 0
        self.errors = 0
        self.first_error = ""
        self.late = array("q")

    def wrong(self, what: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or what


class Connection(asyncio.Protocol):
    """Asks, checks the answer, and tells `on_end`; asks again when it is told to."""

    def __init__(self, tally: Tally, text: bytes, on_end: Callable[["Connection"], None]) -> None:
        self._tally = tally
        self._text = text
        self._on_end = on_end
        self._answer: Answer | None = None
        self._events = 0
        self._last = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None:
            self._end("the connection closed before the answer's end")

    def ask(self) -> None:
        self._answer, self._events, self._last = Answer(), 0, ""
        if self._transport.is_closing():
            self._end("the connection was closed between two calls")
        else:
            self._transport.write(self._text)

    def close(self) -> None:
        """Ends the connection; an answer that is still open counts as an error."""
        if self._answer is not None:
            self._end("no whole answer in time")
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        answer = self._answer
        if answer is None:
            return self._tally.wrong(f"bytes that nobody asked for: {data[:80]!r}")
        try:
            answer.feed(data)
        except ValueError:
            return self._end(f"not HTTP: {data[:80]!r}")
        if self._tally.plan.events is not None:
            self._take_events(answer.body, now)
        if answer.complete:
            self._end(self._fault(answer))

    def _take_events(self, body: bytearray, now: int) -> None:
        end = body.rfind(b"\n\n") + 2
        if end < 2:
            return
        self._events += body.count(b"data: ", 0, end)
        self._tally.late.extend(now - int(found[1]) for found in wire.STAMP.finditer(body, 0, end))
        self._last = body[:end].decode()[-len(self._tally.plan.last) :]
        del body[:end]

    def _fault(self, answer: Answer) -> str:
        """What is wrong with a whole answer; nothing is "" ."""
        plan = self._tally.plan
        if answer.status != 200:
            return f"status {answer.status}: {bytes(answer.body[:200])!r}"
        if plan.length is not None and len(answer.body) != plan.length:
            return f"{len(answer.body)} bytes instead of {plan.length}"
        if plan.events is not None and (self._events, self._last) != (plan.events, plan.last):
            return f"{self._events} events instead of {plan.events}, at the end {self._last!r}"
        return ""

    def _end(self, fault: str) -> None:
        self._answer = None
        if fault:
            self._tally.wrong(fault)
        else:
            self._tally.answers += 1
        self._on_end(self)


async def measure(plan: Plan) -> Outcome:
    """The plan's load; from the worker at rest to the worker at rest."""
    if plan.seconds:
        warming = Tally(plan)
        await _rounds(replace(plan, seconds=max(0.2, plan.seconds / 10)), warming)
        await asyncio.sleep(_SETTLING)
    tally = Tally(plan)
    before = _readings(plan)
    await (_rounds if plan.seconds else _streams)(plan, tally)
    during = _readings(plan)
    await asyncio.sleep(_SETTLING)
    return _outcome(tally, before, during, process.cpu_seconds(plan.worker))


class _Readings(NamedTuple):
    """All in seconds."""

    clock: float
    worker: float
    waited: float
    own: float


def _readings(plan: Plan) -> _Readings:
    return _Readings(
        time.monotonic(),
        process.cpu_seconds(plan.worker),
        process.waited_seconds(plan.worker),
        time.process_time(),
    )


async def _rounds(plan: Plan, tally: Tally) -> None:
    """Each connection asks again as soon as it has its answer, until the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + plan.seconds

    def again(connection: Connection) -> bool:
        if loop.time() >= until or tally.errors:
            return False
        connection.ask()
        return True

    await _converse(plan, tally, again)


async def _streams(plan: Plan, tally: Tally) -> None:
    """Each connection asks once."""
    await _converse(plan, tally, lambda connection: False)


async def _converse(plan: Plan, tally: Tally, again: Callable[[Connection], bool]) -> None:
    """Connects, asks, and waits until no connection asks `again`."""
    over = asyncio.Event()
    open_ones: set[Connection] = set()

    def on_end(connection: Connection) -> None:
        if not again(connection):
            open_ones.discard(connection)
            if not open_ones:
                over.set()

    connections = [Connection(tally, _text(plan), on_end) for _ in range(plan.connections)]
    open_ones.update(connections)
    try:
        await asyncio.gather(*(_connect(plan, one) for one in connections))
        await asyncio.gather(*_questions(plan, connections))
        async with asyncio.timeout(plan.seconds + plan.patience):
            await over.wait()
    except TimeoutError:
        tally.wrong("the time was up")
    except OSError as error:
        tally.wrong(f"no connection: {error}")
    finally:
        for connection in connections:
            connection.close()


async def _connect(plan: Plan, connection: Connection) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: connection, "127.0.0.1", plan.port)


def _questions(plan: Plan, connections: list[Connection]) -> list[Awaitable[None]]:
    async def ask_after(pause: float, connection: Connection) -> None:
        await asyncio.sleep(pause)
        connection.ask()

    pause = plan.ramp / len(connections)
    return [ask_after(number * pause, one) for number, one in enumerate(connections)]


def _text(plan: Plan) -> bytes:
    body = plan.body.encode()
    head = (
        f"POST {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\n"
        f"Authorization: Bearer {plan.key}\r\nContent-Type: application/json\r\n"
        "Accept: application/json\r\nUser-Agent: bench\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _outcome(tally: Tally, before: _Readings, during: _Readings, at_rest: float) -> Outcome:
    late = sorted(tally.late) or [0]
    took = during.clock - before.clock
    return Outcome(
        answers=tally.answers,
        cpu=at_rest - before.worker,
        ready=(during.waited - before.waited) / took,
        busy=(during.own - before.own) / took,
        late_median=late[len(late) // 2] / 1e6,
        late_p99=late[len(late) * 99 // 100] / 1e6,
        late_most=late[-1] / 1e6,
        errors=tally.errors,
        first_error=tally.first_error,
    )


if __name__ == "__main__":
    result = asyncio.run(measure(Plan(**json.load(sys.stdin))))
    print(json.dumps(asdict(result)))
