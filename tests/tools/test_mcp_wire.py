"""What a server may say that the official package's does not, or not on demand."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from gateway.config import McpServer
from gateway.config import Upstream as UpstreamSettings
from gateway.tools.mcp import McpClient
from gateway.tools.mcp_content import outcome_of
from gateway.tools.mcp_headers import encoded, header_paths, parameter_headers
from gateway.tools.mcp_wire import McpFailure
from gateway.tools.remote import ToolServer, name_of
from gateway.upstream import Upstream as WayOut
from tests.running import PATIENCE
from tests.upstream import Comment, Html, Json, Sse, Upstream, redirect

ADD = {"name": "add", "description": "Adds.", "inputSchema": {"type": "object"}}
DONE = {"content": [{"type": "text", "text": "done"}]}
Answers = dict[str, Callable[[Any], Any]]


def result(value: Any) -> Callable[[Any], Any]:
    return lambda received: Json({"jsonrpc": "2.0", "id": received.json["id"], "result": value})


def error(code: int, message: str, status: int = 200, **data: Any) -> Callable[[Any], Any]:
    told = {"code": code, "message": message, "data": data}
    return lambda received: Json(
        {"jsonrpc": "2.0", "id": received.json["id"], "error": told}, status=status
    )


def eventually(condition: Callable[[], bool]) -> None:
    """Lets the greenlets in the background work until it is so."""
    with gevent.Timeout(PATIENCE):
        while not condition():
            gevent.sleep(0.01)


def always(answer: Any) -> Callable[[Any], Any]:
    return lambda received: answer


def stateless(**answers: Callable[[Any], Any]) -> Answers:
    return {
        "server/discover": result({"supportedVersions": ["2026-07-28"], "capabilities": {}}),
        "tools/list": result({"tools": [ADD]}),
        "tools/call": result(DONE),
        **{name.replace("_", "/"): answer for name, answer in answers.items()},
    }


def with_sessions(**answers: Callable[[Any], Any]) -> Answers:
    def begun(received: Any) -> Any:
        version = {"protocolVersion": "2025-06-18", "capabilities": {}}
        return result(version)(received).but(headers={"mcp-session-id": "s-1"})

    return {
        "server/discover": always(Json(b"", status=400)),
        "initialize": begun,
        "notifications/initialized": always(Json(b"", status=202)),
        "notifications/cancelled": always(Json(b"", status=202)),
        "tools/list": result({"tools": [ADD]}),
        "tools/call": result(DONE),
        **{name.replace("_", "/"): answer for name, answer in answers.items()},
    }


@pytest.fixture
def site() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def way_out() -> Iterator[WayOut]:
    way_out = WayOut(UpstreamSettings(connect_timeout=2))
    yield way_out
    way_out.close()


Make = Callable[[Answers], McpClient]


@pytest.fixture
def client(site: Upstream, way_out: WayOut) -> Make:
    def make(answers: Answers) -> McpClient:
        def answer(received: Any) -> Any:
            if received.method != "POST":
                return answers[received.method](received)
            return answers[received.json.get("method", "answer")](received)

        site.always(answer)
        settings = {"name": "test", "url": f"http://127.0.0.1:{site.port}/mcp?a=b"}
        return McpClient(McpServer.model_validate(settings), way_out)

    return make


def called(client: McpClient, seconds: float = 5) -> str:
    return outcome_of(client.call("add", {}, seconds)).text


def methods(site: Upstream) -> list[str]:
    return [one.json.get("method", "answer") if one.body else one.method for one in site.requests]


# How it begins.


def test_what_a_server_without_sessions_is_sent(site: Upstream, client: Make) -> None:
    assert called(client(stateless())) == "done"
    discover, call = site.requests
    assert (call.method, call.path, call.query) == ("POST", "/mcp", "a=b")
    assert call.headers["mcp-protocol-version"] == "2026-07-28"
    assert (call.headers["mcp-method"], call.headers["mcp-name"]) == ("tools/call", "add")
    assert call.headers["accept"] == "application/json, text/event-stream"
    assert "mcp-session-id" not in call.headers
    meta = call.json["params"].pop("_meta")
    assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert meta["io.modelcontextprotocol/clientCapabilities"] == {}
    assert call.json["params"] == {"name": "add", "arguments": {}}
    assert discover.json["id"] != call.json["id"]


@pytest.mark.parametrize(
    "answer",
    [
        always(Json(b"", status=400)),
        always(Json(b"", status=404)),
        always(Html("no", status=405)),
        error(-32601, "Method not found"),
        error(-32600, "Bad Request: no valid session", status=400),
        error(-32022, "Unsupported", status=400, supported=["2025-11-25"]),
        result({"supportedVersions": ["2025-11-25"]}),
    ],
)
def test_a_server_of_the_older_kind_is_initialized(
    site: Upstream, client: Make, answer: Any
) -> None:
    asking = client({**with_sessions(), "server/discover": answer})
    assert called(asking) == "done"
    assert asking.version == "2025-06-18"
    begun = ["server/discover", "initialize", "notifications/initialized", "tools/call"]
    assert methods(site) == begun
    _, initialize, _, call = site.requests
    assert initialize.json["params"]["protocolVersion"] == "2025-11-25"
    assert "mcp-session-id" not in initialize.headers
    assert call.headers["mcp-session-id"] == "s-1"
    assert call.headers["mcp-protocol-version"] == "2025-06-18"
    assert "_meta" not in call.json["params"]
    assert called(asking) == "done"
    assert methods(site) == [*begun, "tools/call"]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"server/discover": always(Json(b"", status=401))}, "other credentials"),
        ({"server/discover": always(Json(b"", status=403))}, "does not let the gateway in"),
        ({"server/discover": always(Json(b"", status=503))}, "status 503"),
        ({"server/discover": always(redirect("/other"))}, "it redirects"),
        ({"server/discover": error(-32022, "x", 400, supported=["2030-01-01"])}, "no revision"),
        ({"initialize": result({"protocolVersion": "2030-01-01"})}, "no revision"),
        ({"initialize": always(Json(b"", status=404))}, "nothing at its address"),
        ({"initialize": error(-32000, "not today")}, "not today"),
        ({"notifications/initialized": always(Json(b"", status=500))}, "status 500"),
        ({"tools/call": always(Html("no"))}, "text/html"),
        ({"tools/call": always(Json(b"nonsense"))}, "no JSON-RPC"),
        ({"tools/call": always(Json({"jsonrpc": "2.0", "id": -1, "result": {}}))}, "no JSON-RPC"),
        ({"tools/call": always(Json(b"", status=202))}, "status 202"),
        ({"tools/call": result([])}, "no object"),
        ({"tools/call": error(-32602, "Unknown tool")}, "Unknown tool"),
        ({"tools/call": error(-32603, "inside", status=500)}, "inside"),
        ({"tools/call": always(Json(b"x" * (17 << 20)))}, "over 16 MB"),
        ({"tools/call": always(Sse(["x" * (17 << 20)], done=False))}, "over 16 MB"),
        ({"tools/call": always(Sse([Comment()], done=False))}, "ended its answer"),
        ({"tools/call": always(Sse(["[]", "{}", "{"], done=False))}, "ended its answer"),
        ({"tools/call": always(Json({}).but(close=0.5))}, "broke off its answer"),
    ],
)
def test_what_goes_wrong_is_told(client: Make, answers: Answers, told: str) -> None:
    with pytest.raises(McpFailure, match=told):
        client({**with_sessions(), **answers}).call("add", {}, 5)


# The list.


def test_a_list_without_end(site: Upstream, client: Make) -> None:
    asking = client(stateless(tools_list=result({"tools": [ADD], "nextCursor": "again"})))
    with pytest.raises(McpFailure, match="over 100 pages"):
        asking.tools(5)
    assert len(site.requests) == 101
    assert site.requests[-1].json["params"]["cursor"] == "again"


def test_what_no_model_can_be_shown_is_left_out(client: Make) -> None:
    odd = [None, "add", {}, {"name": ""}, {"name": "a"}, {"name": "a", "inputSchema": []}]
    listed = [*odd, {"name": "b", "title": "B", "inputSchema": {}}, ADD]
    tools = client(stateless(tools_list=result({"tools": listed}))).tools(5)
    assert [(one.name, one.description) for one in tools] == [("b", "B"), ("add", "Adds.")]


def test_a_list_that_is_none(client: Make) -> None:
    with pytest.raises(McpFailure, match="its list of tools is none"):
        client(stateless(tools_list=result({"tools": "add"}))).tools(5)


def test_a_failure_leaves_the_tools_and_is_mended_soon(site: Upstream, way_out: WayOut) -> None:
    answers = stateless()
    site.always(lambda received: answers[received.json["method"]](received))
    settings = {"name": "test", "url": f"http://127.0.0.1:{site.port}/"}
    server = ToolServer(McpServer.model_validate(settings), way_out)
    server.refresh_if_due()
    assert (list(server.tools), server.health.error) == (["test__add"], None)
    answers["tools/list"] = always(Json(b"", status=500))
    server.refresh()
    assert (list(server.tools), server.health.error) == (
        ["test__add"],
        "it answers with status 500",
    )
    answers["tools/list"] = result({"tools": [{**ADD, "name": "new"}]})
    while server.health.error:
        server.refresh_if_due()
        gevent.sleep(0.05)
    assert list(server.tools) == ["test__new"]
    before = len(site.requests)
    server.refresh_if_due()
    assert len(site.requests) == before


# The session.


@pytest.mark.parametrize(
    "lost",
    [
        Json(b"", status=404),
        Json(
            {"jsonrpc": "2.0", "error": {"code": -32001, "message": "Session not found"}},
            status=404,
        ),
        Html("Bad Request: No valid session ID provided", status=400),
    ],
)
def test_a_session_that_was_forgotten_begins_anew(site: Upstream, client: Make, lost: Any) -> None:
    calls: list[Any] = []

    def forgetful(received: Any) -> Any:
        calls.append(received)
        return lost if len(calls) == 2 else result(DONE)(received)

    asking = client({**with_sessions(), "tools/call": forgetful})
    assert [called(asking), called(asking)] == ["done", "done"]
    assert methods(site).count("initialize") == 2
    assert len(calls) == 3


def test_a_server_that_forgets_every_session(site: Upstream, client: Make) -> None:
    asking = client({**with_sessions(), "tools/call": always(Json(b"", status=404))})
    with pytest.raises(McpFailure, match="404"):
        asking.call("add", {}, 5)
    assert methods(site).count("tools/call") == 2


def test_a_session_is_ended(site: Upstream, client: Make) -> None:
    asking = client({**with_sessions(), "DELETE": always(Json(b"", status=405))})
    asking.close(5)
    assert site.requests == []
    called(asking)
    asking.close(5)
    asking.close(5)
    assert methods(site)[-1] == "DELETE"
    assert methods(site).count("DELETE") == 1
    assert site.requests[-1].headers["mcp-session-id"] == "s-1"


# Events.


def reply(received: Any, value: Any = DONE) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": received.json["id"], "result": value}


@pytest.mark.parametrize("chop", ["bytes", "events", "whole"])
def test_news_and_questions_before_the_answer(site: Upstream, client: Make, chop: Any) -> None:
    def answer(received: Any) -> Any:
        events: list[Any] = [
            Comment(),
            {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}},
            {"jsonrpc": "2.0", "id": 7, "method": "ping"},
            {"jsonrpc": "2.0", "id": "x", "method": "sampling/createMessage", "params": {}},
            {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"},
            {"jsonrpc": "2.0", "id": -5, "result": {}},
            reply(received),
            reply(received, {"content": []}),
        ]
        return Sse(events, done=False, newline="\r\n", bom=True).but(chop=chop)

    asking = client({**with_sessions(tools_call=answer), "answer": always(Json(b"", status=202))})
    assert called(asking) == "done"
    assert asking.changed

    def answers() -> list[Any]:
        return [one.json for one in site.requests if "method" not in one.json]

    eventually(lambda: len(answers()) >= 2)
    assert sorted(map(str, answers())) == sorted(
        map(
            str,
            [
                {"jsonrpc": "2.0", "id": 7, "result": {}},
                {
                    "jsonrpc": "2.0",
                    "id": "x",
                    "error": {"code": -32601, "message": "The gateway does not do this"},
                },
            ],
        )
    )
    asking.tools(5)
    assert not asking.changed


@pytest.mark.parametrize("ending", [{}, {"close": "before-end"}])
def test_a_stream_that_a_server_closed_is_taken_up_again(
    site: Upstream, client: Make, ending: dict[str, Any]
) -> None:
    asked: list[Any] = []

    def begun(received: Any) -> Any:
        asked.append(received)
        return Sse([b"id: e-1\nretry: 10\ndata: \n\n"], done=False).but(**ending)

    def resumed(received: Any) -> Any:
        seen.append(received.headers["last-event-id"])
        if len(seen) == 1:
            return Sse([b"id: e-2\ndata: {}\n\n"], done=False)
        return Sse([reply(asked[0])], done=False)

    seen: list[str] = []
    asking = client({**with_sessions(tools_call=begun), "GET": resumed})
    assert called(asking) == "done"
    assert seen == ["e-1", "e-2"]
    assert len(asked) == 1
    assert site.requests[-1].headers["mcp-session-id"] == "s-1"


def test_without_sessions_a_broken_stream_is_a_failure(site: Upstream, client: Make) -> None:
    asking = client(stateless(tools_call=always(Sse([b"id: e-1\ndata: {}\n\n"], done=False))))
    with pytest.raises(McpFailure, match="ended its answer"):
        asking.call("add", {}, 5)
    assert methods(site).count("tools/call") == 1


@pytest.mark.parametrize("sessions", [True, False])
@pytest.mark.parametrize("how", [{"hang": "before-head"}, {"hang": [0.5]}])
def test_what_takes_too_long_is_given_up_and_cancelled(
    site: Upstream, client: Make, sessions: bool, how: dict[str, Any]
) -> None:
    slow = always(Sse([{"a": 1}], done=False).but(**how))
    asking = client(with_sessions(tools_call=slow) if sessions else stateless(tools_call=slow))
    with pytest.raises(McpFailure, match="did not answer within 0.3 s"):
        asking.call("add", {}, 0.3)

    def sent(method: str) -> list[Any]:
        return [one for one in site.requests if one.json["method"] == method]

    eventually(lambda: bool(sent("tools/call")))
    (call,) = sent("tools/call")
    assert call.hung_up.wait(PATIENCE)
    eventually(lambda: len(sent("notifications/cancelled")) >= sessions)
    cancelled = sent("notifications/cancelled")
    assert [one.json["params"]["requestId"] for one in cancelled] == [call.json["id"]] * sessions


def test_a_call_is_never_sent_twice(site: Upstream, client: Make) -> None:
    """Not even where the connection of an earlier one had been kept."""
    answers = stateless()
    asking = client(answers)
    asking.tools(5)
    answers["tools/call"] = always(Json({}).but(close="before-head"))
    with pytest.raises(McpFailure):
        asking.call("add", {}, 5)
    assert methods(site).count("tools/call") == 1


def test_missing_headers_are_looked_up_and_sent(site: Upstream, client: Make) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "A"}}}

    def strict(received: Any) -> Any:
        if received.headers.get("mcp-param-a") == "b":
            return result(DONE)(received)
        return error(-32020, "Header mismatch", status=400)(received)

    listed = result({"tools": [{**ADD, "inputSchema": schema}]})
    asking = client(stateless(tools_list=listed, tools_call=strict))
    assert outcome_of(asking.call("add", {"a": "b"}, 5)).text == "done"
    assert methods(site) == ["server/discover", "tools/call", "tools/list", "tools/call"]


# Without a wire.


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ({}, {}),
        ({"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}, {("a",): "A"}),
        (
            {"properties": {"o": {"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}}}},
            {("o", "n"): "N"},
        ),
        ({"properties": {"x-mcp-header": {"type": "string"}}}, {}),
        ({"properties": {"a": {"type": "string", "default": {"x-mcp-header": "A"}}}}, {}),
    ],
)
def test_where_headers_come_from(schema: dict[str, Any], paths: dict[Any, str]) -> None:
    assert header_paths(schema) == paths


@pytest.mark.parametrize(
    "schema",
    [
        {"x-mcp-header": "A"},
        {"properties": {"a": {"type": "string", "x-mcp-header": ""}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A B"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": "A\r\nB: c"}}},
        {"properties": {"a": {"type": "string", "x-mcp-header": 1}}},
        {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
        {"properties": {"a": {"type": "object", "x-mcp-header": "A"}}},
        {"properties": {"a": {"x-mcp-header": "A"}}},
        {"properties": {"a": {"items": {"type": "string", "x-mcp-header": "A"}}}},
        {"anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]},
        {"$defs": {"d": {"type": "string", "x-mcp-header": "A"}}},
    ],
)
def test_where_headers_may_not_come_from(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="x-mcp-header"):
        header_paths(schema)


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("us-west1", "us-west1"),
        ("a b", "a b"),
        ("", ""),
        (42, "42"),
        (True, "true"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ],
)
def test_values_as_headers_bear_them(value: Any, header: str) -> None:
    """The table of the specification, and some more."""
    assert encoded(value) == header
    assert parameter_headers({("a", "b"): "X"}, {"a": {"b": value}}) == {"Mcp-Param-X": header}


def test_values_that_are_not_there_make_no_header() -> None:
    for arguments in ({}, {"a": None}, {"a": "text"}, {"a": {"b": None}}, {"a": {"b": [1]}}):
        assert parameter_headers({("a", "b"): "X"}, arguments) == {}


@pytest.mark.parametrize(
    ("given", "text", "is_error"),
    [
        ({}, "", False),
        ({"content": "odd"}, "", False),
        (
            {"content": [1, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            "a\nb",
            False,
        ),
        ({"content": [], "structuredContent": [1]}, "[1]", False),
        ({"content": [], "structuredContent": None}, "null", False),
        ({"content": [{"type": "text", "text": "a"}], "structuredContent": {}}, "a", False),
        ({"isError": True, "content": [{"type": "text", "text": "a"}]}, "a", True),
        ({"isError": "yes"}, "", False),
        (
            {"content": [{"type": "audio", "data": "AA==", "mimeType": "audio/wav"}]},
            "[audio that",
            False,
        ),
        (
            {"content": [{"type": "image", "data": "*", "mimeType": "image/png"}]},
            "[image that",
            False,
        ),
        ({"content": [{"type": "resource", "resource": {"uri": "u", "text": "t"}}]}, "t", False),
        (
            {"content": [{"type": "resource", "resource": {"uri": "u", "blob": "AA=="}}]},
            "[a file",
            False,
        ),
        ({"resultType": "input_required", "inputRequests": {}}, "The tool asks for a person", True),
    ],
)
def test_results_as_a_model_is_told_them(given: dict[str, Any], text: str, is_error: bool) -> None:
    outcome = outcome_of(given)
    assert outcome.text.startswith(text) and bool(outcome.text) == bool(text)
    assert (outcome.is_error, outcome.images) == (is_error, ())


def test_names_that_all_vendors_bear() -> None:
    taken: dict[str, None] = {}
    for tool in ("add", "add.up", "add up", "x" * 200, "x" * 201, "ü"):
        name = name_of("server", tool, taken)
        assert name.startswith("server__") and len(name) <= 64 and name not in taken
        assert name.replace("_", "a").isascii() and name.replace("_", "a").isalnum()
        taken[name] = None
    assert list(taken)[:2] == ["server__add", "server__add_up"]


# Answers that are made to break who reads them.


def raw(text: str) -> Callable[[Any], Any]:
    """A result that no honest writer of JSON would write."""
    return lambda received: Json(
        f'{{"jsonrpc": "2.0", "id": {received.json["id"]}, "result": {text}}}'.encode()
    )


def nested(levels: int) -> str:
    return '{"properties":{"a":' * levels + "{}" + "}}" * levels


def taking(levels: int) -> Callable[[Any], Any]:
    schemas = {"add": '{"type": "object"}', "deep": nested(levels)}
    tools = [f'{{"name": "{name}", "inputSchema": {one}}}' for name, one in schemas.items()]
    return raw(f'{{"tools": [{", ".join(tools)}]}}')


@pytest.mark.parametrize("levels", [60, 124, 250, 400])
def test_a_schema_too_deep_to_be_written_costs_its_own_tool_alone(
    site: Upstream, way_out: WayOut, levels: int
) -> None:
    server = served(site, way_out, stateless(tools_list=taking(levels)))
    server.refresh()
    assert (list(server.tools), server.health.error) == (["test__add"], None)


def test_a_list_that_goes_on_nowhere_is_a_failure(site: Upstream, way_out: WayOut) -> None:
    endless = raw(f'{{"tools": [], "nextCursor": {nested(200)}}}')
    server = served(site, way_out, stateless(tools_list=endless))
    server.refresh()
    assert server.state == "failing" and "place without a name" in str(server.health.error)


def test_a_pause_of_thousands_of_digits_is_a_long_one(client: Make) -> None:
    pause = Sse([b"id: 1\nretry: " + b"9" * 5000 + b"\n\n"])
    with pytest.raises(McpFailure, match="did not answer within 0.3 s"):
        client(with_sessions(tools_list=always(pause), GET=always(pause))).tools(0.3)


def test_a_question_with_an_id_that_is_none_is_not_answered(
    site: Upstream, way_out: WayOut
) -> None:
    def listed(received: Any) -> Any:
        asked = f'{{"id": {nested(200)}, "method": "ping"}}'
        end = f'{{"id": {received.json["id"]}, "result": {{"tools": []}}}}'
        return Sse([f"data: {one}\n\n".encode() for one in (asked, end)])

    server = served(site, way_out, stateless(tools_list=listed))
    server.refresh()
    assert server.state == "connected"


def served(site: Upstream, way_out: WayOut, answers: Answers) -> ToolServer:
    def answer(received: Any) -> Any:
        name = received.json.get("method", "answer") if received.body else received.method
        return answers[name](received)

    site.always(answer)
    settings = {"name": "test", "url": f"http://127.0.0.1:{site.port}/"}
    return ToolServer(McpServer.model_validate(settings), way_out)
