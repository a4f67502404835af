"""What commands print: tables of clients and of use, and a preview for people to read."""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from gateway.store.stats import Totals

COLUMNS = ("id", "name", "provider", "default_model", "api_key_hint", "is_active", "expires_at")
USAGE_HEAD = (
    *("requests", "errors", "input", "output", "USD"),
    *("p50", "p95", "p99", "first token p50"),
)
_LONGEST_TEXT = 300


def clients_table(clients: list[dict[str, Any]]) -> str:
    return _table(COLUMNS, [[_cell(one[name]) for name in COLUMNS] for one in clients])


def usage_table(by: str, lines: list[tuple[list[str], Totals]]) -> str:
    """`by`: the names of the first columns; each line has as many words, and its totals."""
    head = (*by.split(), *USAGE_HEAD)
    return _table(head, [[*map(_named, who), *_figures(totals)] for who, totals in lines]) + "\n"


def _named(name: str) -> str:
    return name or "-"


def _figures(totals: Totals) -> list[str]:
    unpriced = totals.count("unpriced")
    unknown = f" (+{unpriced} of unknown price)" if unpriced else ""
    told = totals.told()
    times = (*told["latency_ms"].values(), told["first_token_ms"]["p50"])
    return [
        *(str(totals.count(name)) for name in ("requests", "errors")),
        *(str(totals.count(name)) for name in ("input_tokens", "output_tokens")),
        f"{totals.cost_usd:.6f}{unknown}",
        *("-" if time is None else f"{time:.0f}" for time in times),
    ]


def explained(name: str, told: dict[str, Any]) -> str:
    """A preview for people to read: long texts are shortened."""
    asks = f"{told['model'] or 'no model'}{', streamed' if told['stream'] else ''}"
    lines = [f"{name!r} asks for {asks} at the door of {told['door']}."]
    for number, target in enumerate(told["targets"], 1):
        lines += ["", f"{number}. {target['provider']}/{target['model']}: {_turn(target)}"]
        lines += [f"   {line}" for line in _sending(target)]
    lines += [f"\nSkipped: {reason}" for reason in told["skipped"]]
    if told["error"]:
        error = told["error"]
        lines += [f"\nThe client gets status {error['status']}:", _pretty(error["body"])]
    return "\n".join(lines)


def _turn(target: dict[str, Any]) -> str:
    if target["error"]:
        return f"not asked, {target['error']['status']}: {target['error']['message']}"
    return "asked first" if target["chosen"] else "asked if those before it fail"


def _sending(target: dict[str, Any]) -> Iterator[str]:
    if target["error"]:
        return
    yield f"{target['method']} {target['url']}"
    yield from (f"{name}: {value}" for name, value in target["headers"].items())
    yield from _pretty(json.loads(orjson.dumps(target["body"]))).splitlines()
    if target["dropped"]:
        yield f"Left out: {', '.join(target['dropped'])}"
    yield from (f"Fetched first: {url}" for url in target["fetches"])


def _pretty(value: Any) -> str:
    return json.dumps(_shortened(value), indent=2, ensure_ascii=False)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value]
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}… ({len(value)} characters)"
    return value


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [[name.removesuffix("_at").replace("_", " ") for name in head], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = "  ".join(f"{{:{width}}}" for width in widths)
    return "\n".join(padded.format(*line).rstrip() for line in lines)
