"""What tests of pages need: an app, its parts, and who visits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium

from gateway.context import Gateway
from gateway.store.client_book import ClientBook
from tests.blueprints.browser import Browser, installed, running
from tests.blueprints.chromium import chromium
from tests.blueprints.person import Person
from tests.blueprints.visitor import WITH_PASSWORD
from tests.running import Running


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
    return ClientBook.of(parts)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    assert browser.sign_in().status_code == 302
    return browser


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real one, of two workers."""
    folder = tmp_path_factory.mktemp("gateway")
    settings = {"demo": {"tokens_per_second": 0}, "admin": {"sign_in_per_minute": 1000}}
    with Running(folder, settings, workers=2, environment=WITH_PASSWORD) as gateway:
        yield gateway


@pytest.fixture(scope="package")
def chrome() -> Iterator[Chromium]:
    """One for all files of this folder: a page has a context of its own in it."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def person(chrome: Chromium, gateway: Running) -> Iterator[Person]:
    context = chrome.new_context(
        timezone_id="Asia/Tokyo",
        locale="en-GB",
        reduced_motion="reduce",  # a colour that is still changing has too little contrast
    )
    person = Person(context.new_page(), gateway)
    yield person
    context.close()
    assert person.problems == []
