"""Addresses that somebody made up: every page and resource has an answer, on both databases."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from gateway.config import load
from gateway.store.first_run import prepare
from tests.blueprints.browser import PASSWORD, Browser, running

TEXTS = ("\0", "a\0b", "9" * 20, "9" * 5000, "-1", "١٢٣", "²", "\u202e<b>", "💥" * 60, "..", " ")
QUERIES = ("\0", "9" * 20, "9" * 5000)
PARAMETERS = (
    *("limit", "cursor", "before", "page", "client", "client_id", "copy", "status", "range"),
    *("since", "until", "q", "sort", "state", "model", "provider", "error_code", "as", "next"),
)
MOMENTS = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31", "0001-01-01")
OPEN = "/admin/log"
ARGUMENT = re.compile(r"<[^>]*>")


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    environment = {"GATEWAY_DATA_DIR": str(tmp_path / "data"), "GATEWAY_ADMIN_PASSWORD": PASSWORD}
    if request.param == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres").new_database()
    settings = load(environment)
    prepare(settings, lambda text: None)
    with running(settings) as app:
        app.config["PROPAGATE_EXCEPTIONS"] = False
        yield app


def addresses(app: Flask, method: str) -> Iterator[str]:
    """Of all that an admin may ask for, as Flask writes them."""
    for rule in app.url_map.iter_rules():
        inside = rule.rule.startswith(("/admin", "/docs")) and not rule.rule.startswith(OPEN)
        if inside and method in (rule.methods or ()) and not rule.websocket:
            yield rule.rule


def broken(browser: Browser, paths: list[str], method: str = "GET") -> list[tuple[str, int]]:
    body = {"csrf_token": browser.token("/admin/dashboard")} if method == "POST" else None
    answers = [
        (path[:100], browser.client.open(path, method=method, data=body).status_code)
        for path in paths
    ]
    return [one for one in answers if one[1] >= 500]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_may_hold_anything(app: Flask, signed_in: Browser, method: str) -> None:
    found = [
        ARGUMENT.sub(quote(text), address)
        for address in addresses(app, method)
        if ARGUMENT.search(address)
        for text in TEXTS
    ]
    assert len(found) > 100
    assert broken(signed_in, found, method) == []


def test_a_query_may_hold_anything(app: Flask, signed_in: Browser) -> None:
    found = [
        f"{ARGUMENT.sub('1', address)}?{name}={quote(text)}"
        for address in addresses(app, "GET")
        for name in PARAMETERS
        for text in (MOMENTS if name in ("since", "until") else QUERIES)
    ]
    assert len(found) > 1000
    assert broken(signed_in, found) == []
