"""The request log at any size: what its dashboard's queries cost, and what it costs to write.

    python -m bench.log --rows 100000 1000000 10000000 [--url postgresql://…/scratch]

Every figure is a ratio within one run: the same queries on each size, after each other. A given
database is emptied first.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from gateway.config import Settings, load
from gateway.extensions import Base
from gateway.store.engine import open_engine
from gateway.store.ledger import COLUMNS, Ledger
from gateway.store.log_pages import Search, find_request, latest_requests
from gateway.store.retention import MINUTES_KEPT
from gateway.store.rollups import Models, as_rows, roll_up, upsert
from gateway.store.stats import statistics, usage_of

END = datetime(2026, 6, 15, 12, 30, tzinfo=UTC)
DAYS = 30
CLIENTS, PROVIDERS, MODELS = 50, 4, 8
REPEATS = 25
ROWS_PER_SECOND, SECONDS = 2000, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--url", help="a database to use, and to empty, instead of SQLite files")
    given = parser.parse_args()
    print_cost_of_writing(given.url)
    smallest: dict[str, float] = {}
    for rows in sorted(given.rows):
        with tempfile.TemporaryDirectory() as folder:
            engine = opened(Path(folder), given.url)
            began = time.monotonic()
            fill(engine, rows)
            print(f"\n{rows:,} rows, written in {time.monotonic() - began:.0f} s", flush=True)
            for name, query in queries(rows):
                spent = fastest(query, engine)
                ratio = spent / smallest.setdefault(name, spent)
                print(f"  {name:32} {spent * 1000:8.2f} ms   x {ratio:.2f}", flush=True)
            engine.dispose()


def opened(folder: Path, url: str | None) -> Engine:
    engine = open_engine(settings(folder, url))
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    return engine


def settings(folder: Path, url: str | None) -> Settings:
    return load({"GATEWAY_DATA_DIR": str(folder), **({"DATABASE_URL": url} if url else {})})


def fill(engine: Engine, rows: int) -> None:
    """The rollups are of a million rows at most, which come to nearly as many keys as all would."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA cache_size = -400000")
        for start in range(0, rows, ROWS_AT_ONCE):
            last = min(start + ROWS_AT_ONCE, rows) - 1
            connection.execute(text(FILL), {"start": start, "last": last, **spread(rows)})
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")
    statement, sample = upsert(engine), list(made_up(min(rows, 1_000_000)))
    for start in range(0, len(sample), 50_000):
        with engine.begin() as connection:
            added = roll_up(sample[start : start + 50_000], Models())
            kept = {key: values for key, values in added.items() if is_kept(*key[:3])}
            connection.exec_driver_sql(statement, list(as_rows(kept)))


def is_kept(grain: str, _: str, bucket: int) -> bool:
    """Minutes of the past are pruned."""
    return grain != "m" or bucket >= END.timestamp() // 60 - MINUTES_KEPT


ROWS_AT_ONCE = 500_000
FILL = f"""
INSERT INTO request_logs (
    request_id, client_id, client_name, started_at, door, model_asked, provider, model, streamed,
    status, error_code, attempts, first_byte_ms, total_ms, input_tokens, output_tokens, estimated,
    finish_reason
)
WITH RECURSIVE numbers (n) AS (
    SELECT CAST(:start AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last
)
SELECT
    'req_' || CAST(n AS VARCHAR(20)), n * 7919 % {CLIENTS} + 1, 'a client',
    :first + n * :length / :rows, 'openai', 'a model',
    'provider-' || CAST(n / {CLIENTS} % {PROVIDERS} AS VARCHAR(20)),
    'model-' || CAST(n / {CLIENTS} % {MODELS} AS VARCHAR(20)), n % 2 = 0,
    CASE WHEN n % 100 = 0 THEN 502 ELSE 200 END,
    CASE WHEN n % 100 = 0 THEN 'code_' || CAST(n % 7 AS VARCHAR(20)) END,
    1, n % 900, n % 9000, n % 5000, n % 800, n < 0, 'stop'
FROM numbers
"""


