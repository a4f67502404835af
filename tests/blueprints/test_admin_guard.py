"""Who may come in to the admin API."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from gateway.blueprints.admin import sign_in
from gateway.blueprints.admin.api import bp
from gateway.config import Settings, load
from gateway.extensions import Base
from gateway.store import admins
from gateway.store.counters import MemoryCounters
from gateway.store.engine import open_engine
from gateway.store.models import AdminRow
from gateway.store.shared import Shared
from gateway.store.vault import Vault

TOKEN = "a-token-of-thirty-two-characters-or-more"
CLIENTS = "/admin/api/clients"


@dataclass
class Parts:
    """As much of the app's Gateway as the admin API asks for."""

    settings: Settings
    engine: Engine
    vault: Vault
    shared: Shared = field(default_factory=lambda: Shared(MemoryCounters()))

    def changed(self) -> None:
        pass


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_ADMIN_TOKEN": TOKEN}


@pytest.fixture
def engine(environ: dict[str, str]) -> Iterator[Engine]:
    engine = open_engine(load(environ))
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        admins.ensure_first_admin(session, "password")
    yield engine
    engine.dispose()


def api_of(environ: dict[str, str], engine: Engine) -> FlaskClient:
    """The API, and a page that signs its visitor in."""
    settings = load(environ)
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="x",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.admin.session_hours),
    )
    app.extensions["gateway"] = Parts(settings, engine, Vault(settings))
    app.register_blueprint(bp)

    @app.get("/sign-in")
    def come_in() -> str:
        admin = admins.find(engine, 1)
        assert admin
        sign_in(admin)
        return "welcome"

    return app.test_client()


@pytest.fixture
def api(environ: dict[str, str], engine: Engine) -> FlaskClient:
    return api_of(environ, engine)


@pytest.fixture
def signed_in(api: FlaskClient) -> FlaskClient:
    api.get("/sign-in")
    return api


