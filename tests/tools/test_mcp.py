"""The client of MCP servers, against a real one made with the official package."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from gateway.config import Upstream as UpstreamSettings
from gateway.tools.mcp import McpClient
from gateway.tools.mcp_wire import McpFailure
from gateway.tools.remote import ToolServer
from gateway.upstream import Upstream
from tests.running import free_port
from tests.tools.mcp_server import PNG, TOOLS
from tests.tools.serving import Serving

KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "events": ((), "2026-07-28"),
    "json": (("--json",), "2026-07-28"),
    "sessions, events": (("--sessions",), "2025-11-25"),
    "sessions, json": (("--sessions", "--json"), "2025-11-25"),
    "sessionless": (("--sessions", "--sessionless"), "2025-11-25"),
}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(UpstreamSettings())
    yield upstream
    upstream.close()


@pytest.fixture(scope="module", params=KINDS)
def serving(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("mcp"), *KINDS[request.param][0]) as serving:
        yield serving


@pytest.fixture
def server(serving: Serving, upstream: Upstream) -> Iterator[ToolServer]:
    server = ToolServer(serving.settings(), upstream)
    server.refresh()
    assert server.health.error is None
    yield server
    server.close(5)


def run(server: ToolServer, tool: str, **arguments: Any) -> tuple[str, bool]:
    outcome = server.tools[f"test__{tool}"].run(arguments, 10)
    return outcome.text, outcome.is_error


def test_its_tools_are_listed_over_all_pages(server: ToolServer, serving: Serving) -> None:
    version = next(version for options, version in KINDS.values() if options == serving.options)
    assert server.version == version
    names = [one.name for one in TOOLS if one.name != "twice"]
    names[names.index("with.dots and blanks")] = "with_dots_and_blanks"
    assert list(server.tools) == [f"test__{name}" for name in names]
    definition = server.tools["test__add"].definition
    assert definition.description == "What add does."
    assert definition.schema == TOOLS[0].input_schema


def test_it_is_called(server: ToolServer) -> None:
    assert run(server, "add", a=2, b=3) == ("5", False)
    assert run(server, "with_dots_and_blanks") == ("with.dots and blanks was called", False)
    assert run(server, "fail") == ("It went wrong.", True)
    assert run(server, "structure") == ('{"answer": 42}', False)


def test_an_argument_that_goes_into_a_header(server: ToolServer) -> None:
    """The package's server refuses a call whose header is missing, or not as its argument."""
    for where in ("us-west1", "Zürich", " padded ", "=?base64?x?="):
        assert run(server, "region", where=where) == (f"in {where}", False)


def test_images_and_links(server: ToolServer) -> None:
    outcome = server.tools["test__picture"].run({}, 10)
    assert outcome.text == "Look:\nmore: http://more.example/"
    assert [(one.data, one.media_type) for one in outcome.images] == [(PNG, "image/png")]


def test_a_large_result(server: ToolServer) -> None:
    text, is_error = run(server, "big", kb=500)
    assert (len(text), is_error) == (500 * 1024, False)


def test_a_failure_of_the_server_is_one_of_the_tool(server: ToolServer) -> None:
    try:
        text, is_error = run(server, "broken")
    except Exception as error:
        text, is_error = str(error), True
    assert text and is_error


def test_many_at_once(server: ToolServer) -> None:
    jobs = [gevent.spawn(run, server, "add", a=number, b=1) for number in range(20)]
    gevent.joinall(jobs)
    assert [job.get() for job in jobs] == [(str(number + 1), False) for number in range(20)]


def test_a_call_that_is_given_up_ends_at_the_server(serving: Serving, server: ToolServer) -> None:
    before = serving.output.count("slow is given up")
    with pytest.raises(Exception, match="did not answer within"):
        server.tools["test__slow"].run({"seconds": 60}, 0.5)
    # Without events and sessions, the package's server cannot notice it.
    if serving.options not in (("--json",), ("--sessions", "--sessionless")):
        serving.wait_until(lambda: serving.output.count("slow is given up") > before)


def test_only_the_tools_that_are_allowed(serving: Serving, upstream: Upstream) -> None:
    server = ToolServer(serving.settings(allowed_tools=["add", "nothing"]), upstream)
    server.refresh()
    assert list(server.tools) == ["test__add"]
    server.close(5)


def test_a_wrong_key(serving: Serving, upstream: Upstream) -> None:
    server = ToolServer(serving.settings(headers={"X-Key": "another"}), upstream)
    server.refresh()
    assert server.health.error is not None and "401" in server.health.error
    assert "another" not in server.health.error
    assert server.tools == {}


def test_nobody_is_there(upstream: Upstream, tmp_path: Path) -> None:
    server = ToolServer(Serving(tmp_path).settings(url=f"http://127.0.0.1:{free_port()}"), upstream)
    server.refresh()
    assert server.health.error is not None and "refused" in server.health.error
    server.refresh_if_due()


@pytest.mark.parametrize("kind", KINDS)
def test_killed_in_the_middle_of_a_call_and_back_again(
    kind: str, upstream: Upstream, tmp_path: Path
) -> None:
    with Serving(tmp_path, *KINDS[kind][0]) as serving:
        client = McpClient(serving.settings(), upstream)
        assert len(client.tools(10)) == len(TOOLS) - 1
        job = gevent.spawn(client.call, "slow", {"seconds": 60}, 30)
        while "slow begins" not in serving.output:
            gevent.sleep(0.02)
        serving.kill()
        with pytest.raises(McpFailure):
            job.get(timeout=10)
        with pytest.raises(McpFailure, match="refused"):
            client.call("add", {"a": 1, "b": 1}, 10)
        serving.start()
        # The server knows the session no more: it begins anew.
        result = client.call("add", {"a": 1, "b": 1}, 10)
        assert result["content"][0]["text"] == "2"
        client.close(5)


def test_a_server_that_became_another_kind(upstream: Upstream, tmp_path: Path) -> None:
    with Serving(tmp_path) as serving:
        client = McpClient(serving.settings(), upstream)
        client.tools(10)
        for options, version in (KINDS["sessions, json"], KINDS["events"], KINDS["sessionless"]):
            serving.kill()
            serving.options = options
            serving.start()
            assert client.call("add", {"a": 1, "b": 1}, 10)["content"][0]["text"] == "2"
            assert client.version is not None
            assert version
        client.close(5)
