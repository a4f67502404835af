"""The admin API's clients, through HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from gateway.blueprints.admin.api import bp
from gateway.config import Settings, load
from gateway.extensions import Base
from gateway.store.clients import ClientDirectory
from gateway.store.engine import open_engine
from gateway.store.vault import Vault

TOKEN = "a-token-of-thirty-two-characters-or-more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Parts:
    """As much of the app's Gateway as the admin API asks for."""

    settings: Settings
    engine: Engine
    vault: Vault
    clients: ClientDirectory
    changes: list[str] = field(default_factory=list)

    def changed(self) -> None:
        self.clients.forget()
        self.changes.append("changed")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    settings = load({"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_ADMIN_TOKEN": TOKEN})
    engine, vault = open_engine(settings), Vault(settings)
    Base.metadata.create_all(engine)
    yield Parts(settings, engine, vault, ClientDirectory(engine, vault))
    engine.dispose()


@pytest.fixture
def api(parts: Parts) -> FlaskClient:
    app = Flask(__name__)
    app.config.from_mapping(SECRET_KEY="x")
    app.extensions["gateway"] = parts
    app.register_blueprint(bp)
    return app.test_client()


def call(api: FlaskClient, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """The status and the JSON of the answer to a call with the admin token."""
    data = None if body is None else json.dumps(body)
    answer = api.open(f"/admin/api{path}", method=method, data=data, headers=BEARER)
    return answer.status_code, answer.get_json(silent=True)


def made(api: FlaskClient, **fields: object) -> tuple[int, str]:
    status, body = call(api, "POST", "/clients", {"name": "shop"} | fields)
    assert status == 201
    return body["client"]["id"], body["api_key"]


def test_a_client_is_made_with_nothing_but_a_name(api: FlaskClient, parts: Parts) -> None:
    status, body = call(api, "POST", "/clients", {"name": "shop"})
    assert (status, body.keys()) == (201, {"client", "api_key"})
    assert body["client"]["name"] == "shop"
    assert body["client"]["provider"] == "demo"
    assert body["api_key"].startswith("gm_")
    client = parts.clients.by_key(body["api_key"])
    assert client and client.id == body["client"]["id"]


def test_the_providers_key_is_in_no_answer(api: FlaskClient) -> None:
    key = {"provider": "openai", "provider_api_key": "sk-upstream-secret"}
    client_id, _ = made(api, **key)
    answers = [
        call(api, "GET", f"/clients/{client_id}"),
        call(api, "GET", "/clients"),
        call(api, "PATCH", f"/clients/{client_id}", {"provider_api_key": "sk-upstream-secret"}),
        call(api, "POST", "/clients", {"name": "shop"} | key),
        call(api, "POST", "/clients", {"name": "other"} | key),
    ]
    assert [status for status, _ in answers] == [200, 200, 200, 422, 201]
    assert answers[0][1]["has_provider_api_key"] is True
    assert "sk-upstream-secret" not in json.dumps(answers)


def test_a_client_is_shown_as_it_is_listed(api: FlaskClient) -> None:
    client_id, key = made(api, description="the web shop")
    status, shown = call(api, "GET", f"/clients/{client_id}")
    _, listed = call(api, "GET", "/clients")
    assert status == 200 and shown["description"] == "the web shop"
    assert listed == {"items": [shown], "next_cursor": None}
    assert key not in json.dumps(listed)


def test_a_list_is_read_page_by_page(api: FlaskClient) -> None:
    ids = [made(api, name=f"client {number}")[0] for number in range(5)]
    seen: list[int] = []
    cursor: str | None = "0"
    while cursor is not None:
        status, page = call(api, "GET", f"/clients?limit=2&cursor={cursor}")
        assert status == 200 and len(page["items"]) <= 2
        seen += [client["id"] for client in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ids


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=", "limit=١", "cursor=-1", "cursor=99999999999"],
)
def test_a_page_that_cannot_be_is_refused(api: FlaskClient, query: str) -> None:
    status, body = call(api, "GET", f"/clients?{query}")
    assert status == 422
    assert body["error"]["fields"].keys() == {query.partition("=")[0]}


def test_a_change_is_of_what_it_names_and_counts_at_once(api: FlaskClient, parts: Parts) -> None:
    client_id, key = made(api, description="before", rate_limit_minute=60)
    assert parts.clients.by_key(key)
    status, body = call(api, "PATCH", f"/clients/{client_id}", {"rate_limit_minute": None})
    assert status == 200
    assert (body["rate_limit_minute"], body["description"]) == (None, "before")
    client = parts.clients.by_key(key)
    assert client and client.rate_limit_minute is None
    assert parts.changes == ["changed", "changed"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"name": "x", "colour": "red"}, {"colour"}),
        (
            {"name": "x", "provider": "opnai", "rate_limit_minute": 0},
            {"provider", "rate_limit_minute"},
        ),
        ({"name": "x", "provider": "openai-compatible"}, {"provider_base_url"}),
        ({"name": "taken"}, {"name"}),
    ],
)
def test_what_cannot_be_is_told_by_field(
    api: FlaskClient, body: dict[str, Any], fields: set[str]
) -> None:
    made(api, name="taken")
    status, answer = call(api, "POST", "/clients", body)
    assert status == 422
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["fields"].keys() == fields
    assert all(name in answer["error"]["message"] for name in fields)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'"name"', b"null", b'{"name": "\xff"}', b"[" * 100_000]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/clients"), ("PATCH", "/clients/1")])
