"""Statistics, read from the rollups alone: a bounded number of rows, however long the log is."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, func, or_, select

from gateway.store.engine import database_answers
from gateway.store.histogram import BINS, percentile
from gateway.store.models import COUNTS, ROLLUPS, SUMS, ClientRow, now
from gateway.store.rollups import GRAINS, MINUTE_MS, PICO, VALUES

MOST_SHOWN = 100
PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_PLAIN = len(COUNTS) + len(SUMS)
_COST = VALUES.index("cost_pico")


_C = ROLLUPS.c
_PLAIN_VALUES = [_C[name] for name in VALUES[:_PLAIN]]
_SUMS = [func.coalesce(func.sum(_C[name]), 0).label(name) for name in VALUES]


@dataclass(frozen=True, slots=True)
class Range:
    """`steps` buckets of a grain, the one that runs among them."""

    grain: str
    steps: int

    @property
    def step_ms(self) -> int:
        return GRAINS[self.grain] * MINUTE_MS

    def buckets(self, moment: datetime) -> range:
        last = int(moment.timestamp() * 1000) // self.step_ms
        return range(last - self.steps + 1, last + 1)


RANGES = {
    "1h": Range("m", 60),
    "24h": Range("h", 24),
    "7d": Range("h", 7 * 24),
    "30d": Range("d", 30),
}


class Totals:
    """What some requests come to."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[int] = (0,) * len(VALUES)) -> None:
        self.values = tuple(values)

    @classmethod
    def over(cls, parts: "Iterable[Totals]") -> "Totals":
        columns = zip(*(part.values for part in parts), strict=True)
        return cls([sum(column) for column in columns] or (0,) * len(VALUES))

    def count(self, name: str) -> int:
        return self.values[VALUES.index(name)]

    @property
    def cost_usd(self) -> Decimal:
        """Of the requests whose price was known; `unpriced` counts the others."""
        return Decimal(self.values[_COST]) / PICO

    def told(self) -> dict[str, Any]:
        """As the admin API answers it. What cannot be told of nothing is null."""
        plain = dict(zip(VALUES[:_PLAIN], self.values, strict=False))
        del plain["cost_pico"]
        requests = plain["requests"]
        return {
            **plain,
            "error_rate": plain["errors"] / requests if requests else None,
            "cost_usd": float(self.cost_usd),
            "latency_ms": _percentiles(self.values[_PLAIN : _PLAIN + BINS]),
            "first_token_ms": _percentiles(self.values[_PLAIN + BINS :]),
        }


def _percentiles(counts: Sequence[int]) -> dict[str, float | None]:
    return {name: _rounded(percentile(counts, part)) for name, part in PERCENTILES.items()}


def _rounded(duration: float | None) -> float | None:
    return None if duration is None else round(duration, 1)


@dataclass(frozen=True, slots=True)
class Statistics:
    """`client_id` 0 is who had no valid key; a provider or model that is "" was not got as far as.

    `series` has a part for each step of the range, the others the busiest ones.
    """

    since: datetime
    until: datetime
    step_seconds: int
    totals: Totals
    series: list[tuple[datetime, Totals]]
    by_client: list[tuple[int, str | None, Totals]]
    by_provider: list[tuple[str, Totals]]
    by_model: list[tuple[str, str, Totals]]
    active_clients: int = 0

    def told(self) -> dict[str, Any]:
        return {
            "since": stamp(self.since),
            "until": stamp(self.until),
            "step_seconds": self.step_seconds,
            "active_clients": self.active_clients,
            "totals": self.totals.told(),
            "series": [{"at": stamp(at), **totals.told()} for at, totals in self.series],
            "by_client": [
                {"client_id": number or None, "client_name": name, **totals.told()}
                for number, name, totals in self.by_client
            ],
            "by_provider": [
                {"provider": provider or None, **totals.told()}
                for provider, totals in self.by_provider
            ],
            "by_model": [
                {"provider": provider or None, "model": model or None, **totals.told()}
                for provider, model, totals in self.by_model
            ],
        }


