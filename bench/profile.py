"""Where a worker's CPU goes: its stacks are sampled under the load that is asked for."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench import load
from bench.pace import paced_plan
from bench.servers import ROOT, Gateway
from bench.stage import Stage, tell

_SECONDS = 12.0
_SHOWN = 25


class Shares(NamedTuple):
    """Samples of functions themselves, of functions with all they call, and of lines."""

    own: Counter[str]
    total: Counter[str]
    lines: Counter[str]


def show(stage: Stage, measure: str) -> str:
    """The costliest functions and lines of a measure, in µs an answer or event."""
    tell(f"{measure}: profiling")
    gateway = Gateway(stage.folder / f"profile-{measure}", config="bench/sampler.py")
    with gateway:
        key = stage.new_client(gateway)
        plan = replace(_plan(stage, gateway, measure), key=key)
        outcome = load.run(plan)
    samples = json.loads((gateway.folder / "samples.json").read_text())
    shares = _shares(samples)
    unit, units = ("event", plan.events or 1) if measure == "paced" else ("answer", 1)
    cost = outcome.microseconds / units
    each = cost / sum(count for count, _ in samples)
    return "\n".join(_told(f"{measure}: {cost:.0f} µs an {unit}, of which", shares, each))


def _plan(stage: Stage, gateway: Gateway, measure: str) -> load.Plan:
    if measure == "paced":
        return paced_plan(stage, gateway, 300, rate=20, seconds=int(_SECONDS))
    return replace(stage.plan(gateway, measure), seconds=_SECONDS)


def _shares(samples: Iterable[tuple[int, list[str]]]) -> Shares:
    shares = Shares(Counter(), Counter(), Counter())
    for count, (line, *functions) in samples:
        shares.lines[line] += count
        shares.own[functions[0]] += count
        for function in set(functions):
            shares.total[function] += count
    return shares


def _told(head: str, shares: Shares, each: float) -> Iterable[str]:
    yield head
    for title, counts in (
        ("in the function itself", shares.own),
        ("with all that it calls", shares.total),
        ("in the line itself", shares.lines),
    ):
        yield f"  {title}"
        for place, count in counts.most_common(_SHOWN):
            yield f"  {count * each:8.1f} µs  {_short(place)}"


def _short(place: str) -> str:
    path, _, name = place.rpartition(":")
    for root in (f"{ROOT}/", "/site-packages/", "/python3"):
        path = path.rpartition(root)[2]
    return f"{Path(path)}:{name}"