def test_what_is_no_json_object_is_refused(
    api: FlaskClient, data: bytes, method: str, path: str
) -> None:
    made(api)
    answer = api.open(f"/admin/api{path}", method=method, data=data, headers=BEARER)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "invalid_json"


def test_a_body_without_end_is_refused(api: FlaskClient) -> None:
    answer = api.post("/admin/api/clients", data=b" " * 5_000_000, headers=BEARER)
    assert answer.status_code == 413
    assert answer.get_json()["error"]["code"] == "request_too_large"


def test_a_client_is_deleted_once(api: FlaskClient, parts: Parts) -> None:
    client_id, key = made(api)
    assert parts.clients.by_key(key)
    assert call(api, "DELETE", f"/clients/{client_id}") == (204, None)
    assert parts.clients.by_key(key) is None
    assert call(api, "DELETE", f"/clients/{client_id}")[0] == 404


@pytest.mark.parametrize("body", [None, {}, {"grace_seconds": 0}])
def test_a_rotated_key_takes_over(api: FlaskClient, parts: Parts, body: object) -> None:
    client_id, old = made(api)
    status, answer = call(api, "POST", f"/clients/{client_id}/rotate-key", body)
    assert (status, answer.keys()) == (200, {"api_key"})
    assert parts.clients.by_key(old) is None
    assert parts.clients.by_key(answer["api_key"])


def test_with_grace_both_keys_work(api: FlaskClient, parts: Parts) -> None:
    client_id, old = made(api)
    _, answer = call(api, "POST", f"/clients/{client_id}/rotate-key", {"grace_seconds": 600})
    assert parts.clients.by_key(old) == parts.clients.by_key(answer["api_key"]) is not None


@pytest.mark.parametrize(
    "body", [{"grace_seconds": -1}, {"grace_seconds": "60"}, {"grace_seconds": None}, {"grace": 1}]
)
def test_a_grace_that_cannot_be_leaves_the_key(
    api: FlaskClient, parts: Parts, body: dict[str, Any]
) -> None:
    client_id, old = made(api)
    status, answer = call(api, "POST", f"/clients/{client_id}/rotate-key", body)
    assert (status, answer["error"]["fields"].keys()) == (422, body.keys())
    assert parts.clients.by_key(old)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/clients/77"),
        ("PATCH", "/clients/77"),
        ("DELETE", "/clients/77"),
        ("POST", "/clients/77/rotate-key"),
        ("GET", f"/clients/{10**30}"),
    ],
)
def test_a_client_that_is_not_there_is_a_404(api: FlaskClient, method: str, path: str) -> None:
    status, body = call(api, method, path, {})
    assert (status, body["error"]["code"]) == (404, "client_not_found")
    assert body["error"].keys() == {"message", "type", "code"}


def test_a_database_that_is_away_is_a_503(api: FlaskClient, parts: Parts) -> None:
    Base.metadata.drop_all(parts.engine)
    status, body = call(api, "GET", "/clients")
    assert (status, body["error"]["type"]) == (503, "api_error")


def test_answers_are_kept_in_no_cache(api: FlaskClient) -> None:
    for path in ("/clients", "/clients/77"):
        answer = api.get(f"/admin/api{path}", headers=BEARER)
        assert answer.headers["Cache-Control"] == "no-store"
