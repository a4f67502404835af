"""The page and API of settings: what is in force, from where, and nothing that is secret."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from gateway.blueprints.admin.settings_table import groups, shown_address
from gateway.config import Settings
from tests.blueprints.browser import PASSWORD
from tests.blueprints.person import Person
from tests.postgres import Postgres
from tests.redis_server import RedisServer
from tests.running import TOKEN, Running
from tests.test_config import LEAVES

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {
        "demo": {"tokens_per_second": 0},
        "admin": {"sign_in_per_minute": 1000},
        "upstream": {"proxy": f"http://someone:{SECRET}@proxy.example:3128", "max_retries": 1},
        "metrics": {"username": "prometheus", "password": SECRET},
        "providers": {
            "openai": {"api_key": "${OPENAI_KEY}"},
            "vllm": {"base_url": f"http://me:{SECRET}@vllm.example/v1"},
        },
        "prices": {"openai": {"gpt-4o": {"input": 1.5, "output": 2}}},
        "tools": {
            "mcp_servers": [
                {
                    "name": "wiki",
                    "url": f"http://127.0.0.1:9/{SECRET}?key={SECRET}",
                    "headers": {"Authorization": f"Bearer {SECRET}"},
                }
            ]
        },
    }
    environment = {
        "GATEWAY_ADMIN_PASSWORD": PASSWORD,
        "GATEWAY_SECRET_KEY": SECRET,
        "OPENAI_KEY": SECRET,
    }
    folder = tmp_path_factory.mktemp("settings")
    with Running(folder, settings, workers=2, environment=environment) as gateway:
        yield gateway


def told(gateway: Running) -> dict[str, dict[str, Any]]:
    answer = gateway.admin("GET", "/settings")
    assert answer.status == 200
    return {one["key"]: one for group in answer.json["groups"] for one in group["items"]}


def test_every_setting_is_told_with_its_meaning() -> None:
    lines = {line.key: line for group in groups(Settings()) for line in group.lines}
    assert set(lines) == set(LEAVES)
    for key, field in LEAVES.items():
        assert (lines[key].meaning, lines[key].is_default) == (field.description, True)
        assert lines[key].origin.kind == "default"


def test_it_is_told_what_is_in_force_and_from_where(gateway: Running) -> None:
    found = told(gateway)

    def of(key: str) -> tuple[Any, str, list[str], bool]:
        one = found[key]
        source = one["source"]
        return one["value"], source["kind"], source["variables"], one["is_default"]

    assert of("server.port") == (gateway.port, "environment", ["PORT"], False)
    assert of("upstream.max_retries") == (1, "file", [], False)
    assert of("upstream.idle_timeout") == (60.0, "default", [], True)
    assert of("providers.openai.api_key") == (None, "file", ["OPENAI_KEY"], False)
    assert of("prices.openai.gpt-4o.input") == (1.5, "file", [], False)
    assert of("tools.mcp_servers") == (["wiki"], "file", [], False)
    assert found["server.port"]["variable"] == "PORT"
    assert found["breaker.pause"]["accepts"] == "a number above 0, at most 3600"


def test_what_administrators_have_set_holds_over_the_file(gateway: Running, person: Person) -> None:
    assert told(gateway)["tools.enabled"]["source"]["kind"] == "default"
    gateway.tools_on("uuid")
    one = told(gateway)["tools.enabled"]
    assert (one["value"], one["source"]["kind"]) == (["uuid"], "admin")
    assert (one["default"], one["needs_restart"]) == ([], False)
    person.go("settings")
    row = person.page.locator('[data-key="tools.enabled"]')
    expect(row).to_contain_text("the page of tools, at once")


def test_a_secret_is_set_or_not_and_no_more_is_told(gateway: Running) -> None:
    found = told(gateway)
    for key, is_set in (
        ("secret_key", True),
        ("admin.token", True),
        ("metrics.password", True),
        ("providers.openai.api_key", True),
        ("database.url", False),
    ):
        one = found[key]
        assert (key, one["value"], one["secret"], one["set"]) == (key, None, True, is_set)
    assert found["upstream.proxy"]["value"] == "http://proxy.example:3128"
    assert found["providers.vllm.base_url"]["value"] == "http://vllm.example/v1"


def test_no_secret_leaves_by_the_page_or_the_api(gateway: Running, person: Person) -> None:
    person.go("settings")
    for text in (person.page.content(), gateway.admin("GET", "/settings").body.decode()):
        assert "wiki" in text
        assert SECRET not in text and TOKEN not in text and PASSWORD not in text


def test_it_is_told_what_the_gateway_runs_on(gateway: Running) -> None:
    answer = gateway.admin("GET", "/settings").json
    running = answer["running"]
    assert answer["file"] == str(gateway.folder / "config.yaml")
    assert running["database"]["kind"] == "SQLite"
    assert running["database"]["at"] == str(gateway.data / "gateway.db")
    assert (running["redis"], running["workers"], running["degraded"]) == (None, 2, [])
    assert running["since"] <= running["worker_since"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:pass@host:6379/1", "redis://host:6379/1"),
        ("postgresql://u:p/a?s@h/d", None),
        ("postgresql://u:p/s@h/d", "postgresql://h/d"),
        ("postgresql://u:p@s@h/d", "postgresql://h/d"),
        ("postgresql://h/d?password=x@y", None),
        ("postgresql://h/d?password=x", "postgresql://h/d"),
        ("postgresql://u:p#s@h/d", None),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("nothing", None),
    ],
)
def test_addresses_are_shown_without_what_lets_in(url: str, shown: str | None) -> None:
    assert shown_address(url) == shown


def test_a_person_finds_a_setting(person: Person) -> None:
    page = person.page
    person.go("settings")
    row = page.locator('[data-key="server.port"]')
    expect(row).to_contain_text("variable PORT")
    page.get_by_label("Search").fill("retries further")
    expect(page.locator("[data-filter-row]:visible")).to_have_count(1)
    expect(page.locator('[data-key="upstream.max_retries"]')).to_contain_text("config.yaml")
    page.get_by_label("Search").fill("no such thing")
    expect(page.get_by_text("No setting fits.")).to_be_visible()
    page.get_by_label("Search").fill("")
    page.get_by_label("Only what differs").check()
    expect(row).to_be_visible()
    expect(page.locator('[data-key="upstream.idle_timeout"]')).to_be_hidden()
    expect(page.get_by_role("heading", name="providers")).to_be_visible()


def test_databases_and_stores_elsewhere_are_told_without_their_passwords(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.new_database()
    assert "://postgres@" in url
    environment = {"DATABASE_URL": url.replace("postgres@", f"postgres:{SECRET}@")}
    with RedisServer(tmp_path) as redis:
        environment["REDIS_URL"] = redis.url.replace("redis://", f"redis://:{SECRET}@") + "?db=1"
        with Running(tmp_path / "gateway", environment=environment) as running:
            for path in ("/settings", "/providers", "/providers/openai", "/tools"):
                answer = running.admin("GET", path)
                assert (path, answer.status) == (path, 200)
            answer = running.admin("GET", "/settings")
    found = answer.json["running"]
    assert found["database"]["kind"] == "PostgreSQL"
    assert found["database"]["version"]
    assert found["database"]["at"] in url and "/" in found["database"]["at"]
    assert found["redis"] == redis.url
    assert SECRET not in answer.body.decode()
