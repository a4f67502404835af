"""Files that pages load: named by their content, packed, and kept by browsers."""

import gzip
from pathlib import Path

import pytest
from flask import Flask, url_for

from tests.blueprints.browser import Browser

STATIC = Path(__file__).resolve().parents[2] / "static"
FILES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_by_its_content_and_kept_for_ever(
    app: Flask, browser: Browser, name: str
) -> None:
    with app.test_request_context():
        address = url_for("static", filename=name)
    answer = browser.client.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert gzip.decompress(answer.data) == (STATIC / name).read_bytes()
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert browser.get(address).data == (STATIC / name).read_bytes()


def test_another_version_is_asked_for_again(browser: Browser) -> None:
    address = "/static/css/gateway.css?v=0123456789abcdef"
    answer = browser.get(address)
    assert answer.headers["Cache-Control"] == "no-cache"
    again = browser.client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["../app.py", "css", "css/", "nothing.css", "%2e%2e/app.py", "\0"])
def test_nothing_else_is_served(browser: Browser, name: str) -> None:
    assert browser.get(f"/static/{name}").status_code == 404