def spread(rows: int) -> dict[str, int]:
    length = DAYS * 86_400_000
    return {"first": int(END.timestamp() * 1000) - length, "length": length, "rows": rows}


def made_up(rows: int, seconds: float = DAYS * 86_400) -> Iterator[list[Any]]:
    """Calls spread evenly over the last days or seconds, the newest last."""
    dice = random.Random(1)
    end = int(END.timestamp() * 1000)
    step = seconds * 1000 / rows
    for number in range(rows):
        yield made_up_row(dice, number, end - int((rows - 1 - number) * step))


def made_up_row(dice: random.Random, number: int, started_at: int) -> list[Any]:
    model = dice.randrange(MODELS)
    failed = dice.random() < 0.01
    values = {
        "request_id": f"req_{number:024x}",
        "client_id": dice.randrange(CLIENTS) + 1,
        "client_name": "a client",
        "started_at": started_at,
        "door": "openai",
        "model_asked": f"model-{model}",
        "provider": f"provider-{model % PROVIDERS}",
        "model": f"model-{model}",
        "streamed": model % 2 == 0,
        "status": 502 if failed else 200,
        "error_code": f"code_{number % 7}" if failed else None,
        "attempts": 1,
        "first_byte_ms": dice.expovariate(1 / 400),
        "total_ms": dice.expovariate(1 / 3000),
        "input_tokens": dice.randrange(5000),
        "output_tokens": dice.randrange(800),
        "cached_tokens": dice.randrange(1000),
        "estimated": False,
        "cost_usd": "0.001234500000",
        "price": '{"input": 2.5, "output": 10}',
        "finish_reason": "stop",
    }
    return [values.get(name) for name in COLUMNS]


Query = Callable[[Engine], object]


def queries(rows: int) -> list[tuple[str, Query]]:
    """What pages ask, each by its name."""
    ranges: list[tuple[str, Query]] = [
        (f"statistics {name}", lambda engine, name=name: statistics(engine, name, moment=END))  # type: ignore[misc]
        for name in ("1h", "24h", "7d", "30d")
    ]
    return [
        *ranges,
        ("statistics of a client, 30d", lambda engine: statistics(engine, "30d", 1, END)),
        ("use of a client today", lambda engine: usage_of(engine, 1, END)),
        ("newest requests", lambda engine: latest_requests(engine, 20)),
        ("page of the log", lambda engine: Search({}).page(engine, 50)),
        ("page of a client", lambda engine: Search({"client_id": 7}).page(engine, 50)),
        ("page of a model", lambda engine: Search({"model": "model-3"}).page(engine, 50)),
        ("page of a status", lambda engine: Search({"status": 502}).page(engine, 50)),
        ("page of what is not there", lambda engine: Search({"provider": "x"}).page(engine, 50)),
        ("one request", lambda engine: find_request(engine, f"req_{rows // 2}")),
    ]


def fastest(query: Query, engine: Engine) -> float:
    """Whatever made the others slower was somebody else's."""
    return min(timed(query, engine) for _ in range(REPEATS))


def timed(query: Query, engine: Engine) -> float:
    began = time.perf_counter()
    query(engine)
    return time.perf_counter() - began


def print_cost_of_writing(url: str | None) -> None:
    """CPU of this process alone, at the pace of `ROWS_PER_SECOND` in batches of 250 ms."""
    with tempfile.TemporaryDirectory() as folder:
        engine = opened(Path(folder), url)
        ledger = Ledger(engine, settings(Path(folder), url).logging)
        rows = list(made_up(ROWS_PER_SECOND * SECONDS, SECONDS))
        spent = 0.0
        for start in range(0, len(rows), ROWS_PER_SECOND // 4):
            began = time.process_time()
            for row in rows[start : start + ROWS_PER_SECOND // 4]:
                ledger.add(row)
            assert ledger.flush()
            spent += time.process_time() - began
        share = spent / SECONDS
        engine.dispose()
    each = spent / len(rows) * 1e6
    print(f"writing {ROWS_PER_SECOND:,} rows/s: {share:.1%} of a core, {each:.0f} µs a row")


if __name__ == "__main__":
    main()