EVERY_CALL = [
    ("GET", CLIENTS),
    ("POST", CLIENTS),
    ("GET", f"{CLIENTS}/1"),
    ("PATCH", f"{CLIENTS}/1"),
    ("DELETE", f"{CLIENTS}/1"),
    ("POST", f"{CLIENTS}/1/rotate-key"),
    ("POST", f"{CLIENTS}/1/preview"),
    ("GET", f"{CLIENTS}/1/test"),
    ("POST", f"{CLIENTS}/1/test"),
    ("POST", f"{CLIENTS}/1/fetch-models"),
    ("GET", "/admin/api/tools"),
    ("PUT", "/admin/api/tools"),
    ("POST", "/admin/api/tools/1/run"),
    ("GET", f"{CLIENTS}/1/usage"),
    ("GET", "/admin/api/stats"),
    ("GET", "/admin/api/usage.csv"),
    ("GET", "/admin/api/requests"),
    ("GET", "/admin/api/requests.csv"),
    ("GET", "/admin/api/requests/1"),
    ("GET", "/admin/api/requests/live"),
    ("POST", "/admin/api/requests/1/cancel"),
    ("GET", "/admin/api/audit"),
    ("GET", "/admin/api/tools/mcp-servers"),
    ("POST", "/admin/api/tools/mcp-servers"),
    ("PATCH", "/admin/api/tools/mcp-servers/1"),
    ("DELETE", "/admin/api/tools/mcp-servers/1"),
    ("POST", "/admin/api/tools/mcp-servers/1/check"),
    ("GET", "/admin/api/providers"),
    ("GET", "/admin/api/providers/1"),
    ("POST", "/admin/api/providers/1/fetch-models"),
    ("GET", "/admin/api/settings"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
def test_without_credentials_nothing_is_let_in(api: FlaskClient, method: str, path: str) -> None:
    answer = api.open(path, method=method)
    assert answer.status_code == 401
    assert answer.get_json()["error"]["type"] == "authentication_error"


def test_every_call_is_in_the_table_above(api: FlaskClient) -> None:
    rules = [rule for rule in api.application.url_map.iter_rules() if "admin_api" in rule.endpoint]
    calls = {
        (method, re.sub("<[^>]*>", "1", rule.rule))
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert calls == set(EVERY_CALL)


def test_the_token_is_let_in(api: FlaskClient) -> None:
    for scheme in ("Bearer", "bearer"):
        assert api.get(CLIENTS, headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        "Bearer",
        "Bearer ",
        "Bearer schlüssel".encode().decode("latin-1"),
        f"Basic {TOKEN}",
        TOKEN,
    ],
)
def test_anything_else_is_not(api: FlaskClient, header: str) -> None:
    answer = api.get(CLIENTS, headers={"Authorization": header})
    assert answer.status_code == 401
    assert TOKEN not in answer.text


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer None", "Bearer null"])
def test_without_a_configured_token_there_is_none(
    environ: dict[str, str], engine: Engine, header: str
) -> None:
    del environ["GATEWAY_ADMIN_TOKEN"]
    answer = api_of(environ, engine).get(CLIENTS, headers={"Authorization": header})
    assert answer.status_code == 401
    assert "GATEWAY_ADMIN_TOKEN" in answer.text or header == "Bearer"


def test_a_wrong_token_does_not_fall_back_on_the_session(signed_in: FlaskClient) -> None:
    assert signed_in.get(CLIENTS, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_failures_are_throttled_by_address_and_the_token_never(api: FlaskClient) -> None:
    def status(token: str, address: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        where = {"REMOTE_ADDR": address}
        return api.get(CLIENTS, headers=headers, environ_overrides=where).status_code

    tried = [status("wrong", "192.0.2.1") for _ in range(12)]
    assert tried == [401] * 10 + [429] * 2
    assert status(TOKEN, "192.0.2.1") == 200
    assert status("wrong", "192.0.2.2") == 401


def test_the_throttled_are_told_when_to_try_again(api: FlaskClient) -> None:
    for _ in range(11):
        answer = api.get(CLIENTS, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 120


def test_to_come_without_credentials_is_no_guess(api: FlaskClient) -> None:
    assert {api.get(CLIENTS).status_code for _ in range(20)} == {401}


def test_a_signed_in_admin_is_let_in(signed_in: FlaskClient) -> None:
    assert signed_in.get(CLIENTS).status_code == 200
    assert signed_in.post(CLIENTS, data='{"name": "shop"}').status_code == 201


def test_a_proxys_basic_auth_does_not_shut_the_session_out(signed_in: FlaskClient) -> None:
    assert signed_in.get(CLIENTS, headers={"Authorization": "Basic eDp5"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost"}, 201),
        ({"Origin": "https://localhost"}, 201),
        ({"Origin": "http://localhost:8091"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://evil.example/localhost"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://[evil"}, 403),
    ],
)
def test_other_sites_pages_may_not_write(
    signed_in: FlaskClient, headers: dict[str, str], status: int
) -> None:
    answer = signed_in.post(CLIENTS, data='{"name": "shop"}', headers=headers)
    assert answer.status_code == status


def test_the_token_may_write_from_anywhere(api: FlaskClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://console.example"}
    assert api.post(CLIENTS, data='{"name": "shop"}', headers=headers).status_code == 201


def test_a_viewer_reads_and_changes_nothing(signed_in: FlaskClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(AdminRow).values(role="viewer"))
    assert signed_in.get(CLIENTS).status_code == 200
    for method, path in EVERY_CALL:
        if method != "GET":
            answer = signed_in.open(path, method=method, data='{"name": "shop"}')
            assert answer.status_code == 403
            assert answer.get_json()["error"]["type"] == "permission_error"


def test_a_new_password_ends_the_session(signed_in: FlaskClient, engine: Engine) -> None:
    admins.set_password(engine, "admin", "another")
    assert signed_in.get(CLIENTS).status_code == 401


def test_a_session_that_was_not_used_for_its_hours_is_over(
    signed_in: FlaskClient, environ: dict[str, str]
) -> None:
    assert signed_in.get(CLIENTS).status_code == 200
    signed_in.application.config["PERMANENT_SESSION_LIFETIME"] = timedelta(seconds=-1)
    assert signed_in.get(CLIENTS).status_code == 401


def test_use_renews_a_session(signed_in: FlaskClient) -> None:
    cookie = signed_in.get(CLIENTS).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "Expires=" in cookie
