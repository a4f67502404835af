"""What the log adds up to, by time and by who asked whom, so that nobody has to read all of it.

A row counts once in every scope (`all`, `client`, `provider`, `model` of a provider, and `each`
triple of them) of every grain (minute, hour, day; `each` not by the minute). Errors are answers of
status 400 and above. Latency is that of the others, the time to the first token that of streams.

Callers choose the names of models. So that a bounded number of rollups tells of any time, each
writer knows so many names, and counts what comes beyond as OTHER.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from gateway.store.histogram import BINS, bin_of
from gateway.store.models import COUNTS, FIRST_TOKEN, LATENCY, LOG_COLUMNS, ROLLUPS, SUMS

MINUTE_MS = 60_000
GRAINS = {"m": 1, "h": 60, "d": 24 * 60}
"""Each grain in minutes. Days are days of UTC."""
SCOPES = ("all", "client", "provider", "model", "each")
KEY = tuple(column.name for column in ROLLUPS.primary_key)
VALUES = (*COUNTS, *SUMS, *LATENCY, *FIRST_TOKEN)
PICO = 10**12
MOST_MODELS = 1_000
OTHER = "other"

Key = tuple[str, str, int, int, str, str]
Values = list[int]
Who = tuple[int, int, str, str]
"""A minute, and the client, provider and model of a row."""

_REQUESTS, _ERRORS, _ESTIMATED, _UNPRICED = range(len(COUNTS))
_COST = VALUES.index("cost_pico")
_LATENCY = VALUES.index(LATENCY[0])
_FIRST_TOKEN = _LATENCY + BINS
_AT = {name: LOG_COLUMNS.index(name) for name in LOG_COLUMNS}
_TOKENS = [(_AT[name], VALUES.index(name)) for name in SUMS if name != "cost_pico"]
_WHO = tuple(_AT[name] for name in ("client_id", "provider", "model"))
_STARTED, _STATUS, _STREAMED = _AT["started_at"], _AT["status"], _AT["streamed"]
_TOTAL_MS, _FIRST_MS = _AT["total_ms"], _AT["first_byte_ms"]
_COST_USD, _IS_ESTIMATED = _AT["cost_usd"], _AT["estimated"]
_READ, _WRITTEN = _AT["input_tokens"], _AT["output_tokens"]


class Models:
    """The names of models that count by themselves: the first that come, half of the places being
    for those that have answered.
    """

    def __init__(self, most: int = MOST_MODELS) -> None:
        self._most = most
        self._known: set[tuple[str, str]] = set()

    def name(self, provider: str, model: str, status: int) -> str:
        """What a row counts as."""
        known, one = self._known, (provider, model)
        if one in known or not model:
            return model
        if len(known) >= (self._most if status < 400 else self._most // 2):
            return OTHER
        known.add(one)
        return model


def roll_up(rows: Iterable[Sequence[Any]], models: Models) -> dict[Key, Values]:
    """What these rows of the log add to each rollup, in the order of the keys.

    The order is the same everywhere, so that two writers never wait for each other in a ring.
    """
    each: dict[Who, Values] = {}
    for row in rows:
        who = _who(row, models)
        values = each.get(who)
        if values is None:
            values = each[who] = [0] * len(VALUES)
        for place, amount in _steps(row):
            values[place] += amount
    return dict(sorted(_in_grains(_in_scopes(each)).items()))


def _steps(row: Sequence[Any]) -> list[tuple[int, int]]:
    """By how much the row raises which values."""
    steps = [(_REQUESTS, 1)]
    if row[_STATUS] >= 400:
        steps.append((_ERRORS, 1))
    else:
        steps.append((_LATENCY + bin_of(row[_TOTAL_MS]), 1))
    if row[_STREAMED] and row[_FIRST_MS] is not None:
        steps.append((_FIRST_TOKEN + bin_of(row[_FIRST_MS]), 1))
    if row[_IS_ESTIMATED]:
        steps.append((_ESTIMATED, 1))
    if row[_COST_USD] is not None:
        steps.append((_COST, int(Decimal(row[_COST_USD]) * PICO)))
    elif row[_READ] is not None or row[_WRITTEN] is not None:
        steps.append((_UNPRICED, 1))
    steps.extend([(place, row[column]) for column, place in _TOKENS if row[column]])
    return steps


def _who(row: Sequence[Any], models: Models) -> Who:
    client, provider, model = (row[column] for column in _WHO)
    model = models.name(provider or "", model or "", row[_STATUS])
    return row[_STARTED] // MINUTE_MS, client or 0, provider or "", model


def _in_scopes(each: Mapping[Who, Values]) -> dict[tuple[Any, ...], Values]:
    """The sums of each minute by scope, from those of each triple: most rows are alike."""
    found: dict[tuple[Any, ...], Values] = {}
    for (minute, client, provider, model), values in each.items():
        keys = (
            ("all", minute, 0, "", ""),
            ("client", minute, client, "", ""),
            ("provider", minute, 0, provider, ""),
            ("model", minute, 0, provider, model),
            ("each", minute, client, provider, model),
        )
        for key in keys:
            before = found.get(key)
            found[key] = values if before is None else _sum(before, values)
    return found


def _in_grains(by_minute: dict[tuple[Any, ...], Values]) -> dict[Key, Values]:
    found: dict[Key, Values] = {}
    for grain, minutes in GRAINS.items():
        for (scope, minute, *who), values in by_minute.items():
            if scope == "each" and grain == "m":
                continue
            key = (grain, scope, minute // minutes, *who)
            before = found.get(key)
            found[key] = values if before is None else _sum(before, values)
    return found


def _sum(one: Values, other: Values) -> Values:
    return [a + b for a, b in zip(one, other, strict=True)]


def upsert(engine: Engine) -> str:
    """The statement that adds values to a rollup, or begins it."""
    mark = "?" if engine.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * (len(KEY) + len(VALUES)))
    sums = ", ".join(f"{name} = rollups.{name} + excluded.{name}" for name in VALUES)
    return (
        f"INSERT INTO rollups ({', '.join((*KEY, *VALUES))}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {sums}"
    )


def as_rows(rollups: dict[Key, Values]) -> Iterator[tuple[Any, ...]]:
    for key, values in rollups.items():
        yield (*key, *values)
