"""Pictures of every page, as they stand in docs/screenshots: `python -m tests.screenshots`.

A gateway of its own is filled with made-up clients and calls; each page is taken on a phone and on
a wide screen, in light and dark.
"""

import argparse
import io
import json
import math
import random
import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine

from gateway.config import load
from gateway.store.engine import open_engine
from gateway.store.ledger import Ledger
from tests.blueprints.chromium import chromium
from tests.blueprints.looks import SIZES, THEMES
from tests.blueprints.person import Person
from tests.blueprints.test_looks import PAGES
from tests.blueprints.visitor import WITH_PASSWORD
from tests.running import ROOT, Running
from tests.store.log_rows import row

FOLDER = ROOT / "docs" / "screenshots"
COLOURS = 128
DAYS, ROWS = 8, 6000
SETTINGS = {"demo": {"tokens_per_second": 12}, "admin": {"sign_in_per_minute": 1000}}
CLIENTS: tuple[dict[str, Any], ...] = (
    {
        "name": "Support assistant",
        "description": "Answers in the help centre",
        "provider": "openai",
        "default_model": "gpt-4o-mini",
        "fallback_models": ["anthropic/claude-haiku-4-5"],
        "rate_limit_minute": 120,
        "budget_usd_day": 25,
    },
    {
        "name": "Research notebook",
        "provider": "anthropic",
        "default_model": "claude-sonnet-5",
        "tokens_per_minute": 200_000,
        "budget_usd_month": 400,
    },
    {"name": "Invoice reader", "provider": "gemini", "default_model": "gemini-2.5-flash"},
    {"name": "Night batch", "provider": "mistral", "default_model": "mistral-small-latest"},
    {"name": "Intern's laptop", "provider": "openai", "quota_requests_day": 50, "is_active": False},
)
# Of each client: its provider, its models with what a call costs in dollars, and its share.
CALLS = (
    (0, "openai", (("gpt-4o-mini", 0.0009), ("gpt-4o", 0.011)), 5),
    (1, "anthropic", (("claude-sonnet-5", 0.024), ("claude-haiku-4-5", 0.004)), 3),
    (2, "gemini", (("gemini-2.5-flash", 0.0016),), 3),
    (3, "mistral", (("mistral-small-latest", 0.0005),), 2),
)
LONG = ("docs", "settings", "providers-openai", "clients-new", "clients-1-edit")
"""Of these the first screen is enough."""
FAILURES = (
    (429, "rate_limit_exceeded", "Rate limit reached: 120 requests per minute, 120 used."),
    (502, "upstream_error", "Upstream answered 500: internal error"),
    (504, "upstream_timeout", "Upstream did not answer within 120 s"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="of the files whose name begins so")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        gateway = Running(Path(folder), SETTINGS, environment=WITH_PASSWORD)
        with gateway, chromium() as browser:
            for title, page, address in shown(gateway, browser):
                if title.startswith(given.only or ""):
                    take(page, title, address, given.into)


def shown(gateway: Running, browser: Browser) -> Iterator[tuple[str, Page, str]]:
    """Every page: the name of its pictures, where it is shown, and its address."""
    addresses = filled(gateway)
    stranger = browser.new_context().new_page()
    yield "login", stranger, f"{gateway.origin}/admin/login"
    context = browser.new_context(locale="en-GB", timezone_id="Europe/Zurich")
    person = Person(context.new_page(), gateway)
    for name in PAGES:
        title = re.sub("[^a-z0-9]+", "-", name).strip("-")
        yield title, person.page, f"{gateway.origin}/admin/{name.format(**addresses)}"
    with closing(sqlite3.connect(gateway.data / "gateway.db", timeout=10)) as database:
        database.execute("DELETE FROM admins")
        database.commit()
    yield "set-up", stranger, f"{gateway.origin}/admin/set-up"


def take(page: Page, title: str, address: str, folder: Path) -> None:
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.goto(address)
            page.wait_for_load_state("load")
            if prepare := PREPARED.get(title):
                prepare(page)
            page.wait_for_timeout(1200)
            picture = small(page.screenshot(full_page=title not in LONG))
            path = folder / f"{title}-{width}-{theme}.png"
            path.write_bytes(picture)
            print(f"{path.name}: {len(picture) >> 10} kB", flush=True)


def small(picture: bytes) -> bytes:
    """In few colours: those that are seen most as they are, and some that stand for the rest."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    seen = sorted(image.getcolors(1 << 24) or (), reverse=True)[: COLOURS // 2]
    most = [shade for _, colour in seen if isinstance(colour, tuple) for shade in colour]
    rest = image.quantize(COLOURS // 2, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(most + rest)
    out = io.BytesIO()
    few = image.quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def played(page: Page) -> None:
    """A question in the playground, and its answer."""
    page.get_by_label("Message").fill("What does a gateway do?")
    page.get_by_role("button", name="Send").click()
    page.wait_for_timeout(4000)


PREPARED = {"playground": played}


def filled(gateway: Running) -> dict[str, str]:
    """What the addresses of PAGES leave open."""
    keep_bodies = {"log_bodies": "full", "rate_limit_day": 1000, "quota_requests_day": 1000}
    models = {"default_model": "demo", "model_aliases": {"*": "demo"}}
    demo = gateway.new_client(name="Demo", **models, **keep_bodies)
    made = [gateway.new_client(**fields)["client"] for fields in CLIENTS]
    engine = open_engine(load({"GATEWAY_DATA_DIR": str(gateway.data)}))
    log(engine, made)
    engine.dispose()
    key = demo["api_key"]
    for text in ("Hello", "Write a line about gateways.", "And one about keys."):
        answered = gateway.chat(key, question(text))
    assert answered.status == 200, answered.body
    gateway.admin("POST", f"/clients/{demo['client']['id']}/test", {})
    threading.Thread(target=keep_busy, args=(gateway, key), daemon=True).start()
    request_id = answered.headers["x-request-id"]
    gateway.rows(1, request_id=request_id)
    return {"client": str(demo["client"]["id"]), "request": request_id}


def question(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "demo", "messages": [{"role": "user", "content": text}], **more}


def keep_busy(gateway: Running, key: str) -> None:
    """Something is always under way."""
    with suppress(OSError, HTTPException):  # until it ends
        while True:
            gateway.chat(key, question("Tell me a story. " * 12, stream=True))


def log(engine: Engine, clients: list[dict[str, Any]]) -> None:
    """Calls of the last days, more by day than by night."""
    ledger = Ledger(engine, load({}).logging)
    dice = random.Random(7)
    for number in range(ROWS):
        ledger.add(call(dice, number, clients))
        if number % 500 == 499:
            assert ledger.flush()
    assert ledger.flush()


def call(dice: random.Random, number: int, clients: list[dict[str, Any]]) -> list[Any]:
    at, provider, models, _ = dice.choices(CALLS, [share for *_, share in CALLS])[0]
    model, cost = dice.choice(models)
    failed = dice.random() < 0.02
    status, code, message = dice.choice(FAILURES) if failed else (200, None, None)
    read, written = dice.randrange(200, 4000), dice.randrange(20, 900)
    first = dice.lognormvariate(math.log(450), 0.5)
    return row(
        f"req_{number:024x}",
        client_id=clients[at]["id"],
        client_name=clients[at]["name"],
        started_at=moment(dice),
        model_asked=model,
        provider=provider,
        model=model,
        streamed=dice.random() < 0.6,
        status=status,
        error_code=code,
        error_message=message,
        first_byte_ms=None if failed else first,
        total_ms=first + written * 9,
        input_tokens=None if failed else read,
        output_tokens=None if failed else written,
        cost_usd=None if failed else f"{cost * dice.uniform(0.3, 1.8):.12f}",
        price=None if failed else json.dumps({"source": "config.yaml"}),
        finish_reason=None if failed else "stop",
    )


def moment(dice: random.Random) -> int:
    """Milliseconds; by day four times as often as by night."""
    while True:
        at = time.time() - dice.random() * DAYS * 86_400
        if dice.random() < 0.55 + 0.45 * math.sin(
            (at % 86_400) / 86_400 * 2 * math.pi - math.pi / 2
        ):
            return int(at * 1000)


if __name__ == "__main__":
    main()