def statistics(
    engine: Engine, name: str, client_id: int | None = None, moment: datetime | None = None
) -> Statistics:
    """Of everybody, or of one client, over one of RANGES up to `moment`."""
    span, moment = RANGES[name], moment or now()
    with database_answers(), engine.connect() as connection:

        def ask(query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
            return connection.execute(query).all()

        if client_id is None:
            return _of_everybody(ask, span, moment)
        return _of_client(ask, span, moment, client_id)


def by_provider(engine: Engine, name: str) -> dict[str, Totals]:
    """What was asked of each provider in one of RANGES."""
    return {provider: totals for (provider,), totals in _shares(engine, name, "provider")}


def models_of(engine: Engine, name: str, provider: str) -> dict[str, Totals]:
    """What was asked of a provider's models in one of RANGES, the busiest first."""
    found = _shares(engine, name, "model", _C.provider == provider)
    return {model: totals for (_, model), totals in found}


def usage_of(engine: Engine, client_id: int, since: datetime) -> Totals:
    """What a client has used from the UTC day of `since` on, that day included."""
    first = int(since.timestamp() * 1000) // (GRAINS["d"] * MINUTE_MS)
    query = select(*_SUMS).where(
        ROLLUPS.c.client_id == client_id,
        ROLLUPS.c.grain == "d",
        ROLLUPS.c.scope == "client",
        ROLLUPS.c.bucket >= first,
    )
    with database_answers(), engine.connect() as connection:
        return _totals(connection.execute(query).one())


USE_COLUMNS = (
    *("hour", "client_id", "client_name", "provider", "model"),
    *VALUES[: _PLAIN - 1],
    "cost_usd",
)
_HOURS_AT_ONCE = 24


def hourly_use(
    engine: Engine, since: int | None = None, until: int | None = None
) -> Iterator[list[Any]]:
    """Lines of USE_COLUMNS, the oldest first; moments are milliseconds, and taken by the hour."""
    hour = GRAINS["h"] * MINUTE_MS
    this = and_(_C.grain == "h", _C.scope == "each")
    with database_answers(), engine.connect() as connection:
        ends = connection.execute(select(func.min(_C.bucket), func.max(_C.bucket)).where(this))
        first, last = ends.one()
    if first is None:
        return
    first = first if since is None else max(first, since // hour)
    last = last if until is None else min(last, (until - 1) // hour)
    for begin in range(first, last + 1, _HOURS_AT_ONCE):
        yield from _use(engine, this, begin, min(begin + _HOURS_AT_ONCE - 1, last))


def _use(engine: Engine, this: Any, first: int, last: int) -> Iterator[list[Any]]:
    query = (
        select(_C.bucket, _C.client_id, ClientRow.name, _C.provider, _C.model, *_PLAIN_VALUES)
        .outerjoin(ClientRow, ClientRow.id == _C.client_id)
        .where(this, _C.bucket.between(first, last))
        .order_by(_C.bucket, _C.client_id, _C.provider, _C.model)
    )
    with database_answers(), engine.connect() as connection:
        rows = connection.execute(query).all()
    for bucket, client_id, *rest, cost in rows:
        cost_usd = Decimal(cost) / PICO
        yield [_moment(bucket * GRAINS["h"] * MINUTE_MS), client_id or None, *rest, cost_usd]


Ask = Callable[[Select[*tuple[Any, ...]]], Sequence[Row[*tuple[Any, ...]]]]


def _shares(
    engine: Engine, name: str, scope: str, this: Any = None
) -> list[tuple[tuple[Any, ...], Totals]]:
    by = {"provider": (_C.provider,), "model": (_C.provider, _C.model)}[scope]
    spans = _spans(RANGES[name].grain, RANGES[name].buckets(now()))
    with database_answers(), engine.connect() as connection:

        def ask(query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
            return connection.execute(query).all()

        return _busiest(ask, scope, spans, *by, this=this)


def _of_everybody(ask: Ask, span: Range, moment: datetime) -> Statistics:
    buckets = span.buckets(moment)
    spans = _spans(span.grain, buckets)
    series = _series(ask(_within("all", [(span.grain, buckets)], _C.bucket)), span, buckets)
    clients = _busiest(ask, "client", spans, _C.client_id)
    names = _names(ask, [number for (number,), _ in clients])
    return _statistics(
        span,
        moment,
        series,
        [(number, names.get(number), totals) for (number,), totals in clients],
        _busiest(ask, "provider", spans, _C.provider),
        _busiest(ask, "model", spans, _C.provider, _C.model),
        _active(ask, spans, [number for (number,), _ in clients]),
    )


def _of_client(ask: Ask, span: Range, moment: datetime, client_id: int) -> Statistics:
    """A client's models are not known by the minute: there, the hours that these lie in count."""
    this = _C.client_id == client_id
    buckets = span.buckets(moment)
    rows = ask(_within("client", [(span.grain, buckets)], _C.bucket, this=this))
    series = _series(rows, span, buckets)
    spans = _spans(span.grain, buckets)
    if span.grain == "m":
        spans = [("h", range(buckets[0] // GRAINS["h"], buckets[-1] // GRAINS["h"] + 1))]
    return _statistics(
        span,
        moment,
        series,
        [(client_id, _names(ask, [client_id]).get(client_id), _sum_of(series))],
        _busiest(ask, "each", spans, _C.provider, this=this),
        _busiest(ask, "each", spans, _C.provider, _C.model, this=this),
        int(any(totals.count("requests") for _, totals in series)),
    )


def _statistics(
    span: Range,
    moment: datetime,
    series: list[tuple[datetime, Totals]],
    by_client: list[tuple[int, str | None, Totals]],
    by_provider: list[tuple[tuple[Any, ...], Totals]],
    by_model: list[tuple[tuple[Any, ...], Totals]],
    active_clients: int,
) -> Statistics:
    return Statistics(
        since=series[0][0],
        until=moment,
        step_seconds=span.step_ms // 1000,
        totals=_sum_of(series),
        series=series,
        by_client=by_client,
        by_provider=[(provider, totals) for (provider,), totals in by_provider],
        by_model=[(provider, model, totals) for (provider, model), totals in by_model],
        active_clients=active_clients,
    )


Spans = list[tuple[str, range]]


def _within(
    scope: str, spans: Spans, *by: ColumnElement[Any], this: Any = None
) -> Select[*tuple[Any, ...]]:
    times = [and_(_C.grain == grain, _C.bucket.between(some[0], some[-1])) for grain, some in spans]
    query = select(*by, *_SUMS).where(_C.scope == scope, or_(*times))
    return (query if this is None else query.where(this)).group_by(*by)


def _spans(grain: str, hours: range) -> Spans:
    """The same time in fewer rollups: whole days where there are some."""
    first, end = -(-hours.start // 24), hours.stop // 24
    if grain != "h" or end <= first:
        return [(grain, hours)]
    spans = [
        ("h", range(hours.start, first * 24)),
        ("d", range(first, end)),
        ("h", range(end * 24, hours.stop)),
    ]
    return [(unit, some) for unit, some in spans if some]


def _series(rows: Sequence[Row[Any]], span: Range, buckets: range) -> list[tuple[datetime, Totals]]:
    found = {row[0]: _totals(row[1:]) for row in rows}
    return [(_moment(bucket * span.step_ms), found.get(bucket, Totals())) for bucket in buckets]


def _busiest(
    ask: Ask,
    scope: str,
    spans: Spans,
    *by: ColumnElement[Any],
    this: Any = None,
) -> list[tuple[tuple[Any, ...], Totals]]:
    busiest = func.sum(_C.requests).desc()
    query = _within(scope, spans, *by, this=this).order_by(busiest, *by).limit(MOST_SHOWN)
    return [(tuple(row[: len(by)]), _totals(row[len(by) :])) for row in ask(query)]


def _active(ask: Ask, spans: Spans, busiest: list[int]) -> int:
    """Clients that have asked at all; who had no valid key is none."""
    if len(busiest) < MOST_SHOWN:
        return sum(number != 0 for number in busiest)
    clients = _within("client", spans, _C.client_id, this=_C.client_id != 0)
    [(count,)] = ask(select(func.count()).select_from(clients.subquery()))
    return int(count)


def _names(ask: Ask, client_ids: list[int]) -> dict[int, str]:
    """Who was deleted has none any more."""
    rows = ask(select(ClientRow.id, ClientRow.name).where(ClientRow.id.in_(client_ids)))
    return {number: name for number, name in rows}


def _totals(values: Sequence[Any]) -> Totals:
    return Totals([int(value) for value in values])


def _sum_of(series: list[tuple[datetime, Totals]]) -> Totals:
    return Totals.over(totals for _, totals in series)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
