"""Streams at their pace, beside a bare relay's: how late events are, how many streams one holds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread

from bench import load, process
from bench.load import LoadFailed, Outcome, Plan
from bench.servers import Server
from bench.stage import Row, Stage, tell

HELD_BOUND = 0.7
LATEST = 60.0
"""How late, in ms, an event in a hundred may be where streams count as held."""
CROWD_LATER, CROWD_MEMORY = 50.0, 160.0
_FIRST, _STEP = 100, 50
_SECONDS, _RAMP = 6, 2.0
_ENDING = 2  # the finish and [DONE]
_PATIENCE = 20.0


def paced(stage: Stage) -> Iterator[Row]:
    """How many streams of 20 events a second one worker holds."""
    searches = [_Search(stage.relay), _Search(stage.gateway)]
    while any(search.goes_on for search in searches):
        for search in searches:
            if search.goes_on:
                search.step(stage)
    relay, gateway = (search.held for search in searches)
    ratio = gateway / relay if relay else 0.0
    yield Row(
        "paced",
        gateway=f"{gateway} streams",
        reference=f"{relay} streams",
        ratio=f"{ratio:.2f}×",
        bound=f"≥ {HELD_BOUND:g}×",
        met=ratio >= HELD_BOUND,
    )


@dataclass
class _Search:
    """Steps up until a number of streams is missed twice running."""

    server: Server
    held: int = 0
    goes_on: bool = True
    _misses: int = field(default=0)

    def step(self, stage: Stage) -> None:
        streams = self.held + _STEP if self.held else _FIRST
        if self._holds(stage, streams):
            self.held, self._misses = streams, 0
        else:
            self._misses += 1
            self.goes_on = self._misses < 2

    def _holds(self, stage: Stage, streams: int) -> bool:
        plan = paced_plan(stage, self.server, streams, rate=20, seconds=_SECONDS)
        try:
            outcome = load.run(replace(plan, ramp=_RAMP))
        except LoadFailed as failure:
            tell(f"paced, {self.server.name}, {streams} streams: {failure}")
            return False
        tell(f"paced, {self.server.name}, {streams} streams: {_told(outcome, plan)}")
        return outcome.late_p99 <= LATEST


def crowd(stage: Stage) -> Iterator[Row]:
    """300 streams begun at the same moment, 10 events a second, for 10 s."""
    relay, gateway = stage.relay, stage.gateway
    for server in (relay, gateway):
        load.run(paced_plan(stage, server, 20, rate=10, seconds=1))
    before = _descriptors_at_rest(gateway.worker)
    bare = _crowd_of(stage, relay)
    with _highest_memory(gateway.pid) as memory:
        own = _crowd_of(stage, gateway)
    after = _descriptors_at_rest(gateway.worker)
    later = own.late_p99 - bare.late_p99
    yield Row(
        "crowd: p99 late",
        gateway=f"{own.late_p99:.0f} ms",
        reference=f"{bare.late_p99:.0f} ms",
        ratio=f"{later:+.0f} ms",
        bound=f"+{CROWD_LATER:g} ms",
        met=later <= CROWD_LATER,
    )
    yield Row(
        "crowd: memory",
        gateway=f"{max(memory):.0f} MB",
        bound=f"{CROWD_MEMORY:g} MB",
        met=max(memory) <= CROWD_MEMORY,
    )
    yield Row(
        "crowd: descriptors", f"{after}", f"{before} before", "-", "none kept", after <= before
    )


def paced_plan(stage: Stage, server: Server, streams: int, *, rate: int, seconds: int) -> Plan:
    """`streams` that each last `seconds`, all begun at once."""
    events = rate * seconds
    plan = stage.plan(server, f"paced-{rate}-{events}")
    return replace(
        plan,
        connections=streams,
        seconds=0,
        events=events + _ENDING,
        patience=seconds + _PATIENCE,
    )


def _crowd_of(stage: Stage, server: Server) -> Outcome:
    plan = paced_plan(stage, server, 300, rate=10, seconds=10)
    outcome = load.run(plan)
    tell(f"crowd, {server.name}, {plan.connections} streams at once: {_told(outcome, plan)}")
    return outcome


def _told(outcome: Outcome, plan: Plan) -> str:
    events = plan.connections * (plan.events or 1)
    return (
        f"late {outcome.late_median:.1f} ms, p99 {outcome.late_p99:.1f} ms, "
        f"most {outcome.late_most:.0f} ms; {outcome.cpu / events * 1e6:.0f} µs an event"
        f"; the load's core {outcome.busy:.0%} busy"
    )


@contextmanager
def _highest_memory(pid: int) -> Iterator[list[float]]:
    """Readings of the process tree's memory, twice a second, in MB."""
    readings, over = [process.memory_mb(pid)], Event()

    def read() -> None:
        while not over.wait(0.5):
            readings.append(process.memory_mb(pid))

    reader = Thread(target=read)
    reader.start()
    try:
        yield readings
    finally:
        over.set()
        reader.join()


def _descriptors_at_rest(pid: int) -> int:
    """Once their number has been the same for a second."""
    counts = [process.descriptors(pid)]
    while len(counts) < 5 or len(set(counts[-5:])) > 1:
        time.sleep(0.25)
        counts.append(process.descriptors(pid))
    return counts[-1]
