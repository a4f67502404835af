"""The rollups are the sum of the rows, whatever is written in which portions, and how often."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from gateway.config import Settings
from gateway.store.engine import open_engine
from gateway.store.histogram import BINS, BOUNDS, bin_of, percentile
from gateway.store.ledger import COLUMNS, Ledger
from gateway.store.rollups import KEY, MOST_MODELS, OTHER, VALUES
from tests.store.log_rows import row

LONG = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
TOKENS = [name for name in VALUES if name.endswith("_tokens")]

counts = st.none() | st.integers(0, 10**12)
rows = st.fixed_dictionaries(
    {
        "client_id": st.sampled_from([None, 1, 2]),
        "provider": st.sampled_from([None, "demo", "openai"]),
        "model": st.sampled_from([None, "one", "*", "zwei"]),
        "started_at": st.integers(0, 3 * 24 * 60).map(lambda minute: minute * 60_000 + 59_999),
        "status": st.sampled_from([200, 200, 401, 499, 502]),
        "streamed": st.booleans(),
        "estimated": st.booleans(),
        "total_ms": st.floats(0, 400_000),
        "first_byte_ms": st.none() | st.floats(0, 400_000),
        "cost_usd": st.none() | st.integers(0, 10**13).map(lambda n: Decimal(n).scaleb(-12)),
        **dict.fromkeys(TOKENS, counts),
    }
)
batches = st.lists(st.lists(st.integers(0, 24), max_size=12), max_size=6)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(rows, min_size=25, max_size=25), batches)
def test_rollups_are_the_sum_of_the_rows(
    engine: Engine, settings: Settings, known: list[dict[str, Any]], written: list[list[int]]
) -> None:
    """The same row comes again within a batch, in a later one, and from two ledgers."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM request_logs"))
        connection.execute(text("DELETE FROM rollups"))
    ledgers = [Ledger(engine, settings.logging) for _ in range(2)]
    for turn, batch in enumerate(written):
        for number in batch:
            ledgers[turn % 2].add(row(f"r{number}", **known[number]))
        assert ledgers[turn % 2].flush()
    assert stored_ids(engine) == sorted({f"r{number}" for batch in written for number in batch})
    assert stored(engine) == expected(engine)


def stored_ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT request_id FROM request_logs"))
        return sorted(one for (one,) in found)


def stored(engine: Engine) -> dict[tuple[Any, ...], Counter[str]]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM rollups")).mappings().all()
    return {
        tuple(one[name] for name in KEY): +Counter({name: one[name] for name in VALUES})
        for one in found
    }


