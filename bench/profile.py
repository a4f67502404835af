"""Where a worker's CPU goes: its stacks are sampled under the load that is asked for."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from sysconfig import get_path

from bench.load import Plan
from bench.pace import paced_plan
from bench.servers import ROOT, Gateway
from bench.stage import ALL_LIMITS, LIMITS, Stage, tell

_SECONDS = 12.0
_SHOWN, _LEAST = 25, 0.005
_OUTSIDE = "(outside of the gateway's code)"
_VIEWS = (
    "by package, and by the gateway's file",
    "in a function of the gateway, with the libraries that it calls",
    "in a function itself",
    "in a function with all that it calls",
    "in a line itself",
)


def show(stage: Stage, measure: str) -> str:
    """The costliest functions and lines of a measure, in µs an answer or event."""
    tell(f"{measure}: profiling")
    gateway = Gateway(stage.folder / f"profile-{measure}", config="bench/sampler.py")
    with gateway:
        limits = ALL_LIMITS if measure == "limits" else LIMITS
        plan = _plan(stage, gateway, measure, stage.new_client(gateway, limits))
        outcome = stage.ask(plan)
    samples = json.loads((gateway.folder / "samples.json").read_text())
    unit, units = ("event", plan.events or 1) if measure == "paced" else ("answer", 1)
    cost = outcome.microseconds / units
    each = cost / sum(count for count, _ in samples)
    return "\n".join(_told(f"{measure}: {cost:.0f} µs an {unit}, of which", _views(samples), each))


def _plan(stage: Stage, gateway: Gateway, measure: str, key: str) -> Plan:
    if measure == "paced":
        return paced_plan(stage, gateway, 300, rate=20, seconds=int(_SECONDS), key=key)
    asked = "stream" if measure == "stream" else "whole"
    return replace(stage.plan(gateway, asked, key=key), seconds=_SECONDS)


def _views(samples: Iterable[tuple[int, list[str]]]) -> dict[str, Counter[str]]:
    """Numbers of samples, by what they are counted for."""
    views: dict[str, Counter[str]] = {title: Counter() for title in _VIEWS}
    parts, gateway, own, total, lines = views.values()
    for count, (line, *functions) in samples:
        inmost = next((one for one in functions if _is_gateway(one)), _OUTSIDE)
        parts[_part(functions[0])] += count
        gateway[inmost] += count
        own[_named(functions)] += count
        lines[line] += count
        for function in set(functions):
            total[function] += count
    return views


def _told(head: str, views: dict[str, Counter[str]], each: float) -> Iterable[str]:
    yield head
    all_samples = views[_VIEWS[0]].total()
    for title, counts in views.items():
        yield f"  {title}"
        for place, count in counts.most_common(_SHOWN):
            if count >= all_samples * _LEAST:
                yield f"  {count * each:8.1f} µs  {_short(place)}"


def _named(functions: list[str]) -> str:
    """The innermost; code that was made from a text says nothing without who called it."""
    inmost, *callers = functions
    return f"{inmost} < {_short(callers[0])}" if inmost.startswith("<") and callers else inmost


def _is_gateway(place: str) -> bool:
    return place.startswith((f"{ROOT}/gateway/", f"{ROOT}/app.py"))


def _part(place: str) -> str:
    """A package, or a file of the gateway."""
    path = _short(place).partition(":")[0]
    if _is_gateway(place):
        return path
    return path.partition("/")[0] if "/site-packages/" in place else "(the standard library)"


def _short(place: str) -> str:
    for root in ("/site-packages/", f"{get_path('stdlib')}/", f"{ROOT}/"):
        place = place.rpartition(root)[2]
    return place
