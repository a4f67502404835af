"""Streams at their pace, beside a bare relay's: how late events are, how many streams one holds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread

from bench import load, process
from bench.load import LoadFailed, Outcome, Plan
from bench.servers import Gateway, Server, Upstream
from bench.stage import Row, Stage, is_calm, tell

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
    _check_load(stage, relay + _STEP)
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
    _misses: float = field(default=0.0)

    def step(self, stage: Stage) -> None:
        streams = self.held + _STEP if self.held else _FIRST
        outcome = _steady(stage, self.server, streams)
        if outcome is not None and outcome.late_p99 <= LATEST:
            self.held, self._misses = streams, 0.0
        else:
            # What was missed while others used the core says little.
            self._misses += 1 if outcome is None or is_calm(outcome) else 1 / 3
            self.goes_on = self._misses < 1.9


def _steady(stage: Stage, server: Server, streams: int) -> Outcome | None:
    """None if an answer was wrong, or did not come."""
    plan = _steady_plan(stage, server, streams)
    try:
        outcome = stage.ask(plan)
    except LoadFailed as failure:
        tell(f"paced, {server.name}, {streams} streams: {failure}")
        return None
    tell(f"paced, {server.name}, {streams} streams: {_told(outcome, plan)}")
    return outcome


def _check_load(stage: Stage, streams: int) -> None:
    """Whether the load and the upstream could do what the relay could not."""
    plan = _steady_plan(stage, stage.upstream, streams)
    outcome = load.run(plan)
    tell(f"paced, straight from upstream, {streams} streams: {_told(outcome, plan)}")
    if outcome.late_p99 > LATEST / 2:
        stage.notes.append("paced: the load itself was at its limit; the relay may hold more.")


def _steady_plan(stage: Stage, server: Server | Upstream, streams: int) -> Plan:
    return replace(paced_plan(stage, server, streams, rate=20, seconds=_SECONDS), ramp=_RAMP)


def crowd(stage: Stage) -> Iterator[Row]:
    """300 streams begun at the same moment, 10 events a second, for 10 s."""
    bare = _crowd_of(stage, stage.relay, "none")
    with Gateway(stage.folder / "crowd") as gateway:
        key = stage.new_client(gateway)
        stage.ask(paced_plan(stage, gateway, 1, rate=10, seconds=1, key=key))
        before = _descriptors_at_rest(gateway)
        with _memory_readings(gateway) as memory:
            own = _crowd_of(stage, gateway, key)
        after = _descriptors_at_rest(gateway)
        kept = process.connections(gateway.worker, stage.upstream.port)
    tell(f"crowd: {after - before} descriptors more than before; {kept} in all lead to upstream")
    yield _latest(own.late_p99, bare.late_p99)
    yield _most_memory(max(memory))
    yield _returned(before, after)


def _latest(own: float, bare: float) -> Row:
    return Row(
        "crowd: p99 late",
        gateway=f"{own:.0f} ms",
        reference=f"{bare:.0f} ms",
        ratio=f"{own - bare:+.0f} ms",
        bound=f"+{CROWD_LATER:g} ms",
        met=own - bare <= CROWD_LATER,
    )


def _most_memory(most: float) -> Row:
    bound = f"{CROWD_MEMORY:g} MB"
    return Row("crowd: memory", f"{most:.0f} MB", bound=bound, met=most <= CROWD_MEMORY)


def _returned(before: int, after: int) -> Row:
    return Row(
        "crowd: descriptors",
        gateway=f"{after}",
        reference=f"{before}",
        ratio=f"{after - before:+d}",
        bound="+0",
        met=after <= before,
    )


def paced_plan(
    stage: Stage,
    server: Server | Upstream,
    streams: int,
    *,
    rate: int,
    seconds: int,
    key: str | None = None,
) -> Plan:
    """`streams` that each last `seconds`, all begun at once."""
    events = rate * seconds
    plan = stage.plan(server, f"paced-{rate}-{events}", key=key)
    return replace(
        plan,
        connections=streams,
        seconds=0,
        events=events + _ENDING,
        patience=seconds + _PATIENCE,
    )


def _crowd_of(stage: Stage, server: Server, key: str) -> Outcome:
    plan = paced_plan(stage, server, 300, rate=10, seconds=10, key=key)
    outcome = stage.ask(plan)
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
def _memory_readings(server: Server) -> Iterator[list[float]]:
    """Those of the process tree, twice a second, in MB."""
    readings, over = [process.memory_mb(server.pid)], Event()

    def read() -> None:
        while not over.wait(0.5):
            readings.append(process.memory_mb(server.pid))

    reader = Thread(target=read)
    reader.start()
    try:
        yield readings
    finally:
        over.set()
        reader.join()


def _descriptors_at_rest(server: Server) -> int:
    """The worker's, once their number has been the same for a second."""
    counts = [process.descriptors(server.worker)]
    while len(counts) < 5 or len(set(counts[-5:])) > 1:
        time.sleep(0.25)
        counts.append(process.descriptors(server.worker))
    return counts[-1]