def expected(engine: Engine) -> dict[tuple[Any, ...], Counter[str]]:
    """Counted from the log itself, one row after the other."""
    with engine.connect() as connection:
        logged = connection.execute(text("SELECT * FROM request_logs")).mappings().all()
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for one in logged:
        who = (one["client_id"] or 0, one["provider"] or "", one["model"] or "")
        for grain, length in LONG.items():
            scopes = {
                "all": (0, "", ""),
                "client": (who[0], "", ""),
                "provider": (0, who[1], ""),
                "model": (0, *who[1:]),
            }
            if grain != "m":
                scopes["each"] = who
            for scope, key in scopes.items():
                place = (grain, scope, one["started_at"] // length, *key)
                sums.setdefault(place, Counter()).update(worth(one))
    return {key: +values for key, values in sums.items()}


def worth(one: Any) -> Counter[str]:
    worth = Counter({name: one[name] or 0 for name in TOKENS})
    worth["requests"] = 1
    worth["errors"] = int(one["status"] >= 400)
    worth["estimated"] = int(one["estimated"])
    used = (one["input_tokens"], one["output_tokens"]) != (None, None)
    worth["unpriced"] = int(one["cost_usd"] is None and used)
    worth["cost_pico"] = int(Decimal(one["cost_usd"] or 0).scaleb(12))
    if one["status"] < 400:
        worth[f"latency_{bin_of(one['total_ms']):02}"] += 1
    if one["streamed"] and one["first_byte_ms"] is not None:
        worth[f"first_token_{bin_of(one['first_byte_ms']):02}"] += 1
    return worth


def test_a_batch_whose_fate_is_unknown_counts_once(engine: Engine, settings: Settings) -> None:
    """The commit went through, and its answer was lost."""
    ledger = Ledger(engine, settings.logging)
    batch = [row(f"r{number}", input_tokens=7, provider="demo") for number in range(10)]
    for one in batch:
        ledger.add(one)
    assert ledger.flush()
    before = stored(engine)
    for one in [*batch[3:], row("new", input_tokens=5, provider="demo")]:
        ledger.add(one)
    assert ledger.flush()
    assert len(stored_ids(engine)) == 11
    assert stored(engine) == expected(engine) != before


def test_what_no_database_takes_is_in_no_rollup(engine: Engine, settings: Settings) -> None:
    ledger = Ledger(engine, settings.logging)
    for name, values in {"r1": {}, "bad": {"error_message": "\ud800"}, "r2": {}}.items():
        ledger.add(row(name, **values))
    assert ledger.flush()
    assert stored_ids(engine) == ["r1", "r2"]
    assert stored(engine) == expected(engine)


def test_invented_models_do_not_make_rollups_without_end(
    engine: Engine, settings: Settings
) -> None:
    ledger = Ledger(engine, settings.logging)
    for number in range(3 * MOST_MODELS):
        status = 404 if number < 2 * MOST_MODELS else 200
        named = {"provider": "openai", "model": f"m{number}"}
        ledger.add(row(f"r{number}", status=status, client_id=1, **named))
    assert ledger.flush()
    found = stored(engine)
    models = {key: values["requests"] for key, values in found.items() if key[:2] == ("h", "model")}
    assert len(models) == MOST_MODELS + 1
    assert sum(models.values()) == 3 * MOST_MODELS
    assert [count for key, count in models.items() if key[-1] == OTHER] == [2 * MOST_MODELS]
    each = [key for key in found if key[:2] == ("h", "each")]
    assert len(each) == len(models)


class TestPercentiles:
    @pytest.mark.parametrize(
        ("duration", "number"),
        [(0, 0), (10, 0), (10.1, 1), (300_000, BINS - 2), (300_001, BINS - 1)],
    )
    def test_a_bin_has_its_upper_end(self, duration: float, number: int) -> None:
        assert bin_of(duration) == number

    def test_of_nothing_there_are_none(self) -> None:
        assert percentile([0] * BINS, 0.5) is None

    @given(st.lists(st.floats(0, 300_000), min_size=1, max_size=300), st.floats(0.01, 1))
    def test_they_lie_in_the_bin_of_the_true_one(self, durations: list[float], part: float) -> None:
        counts = [0] * BINS
        for duration in durations:
            counts[bin_of(duration)] += 1
        rank = max(1, -(-len(durations) * part // 1))
        true = sorted(durations)[int(rank) - 1]
        told = percentile(counts, part)
        assert told is not None
        lower = BOUNDS[bin_of(true) - 1] if bin_of(true) else 0
        assert lower <= told <= BOUNDS[bin_of(true)]

    def test_what_is_longer_than_all_bounds_is_told_as_the_last(self) -> None:
        assert percentile([0] * (BINS - 1) + [1], 0.5) == BOUNDS[-1]


def test_the_columns_that_the_sums_read_are_there() -> None:
    assert set(TOKENS) <= set(COLUMNS)


def test_workers_that_write_at_once_neither_wait_in_a_ring_nor_lose(
    engine: Engine, settings: Settings
) -> None:
    """Each with connections of its own, and its rows in an order of its own."""
    keys = [(client, model) for client in range(10) for model in "abcdef"]

    failures: list[int] = []

    def work(worker: int) -> tuple[int, int]:
        own = open_engine(settings)
        ledger = Ledger(own, settings.logging)
        for turn in range(10):
            mine = keys[::-1] if worker % 2 else keys
            for number, (client, model) in enumerate(mine):
                moment = {"started_at": client * LONG["d"]}
                one = row(f"{worker}-{turn}-{number}", client_id=client, model=model, **moment)
                ledger.add(one)
            while not ledger.flush():
                failures.append(worker)
        told = ledger.waiting, ledger.lost
        own.dispose()
        return told

    with ThreadPoolExecutor(4) as workers:
        assert list(workers.map(work, range(4))) == [(0, 0)] * 4
    if engine.dialect.name == "postgresql":  # SQLite's one lock may be had too late
        assert failures == []
    assert len(stored_ids(engine)) == 4 * 10 * len(keys)
    assert stored(engine) == expected(engine)
