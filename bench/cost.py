"""CPU of one worker for a whole answer and for a stream, against the empty route's."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from bench.load import Plan
from bench.stage import ALL_LIMITS, Row, Stage, tell

WHOLE_BOUND = 2.5
STREAM_BOUND = 3.0
TRANSLATED_WHOLE_BOUND = 1.6
TRANSLATED_STREAM_BOUND = 2.0
_VENDORS = {"openai": "Anthropic", "anthropic": "OpenAI"}


def whole(stage: Stage) -> Iterator[Row]:
    """A request of 1 kB, an answer of 1 kB; key, three limits, log and metrics."""
    yield _compared(stage, "whole", stage.plan(stage.gateway, "whole"), WHOLE_BOUND)


def stream(stage: Stage) -> Iterator[Row]:
    """A stream of 100 events that arrives at once; for a client that asks for usage, and not."""
    for name, usage in (("stream", False), ("stream, usage asked", True)):
        plan = stage.plan(stage.gateway, "stream", usage=usage)
        yield _compared(stage, name, plan, STREAM_BOUND)


def limits(stage: Stage) -> Iterator[Row]:
    """`whole` for a client with every limit there is, budgets included."""
    plan = stage.plan(stage.gateway, "whole", key=stage.new_client(stage.gateway, ALL_LIMITS))
    yield _compared(stage, "whole, all limits", plan, WHOLE_BOUND)


def translated(stage: Stage) -> Iterator[Row]:
    """A vendor of another dialect than the door's, against the relay of the same answer."""
    bounds = {"whole": TRANSLATED_WHOLE_BOUND, "stream": TRANSLATED_STREAM_BOUND}
    for model, bound in bounds.items():
        relayed = stage.plan(stage.gateway, model)
        for door, vendor in _VENDORS.items():
            name = f"{model}, {door} door to {vendor}"
            yield _compared(stage, name, stage.translated(door, model), bound, relayed)


def parts(stage: Stage) -> Iterator[Row]:
    """Where the cost lies, without bounds."""
    plan = stage.plan(stage.gateway, "whole")
    yield _compared(
        stage, "whole, no limits", replace(plan, key=stage.new_client(stage.gateway, {}))
    )
    yield _compared(stage, "whole, bare relay", stage.plan(stage.relay, "whole"))
    yield _compared(stage, "stream, bare relay", stage.plan(stage.relay, "stream"))


def _compared(
    stage: Stage, name: str, plan: Plan, bound: float | None = None, floor: Plan | None = None
) -> Row:
    """Against the empty route, or against another plan."""
    floor = floor or stage.plan(stage.empty, "whole")
    pairs = [_pair(stage, name, number, floor, plan) for number in range(stage.pairs)]
    ratio = median(cost / least for least, cost in pairs)
    return Row(
        name,
        gateway=f"{median(cost for _, cost in pairs):.0f} µs",
        reference=f"{median(least for least, _ in pairs):.0f} µs",
        ratio=f"{ratio:.2f}×",
        bound=f"{bound:g}×" if bound else "-",
        met=ratio <= bound if bound else None,
    )


def _pair(stage: Stage, name: str, number: int, floor: Plan, plan: Plan) -> tuple[float, float]:
    """Microseconds per answer: the reference's and the other's."""
    least, cost = stage.ask(floor), stage.ask(plan)
    tell(
        f"{name}, pair {number + 1} of {stage.pairs}: {least.microseconds:.0f} µs "
        f"({least.answers} answers), {cost.microseconds:.0f} µs ({cost.answers} answers)"
    )
    return least.microseconds, cost.microseconds
