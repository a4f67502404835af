"""The app of an installation of its own, and a browser that visits its pages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from gateway.config import Settings, load
from gateway.store.first_run import prepare

PASSWORD = "correct horse"
LOGIN, LOGOUT, HOME, DASHBOARD = "/admin/login", "/admin/logout", "/admin", "/admin/dashboard"


def installed(folder: Path, path: Path | None = None) -> Settings:
    environ = {"GATEWAY_DATA_DIR": str(folder / "data"), "GATEWAY_ADMIN_PASSWORD": PASSWORD}
    settings = load(environ, path)
    prepare(settings, lambda text: None)
    return settings


@contextmanager
def running(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    try:
        yield app
    finally:
        app.extensions["gateway"].stop()
        app.extensions["gateway"].engine.dispose()


class Browser:
    """Fills forms in as a person would, with whatever token the page carries."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def sign_in(
        self, password: str = PASSWORD, *, username: str = "admin", at: str = LOGIN, **options: Any
    ) -> TestResponse:
        form = {"username": username, "password": password, "csrf_token": self.token(at)}
        return self.client.post(at, data=form, **options)

    def sign_out(self) -> TestResponse:
        return self.client.post(LOGOUT, data={"csrf_token": self.token(DASHBOARD)})

    def token(self, path: str) -> str:
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.get(path).text)
        assert found, f"{path} has no form"
        return found[1]

    @property
    def cookie(self) -> str | None:
        cookie = self.client.get_cookie("gateway_session")
        return cookie.value if cookie else None
