"""What tests of pages need: an app, its parts, and who visits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from gateway.context import Gateway
from gateway.store.client_book import ClientBook
from tests.blueprints.browser import Browser, installed, running


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with running(installed(tmp_path)) as app:
        yield app


@pytest.fixture
def parts(app: Flask) -> Gateway:
    parts: Gateway = app.extensions["gateway"]
    return parts


@pytest.fixture
def book(parts: Gateway) -> ClientBook:
    return ClientBook(parts.engine, parts.vault, parts.settings, parts.changed)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    assert browser.sign_in().status_code == 302
    return browser
