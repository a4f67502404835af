"""The course of one call, from its row in the log: steps at their times, and what lay between."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """`at_ms` None: when it was is not known. `kind`: begin, skipped, failed, asked, first, round,
    tool, end.
    """

    kind: str
    at_ms: float | None
    words: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the whole time; `begin` and `size` are hundredths of it."""

    kind: str
    words: str
    ms: float
    begin: float
    size: float


def steps(row: Mapping[str, Any]) -> list[Step]:
    """What is known of its course, in order; what has no time stays behind what it came after."""
    found, at = [], 0.0
    for step in (*_of_the_way(row), *_of_rounds(row)):
        at = at if step.at_ms is None else step.at_ms
        found.append((at, step))
    ordered = [step for _, step in sorted(found, key=lambda one: round(one[0]))]
    end = row["error_message"] or row["finish_reason"] or ""
    return [*ordered, Step("end", row["total_ms"], f"The end, with status {row['status']}", end)]


def _of_the_way(row: Mapping[str, Any]) -> Iterator[Step]:
    yield Step("begin", 0, "The call arrived")
    for one in row["attempt_log"] or ():
        if "skipped" in one:
            yield Step("skipped", None, "Passed over", str(one["skipped"]))
        else:
            target = f"{one['provider']}/{one['model']}"
            at = min(one["after_ms"], row["total_ms"])  # it is kept in whole milliseconds
            why = f"{one['status']} {one['code']} {one.get('message') or ''}"
            yield Step("failed", at, f"{target} failed", why.strip())
    if _asked_after_all(row):
        made = row["connect_ms"]
        note = "" if made is None else f"a new connection took {made:,.1f} ms"
        yield Step("asked", row["asked_ms"], f"{row['provider']}/{row['model']} was asked", note)
    if row["first_byte_ms"] is not None:
        yield Step("first", row["first_byte_ms"], "The first of the answer")


def _of_rounds(row: Mapping[str, Any]) -> Iterator[Step]:
    told = row["tool_rounds"] or {}
    ended = {one["round"]: one.get("ended_ms") for one in told.get("rounds", ())}
    runs: dict[int, list[Any]] = {number: [] for number in ended}
    for run in told.get("runs", ()):
        runs.setdefault(run["round"], []).append(run)
    for number, of_round in runs.items():
        if ended.get(number) is not None:
            yield Step("round", ended[number], f"Round {number} was answered")
        for run in of_round:
            words = f"Tool {run['name']} took {run['ms']:,.0f} ms"
            note = run["error"] or f"{run['size']:,} bytes"
            yield Step("tool", None, words, f"round {number}: {note}")


def stretches(row: Mapping[str, Any]) -> list[Stretch]:
    """The whole time in parts: tries that failed, the gateway's own, the way up, answer, tools."""
    whole = row["total_ms"] or 1.0
    found, begin = [], 0.0
    for kind, words, end in _ends(row, whole):
        end = min(end, whole)
        if end > begin:
            share = 100 / whole
            found.append(Stretch(kind, words, end - begin, begin * share, (end - begin) * share))
            begin = end
    return found


def sums(parts: Iterable[Stretch]) -> list[Stretch]:
    """One of each kind, as long as all of them: for a legend."""
    found: dict[str, Stretch] = {}
    for part in parts:
        before = found.get(part.kind)
        ms = part.ms + (before.ms if before else 0)
        found[part.kind] = Stretch(part.kind, part.words, ms, part.begin, part.size)
    return list(found.values())


def _ends(row: Mapping[str, Any], whole: float) -> Iterator[tuple[str, str, float]]:
    """Kind, words and end of each part; one that ends before the last did was not there."""
    asked, first, failed = row["asked_ms"], row["first_byte_ms"], _failed_until(row)
    yield "failed", "failed tries", failed
    if first is None and failed and not _asked_after_all(row):
        yield "gateway", "in the gateway", whole
    if asked is not None:
        yield "gateway", "in the gateway", asked
        yield "connect", "connecting", asked + (row["connect_ms"] or 0)
    wait = "wait for the first byte" if asked is not None else "wait"
    answer = "stream" if row["streamed"] else "answer"
    rounds = (row["tool_rounds"] or {}).get("rounds", ())
    for one in (*(one for one in rounds if "ended_ms" in one), {"ended_ms": whole}):
        ended = one["ended_ms"]
        yield "wait", wait, ended if first is None else min(first, ended)
        yield "answer", answer, ended
        yield "tools", "tools", ended + one.get("tools_ms", 0)


def _asked_after_all(row: Mapping[str, Any]) -> bool:
    """Whether the last question went up after the last failure, whose time is in whole ms."""
    return row["asked_ms"] is not None and round(row["asked_ms"]) >= _failed_until(row)


def _failed_until(row: Mapping[str, Any]) -> float:
    """When the last try failed; 0 if none did."""
    failed = (one["after_ms"] for one in row["attempt_log"] or () if "after_ms" in one)
    return max(failed, default=0)
