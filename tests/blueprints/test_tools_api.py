"""Tools in the admin API of a real gateway, with an own module and a real MCP server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.tools.table import TOOLS
from tests.running import ROOT, Running
from tests.tools.serving import Serving
from tests.upstream import Json, Upstream

OWN = "tests/tools/own_tools.py"
TOOLS_API = "/tools"


@pytest.fixture(scope="module")
def site() -> Iterator[Upstream]:
    with Upstream() as running:
        running.always(Json(b"Hello", headers={"content-type": "text/plain"}))
        yield running


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("mcp"), "--sessions") as serving:
        yield serving


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, serving: Serving, site: Upstream
) -> Iterator[Running]:
    settings = {
        "fetch": {"allow": ["127.0.0.1/32"], "ports": [site.port]},
        "tools": {
            "timeout": 5,
            "max_result_kb": 8,
            "modules": [OWN],
            "mcp_servers": [
                serving.written(allowed_tools=["add", "slow", "big", "fail", "picture"]),
                {"name": "away", "url": "http://127.0.0.1:9/mcp?key=hunter2"},
            ],
        },
    }
    with Running(tmp_path_factory.mktemp("gateway"), settings, workers=2) as running:
        yield running


def listed(running: Running) -> dict[str, Any]:
    answer = running.admin("GET", TOOLS_API)
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def run(running: Running, name: str, **arguments: Any) -> Any:
    answer = running.admin("POST", f"{TOOLS_API}/{name}/run", {"arguments": arguments})
    assert answer.status == 200, answer.body
    return answer.json


def server_of(running: Running, name: str) -> dict[str, Any]:
    return next(one for one in listed(running)["mcp_servers"] if one["name"] == name)


def wait_for_health(running: Running) -> None:
    """Each worker finds out for itself: both have answered when it was said so ten times."""
    said = []

    def settled() -> bool:
        said.append(server_of(running, "test")["healthy"])
        return said[-10:] == [True] * 10

    running.wait_until(settled, "the server's health")


def test_all_tools_are_listed_and_off(running: Running) -> None:
    wait_for_health(running)
    found = listed(running)
    assert [(one["name"], one["source"]) for one in found["items"]] == [
        *((function.__name__, "built-in") for function in TOOLS),
        *((name, OWN) for name in ("stock", "count-down", "reach", "trouble")),
        *((f"test__{name}", "test") for name in ("add", "slow", "fail", "picture", "big")),
    ]
    assert not any(one["enabled"] for one in found["items"])
    assert all(one["description"] and one["schema"]["type"] for one in found["items"])
    assert (found["enabled"], found["next_cursor"]) == ([], None)
    assert found["modules"] == [
        {"path": OWN, "tools": ["stock", "count-down", "reach", "trouble"], "error": None}
    ]


def test_servers_are_shown_with_their_health_and_without_their_keys(running: Running) -> None:
    wait_for_health(running)
    found = listed(running)
    well, away = found["mcp_servers"]
    assert (well["healthy"], well["error"], well["tools"]) == (True, None, 5)
    assert well["version"] == "2025-11-25"
    assert (away["healthy"], away["tools"], away["version"]) == (False, 0, None)
    assert "refused" in away["error"]
    assert away["url"] == "http://127.0.0.1:9/mcp"
    assert "hunter2" not in json.dumps(found) and "the-key" not in json.dumps(found)


def test_tools_are_switched_on_in_all_workers_and_stay_so(running: Running) -> None:
    names = ["get_time", "test__add", "away__anything", "test__*"]
    answer = running.admin("PUT", TOOLS_API, {"enabled": [*names, "get_time"]})
    assert (answer.status, answer.json["enabled"]) == (200, names)
    said = []

    def settled() -> bool:
        said.append(listed(running)["enabled"] == names)
        return said[-10:] == [True] * 10

    running.wait_until(settled, "both workers to know")
    on = [one["name"] for one in listed(running)["items"] if one["enabled"]]
    assert on[0] == "get_time" and {name.partition("__")[0] for name in on[1:]} == {"test"}
    assert running.admin("PUT", TOOLS_API, {"enabled": []}).json["enabled"] == []


@pytest.mark.parametrize(
    ("payload", "field", "told"),
    [
        ({}, "enabled", "should be a list of names"),
        ({"enabled": "get_time"}, "enabled", "should be a list of names"),
        ({"enabled": [1]}, "enabled", "should be a list of names"),
        ({"enabled": ["nothing"]}, "enabled", "there is no tool nothing"),
        ({"enabled": ["test_*", "x_*"]}, "enabled", "there is no tool x_*"),
        ({"enabled": ["get_time"] * 1001}, "enabled", "should have 1000 names at most"),
        ({"enabled": [], "on": 1}, "on", "is not a field here"),
    ],
)
def test_what_cannot_be_switched_on_is_named(
    running: Running, payload: Any, field: str, told: str
) -> None:
    wait_for_health(running)
    answer = running.admin("PUT", TOOLS_API, payload)
    assert answer.status == 422
    assert answer.error["fields"] == {field: told}
    assert listed(running)["enabled"] == []


def test_a_tool_is_tried_although_it_is_off(running: Running, site: Upstream) -> None:
    got = run(running, "calculate", expression="6 * 7")
    assert (got["text"], got["is_error"], got["size"], got["images"]) == ("42", False, 2, [])
    assert got["seconds"] >= 0
    assert run(running, "unit_convert", value=1, from_unit="mile", to_unit="km")["text"] == (
        "1.609344 km"
    )
    assert run(running, "json_query", json='{"a": [1]}', expression="a[0]")["text"] == "1"
    url = f"http://127.0.0.1:{site.port}/"
    assert run(running, "http_get", url=url)["text"].endswith("\n\nHello")
    assert run(running, "reach", url=url)["text"] == "5"
    assert run(running, "stock", article="B-2")["text"].startswith('{"article": "B-2"')
    assert run(running, "count-down", start=2)["text"] == "[2, 1, 0]"


def test_what_goes_wrong_is_a_result(running: Running) -> None:
    for name, arguments, told in (
        ("calculate", {}, "Wrong arguments: expression: Field required"),
        ("http_get", {"url": "http://10.0.0.1/"}, "It was not fetched: "),
        ("trouble", {"kind": "raise"}, "The tool failed: KeyError."),
        ("trouble", {"kind": "endless"}, "The tool did not end within 5 s."),
    ):
        got = run(running, name, **arguments)
        assert (got["text"][: len(told)], got["is_error"]) == (told, True)
    assert "secret-inside-0123456789" not in running.output


def test_mcp_tools_are_run(running: Running) -> None:
    wait_for_health(running)
    assert run(running, "test__add", a=40, b=2)["text"] == "42"
    big = run(running, "test__big", kb=20)
    assert big["text"].endswith(f"\n[cut: these are the first {8 << 10} of {20 << 10} bytes]")
    assert big["size"] == 20 << 10
    assert run(running, "test__fail")["is_error"]
    (image,) = run(running, "test__picture")["images"]
    assert image["media_type"] == "image/png"


def test_a_server_that_is_killed_and_comes_back(running: Running, serving: Serving) -> None:
    wait_for_health(running)
    serving.kill()
    got = run(running, "test__add", a=1, b=2)
    assert got["is_error"]
    assert got["text"] == "The tool's server cannot be reached, or broke off."
    # The worker that was asked looks again at once, the other one within a minute.
    running.wait_until(lambda: bool(server_of(running, "test")["error"]), "the failure to be seen")
    serving.start()
    assert run(running, "test__add", a=1, b=2)["text"] == "3"
    wait_for_health(running)


def test_what_is_no_tool_or_no_body(running: Running) -> None:
    assert running.admin("POST", f"{TOOLS_API}/nothing/run", {}).status == 404
    assert running.admin("POST", f"{TOOLS_API}/uuid/run", {"arguments": []}).status == 422
    assert running.admin("POST", f"{TOOLS_API}/uuid/run", {"args": {}}).status == 422
    assert running.admin("POST", f"{TOOLS_API}/uuid/run", []).status == 400
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    assert running.admin("POST", f"{TOOLS_API}/uuid/run", {"arguments": deep}).status == 422
    assert running.admin("POST", f"{TOOLS_API}/uuid/run").json["is_error"] is False


def test_nobody_comes_in_without_the_token(running: Running) -> None:
    for method, path in (("GET", ""), ("PUT", ""), ("POST", "/uuid/run")):
        assert running.call(method, f"/admin/api{TOOLS_API}{path}").status == 401


def test_no_library_of_a_tool_is_loaded_before_it_is_used(tmp_path: Path) -> None:
    """They would cost each worker memory, and its start time."""
    script = (
        "import sys, app; app.create_app(); from gateway.tools.table import TOOLS; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    environment = {**os.environ, "GATEWAY_DATA_DIR": str(tmp_path)}
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    loaded = set(made.stdout.decode().split())
    assert "gateway" in loaded
    assert not loaded & {"pint", "simpleeval", "jmespath", "inscriptis", "lxml", "tzdata"}
