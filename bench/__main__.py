"""`python -m bench`: measures the gateway and says which bounds it keeps."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from bench import cost, dashboards, footprint, pace, profile
from bench.load import LoadFailed
from bench.servers import NotServing
from bench.stage import Row, Stage, tell

MEASURES: dict[str, Callable[[Stage], Iterator[Row]]] = {
    "whole": cost.whole,
    "limits": cost.limits,
    "stream": cost.stream,
    "translated": cost.translated,
    "paced": pace.paced,
    "crowd": pace.crowd,
    "dashboards": dashboards.dashboards,
    "memory": footprint.memory,
    "start": footprint.start,
    "parts": cost.parts,
}
_UNASKED = "parts"
_PROFILED = ("whole", "limits", "stream", "paced")
_HEAD = ("measure", "gateway", "reference", "ratio", "bound", "")


def main() -> int:
    """0, or 1 where an answer was wrong; with --strict also where a bound is missed."""
    given = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    rows: list[Row] = []
    try:
        with Stage(given.pairs, given.seconds, given.patience) as stage:
            failures = [_measure(stage, name, given.profile, rows) for name in given.only]
    except KeyboardInterrupt:
        return 130
    print("\n".join((*_table(rows), *stage.notes)))
    missed = any(row.met is False for row in rows)
    return int(any(failures) or (given.strict and missed))


def _measure(stage: Stage, name: str, profiled: str, rows: list[Row]) -> bool:
    """Adds the measure's rows; whether it failed."""
    try:
        found = list(MEASURES[name](stage))
        missed = any(row.met is False for row in found)
        if name in _PROFILED and (profiled == "always" or (profiled == "missed" and missed)):
            print(profile.show(stage, name), flush=True)
    except (LoadFailed, NotServing) as failure:
        tell(f"{name} failed: {failure}")
        rows.append(Row(name, "failed", met=False))
        return True
    rows += found
    return False


def _table(rows: Iterable[Row]) -> Iterator[str]:
    """Aligned columns: the measure's name to the left, its figures to the right."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *figures, verdict in lines:
        cells = [name.ljust(widths[0])]
        cells += [figure.rjust(width) for figure, width in zip(figures, widths[1:-1], strict=True)]
        yield "  ".join((*cells, verdict)).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    verdict = "" if row.met is None else "ok" if row.met else "MISSED"
    return row.name, row.gateway, row.reference, row.ratio, row.bound, verdict


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        type=_names,
        default=[name for name in MEASURES if name != _UNASKED],
        metavar="NAME,…",
        help=f"measures: {', '.join(MEASURES)} (all but {_UNASKED})",
    )
    parser.add_argument(
        "--pairs", type=_pairs, default=5, metavar="N", help="pairs of runs to compare (5)"
    )
    parser.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="seconds of each such run (3)"
    )
    parser.add_argument(
        "--profile",
        nargs="?",
        const="missed",
        default="never",
        choices=("never", "missed", "always"),
        help=f"show where the CPU goes ({', '.join(_PROFILED)}) when a bound is missed, or always",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=300.0,
        metavar="S",
        help="seconds, all in all, to wait for others to leave the worker's core (300)",
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 if a bound is missed")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in MEASURES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(MEASURES)}")
    return names


def _pairs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("should be 1 or more")
    return int(text)


def _end(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
