"""The course of one call, from its row in the log: steps at their times, and what lay between."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """`at_ms` None: when it was is not known. `kind`: begin, skipped, failed, first, tool, end."""

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


def steps(row: Mapping[str, Any]) -> Iterator[Step]:
    yield Step("begin", 0, "The call arrived")
    for one in row["attempt_log"] or ():
        if "skipped" in one:
            yield Step("skipped", None, "Passed over", str(one["skipped"]))
        else:
            target = f"{one['provider']}/{one['model']}"
            yield Step(
                "failed", one["after_ms"], f"{target} failed", f"{one['status']} {one['code']}"
            )
    for run in (row["tool_rounds"] or {}).get("runs", ()):
        words = f"Tool {run['name']} took {run['ms']:,.0f} ms"
        note = run["error"] or f"{run['size']:,} bytes"
        yield Step("tool", None, words, f"round {run['round']}: {note}")
    if row["first_byte_ms"] is not None:
        yield Step("first", row["first_byte_ms"], "The first of the answer")
    end = row["error_message"] or row["finish_reason"] or ""
    yield Step("end", row["total_ms"], f"The end, with status {row['status']}", end)


def stretches(row: Mapping[str, Any]) -> list[Stretch]:
    """The whole time in parts: tries that failed, the wait for the first byte, the answer."""
    whole = row["total_ms"] or 1.0
    failed = [one["after_ms"] for one in row["attempt_log"] or () if "after_ms" in one]
    tried, first = max(failed, default=0), row["first_byte_ms"]
    ends = [("failed", "failed tries", tried), ("wait", "wait", whole if first is None else first)]
    found, begin = [], 0.0
    for kind, words, end in [*ends, ("answer", "answer", whole)]:
        end = min(end, whole)
        if end > begin:
            share = 100 / whole
            found.append(Stretch(kind, words, end - begin, begin * share, (end - begin) * share))
            begin = end
    return found
