"""The toolbox: which tools there are and are on, and that no run of one raises."""

from pathlib import Path
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from gateway.config import ROOT, Fetch, McpServer, Tools
from gateway.config import Upstream as UpstreamSettings
from gateway.errors import Unavailable
from gateway.fetcher import Fetcher
from gateway.tools.modules import load
from gateway.tools.remote import ToolServer
from gateway.tools.result import Outcome, capped
from gateway.tools.table import TOOLS
from gateway.tools.toolbox import Toolbox
from gateway.upstream import Upstream
from tests.upstream import Upstream as Scripted
from tests.upstream import failure

OWN = "tests/tools/own_tools.py"
DOCUMENT = (ROOT / "docs" / "tools.md").read_text()


def toolbox(stored: list[str] | None = None, **fields: Any) -> Toolbox:
    upstream = Upstream(UpstreamSettings())
    settings = Tools.model_validate({"timeout": 5, **fields})
    return Toolbox(settings, Fetcher(Fetch()), upstream, lambda: stored)


class Administrators:
    """What they have switched on, unless the database is away."""

    def __init__(self, *names: str) -> None:
        self.names = [*names]
        self.away = False

    def stored(self) -> list[str]:
        if self.away:
            raise Unavailable("The database is away.")
        return self.names

    def added(self) -> list[McpServer]:
        self.stored()
        return []

    def toolbox(self) -> Toolbox:
        upstream = Upstream(UpstreamSettings())
        return Toolbox(Tools(), Fetcher(Fetch()), upstream, self.stored, self.added)


# Which.


def test_nothing_is_on_by_itself() -> None:
    box = toolbox()
    assert list(box.tools()) == [function.__name__ for function in TOOLS]
    assert (box.enabled(), box.chosen(["*"]), box.chosen([])) == ((), [], [])


@pytest.mark.parametrize(
    ("configured", "stored", "wanted", "chosen"),
    [
        (["get_time"], None, ["*"], ["get_time"]),
        (["get_time"], [], ["*"], []),
        (["get_time"], ["uuid"], ["*"], ["uuid"]),
        ([], ["uuid", "get_time"], ["get_time", "uuid", "calculate"], ["get_time", "uuid"]),
        ([], ["*"], ["get_time", "nothing"], ["get_time"]),
        ([], ["get_*"], ["*"], ["get_time", "get_date"]),
        ([], ["*"], ["get_*"], ["get_time", "get_date"]),
        ([], ["uuid"], [], []),
    ],
)
def test_a_client_has_those_of_its_own_that_are_on(
    configured: list[str], stored: list[str] | None, wanted: list[str], chosen: list[str]
) -> None:
    assert toolbox(stored, enabled=configured).chosen(wanted) == chosen


def test_definitions_are_those_of_the_names_that_there_are() -> None:
    definitions = toolbox().definitions(["uuid", "nothing", "get_time"])
    assert [one.name for one in definitions] == ["uuid", "get_time"]


def test_while_nobody_can_say_what_is_on_the_known_tools_stay() -> None:
    administrators = Administrators("uuid")
    box = administrators.toolbox()
    assert box.chosen(["*"]) == ["uuid"]
    administrators.away, administrators.names = True, ["get_time"]
    box.forget()
    assert box.chosen(["*"]) == ["uuid"]
    administrators.away = False
    box.look_again()
    assert box.chosen(["*"]) == ["get_time"]


def test_what_was_never_known_cannot_be_said() -> None:
    administrators = Administrators("uuid")
    administrators.away = True
    box = administrators.toolbox()
    assert box.chosen([]) == []
    with pytest.raises(Unavailable):
        box.chosen(["*"])
    administrators.away = False
    assert box.chosen(["*"]) == ["uuid"]


def test_what_is_on_is_known_before_anybody_asks() -> None:
    administrators = Administrators("uuid")
    box = administrators.toolbox()
    watch = gevent.spawn(box.watch)
    gevent.sleep(0)
    administrators.away = True
    assert box.chosen(["*"]) == ["uuid"]
    watch.kill()


def test_what_is_switched_on_counts_once_it_is_forgotten() -> None:
    stored: list[str] = []
    box = toolbox(stored)
    assert box.enabled() == ()
    stored.append("uuid")
    assert box.enabled() == ()
    box.forget()
    assert box.enabled() == ("uuid",)


# How one is run.


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("calculate", '{"expression": "6 * 7"}', "42"),
        (
            "hash_text",
            '{"text": ""}',
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        ("random_number", '{"low": "3", "high": 3}', "3"),
    ],
)
def test_a_run(name: str, arguments: str, text: str) -> None:
    run = toolbox().run(name, arguments)
    assert (run.text, run.is_error, run.size) == (text, False, len(text))
    assert run.seconds >= 0


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("nothing", "{}", "There is no tool 'nothing'."),
        ("x" * 500, "{}", "There is no tool"),
        ("uuid", "{", "The arguments are not JSON"),
        ("uuid", "[]", "The arguments are not a JSON object."),
        ("uuid", '"{}"', "The arguments are not a JSON object."),
        ("uuid", "null", "The arguments are not a JSON object."),
        ("uuid", '{"a": 1}', "Wrong arguments: a: there is no such argument"),
        ("calculate", "", "Wrong arguments: expression: Field required"),
        ("calculate", '{"expression": null}', "Wrong arguments: expression:"),
        ("calculate", "[" * 100_000, "The arguments are not JSON"),
        ("calculate", '{"expression": "\ud800"}', "The arguments are not JSON"),
        ("trouble", '{"kind": "raise"}', "The tool failed: KeyError."),
        ("trouble", '{"kind": "no json"}', "The tool gave a result that is no JSON."),
        ("trouble", '{"kind": "loop"}', "The tool gave a result that is no JSON."),
        ("stock", '{"article": "C-3"}', "There is no article C-3."),
    ],
)
def test_what_goes_wrong_is_the_result(name: str, arguments: str, told: str) -> None:
    run = toolbox(modules=[OWN]).run(name, arguments)
    assert run.text.startswith(told)
    assert run.is_error
    assert "secret" not in run.text


@settings_of_hypothesis(deadline=None)
@given(
    st.sampled_from(["calculate", "uuid", "base64", "random_number", "get_time", "no"]), st.text()
)
def test_no_run_raises(name: str, arguments: str) -> None:
    assert toolbox().run(name, arguments).text


def test_no_arguments_at_all_are_none() -> None:
    assert not toolbox().run("uuid", "").is_error
    assert not toolbox().run("uuid", " \n").is_error


def test_what_cannot_be_written_is_replaced() -> None:
    run = toolbox(modules=[OWN]).run("trouble", '{"kind": "surrogate"}')
    assert (run.text, run.is_error) == ("?", False)


def test_a_tool_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    # As under gunicorn, where gevent has patched the standard library.
    monkeypatch.setattr("time.sleep", gevent.sleep)
    run = toolbox(modules=[OWN]).run("trouble", '{"kind": "endless"}', timeout=0.1)
    assert (run.text, run.is_error) == ("The tool did not end within 0.1 s.", True)


@pytest.mark.parametrize("most", [1, 10, 11, 12, 1000])
def test_a_long_result_is_cut(most: int) -> None:
    run = capped(Outcome("grün " * 100), 0, most)
    kept, _, told = run.text.partition("\n[cut: ")
    assert ("grün " * 100).startswith(kept)
    assert most - 4 < len(kept.encode()) <= most or not told
    assert run.size == 600
    assert bool(told) == (most < 600)


def test_the_cap_is_a_setting() -> None:
    box = toolbox(max_result_kb=1)
    run = box.run("base64", '{"text": "' + "x" * 3000 + '"}')
    assert run.text.endswith("\n[cut: these are the first 1024 of 4000 bytes]")
    assert (len(run.text.partition("\n")[0]), run.size, run.is_error) == (1024, 4000, False)


def test_many_calls_are_answered_in_their_order_in_bounded_time() -> None:
    box = toolbox(max_parallel=3)
    calls = [("calculate", f'{{"expression": "{number} + 1"}}') for number in range(100)]
    assert [run.text for run in box.run_all(calls)] == [str(number + 1) for number in range(100)]
    assert box.run_all([]) == []


def test_calls_whose_turn_does_not_come_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", gevent.sleep)
    box = toolbox(max_parallel=2, timeout=0.3, modules=[OWN])
    runs = box.run_all([("trouble", '{"kind": "endless"}')] * 50)
    assert {run.text[:24] for run in runs} == {
        "The tool did not end wit",
        "It was not run: the othe",
    }
    assert all(run.is_error for run in runs)


# An operator's own.


def test_own_tools_are_added() -> None:
    box = toolbox(modules=[OWN])
    own = [name for name, tool in box.tools().items() if tool.source == OWN]
    assert own == ["stock", "count-down", "reach", "trouble"]
    stock, count = box.definitions(["stock", "count-down"])
    assert stock.description == "How many pieces of an article are in a store."
    assert stock.schema == {
        "type": "object",
        "properties": {
            "article": {"type": "string", "description": "its number, such as A-1"},
            "store": {
                "type": "string",
                "enum": ["north", "south"],
                "default": "north",
                "description": "which of the stores",
            },
        },
        "required": ["article"],
    }
    assert count.schema is not None
    assert count.schema["properties"]["start"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 9,
        "description": "where to begin, at most 9",
    }
    assert box.run("stock", '{"article": "A-1"}').text == (
        '{"article": "A-1", "pieces": 3, "store": "north"}'
    )
    assert box.run("count-down", '{"start": 3}').text == "[3, 2, 1, 0]"
    assert box.run("count-down", '{"start": 10}').is_error
    inside = box.run("reach", '{"url": "http://10.0.0.1/"}')
    assert inside.text.startswith("It was not fetched: its host is unknown, or its address")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("@tool\ndef f(a): 'x'", "TypeError: f: a has no type"),
        ("@tool\ndef f(*a: int): 'x'", "TypeError: f: *a: int is not an argument"),
        ("@tool\ndef f(a: int): pass", "TypeError: f has no docstring"),
        ("@tool(name='a b')\ndef f(): 'x'", "TypeError: 'a b' is no name for a tool"),
        ("@tool\ndef f(a: Unknown): 'x'", "NameError"),
    ],
)
def test_a_file_that_fails_is_done_without(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(f"from gateway.tools import tool\n\n{text}\n")
    module = load(str(file), Fetcher(Fetch()))
    assert module.tools == ()
    assert module.error is not None and module.error.startswith(told)
    assert len(toolbox(modules=[str(file)]).tools()) == len(TOOLS)


def test_a_name_that_is_taken_stays_with_its_first(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("from gateway.tools import tool\n\n@tool\ndef uuid() -> str:\n    'x'\n")
    assert toolbox(modules=[str(file)]).tools()["uuid"].source == "built-in"


# The document.


def test_the_document_names_every_tool_and_argument() -> None:
    rows = {line for line in DOCUMENT.splitlines() if line.startswith("| `")}
    for tool in toolbox().tools().values():
        (row,) = (row for row in rows if f"`{tool.name}`" in row.split("|")[1])
        assert tool.definition.schema is not None
        assert all(f"`{name}`" in row for name in tool.definition.schema["properties"])


def test_the_example_of_the_document_works(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(DOCUMENT.partition("```python\n")[2].partition("```")[0])
    box = toolbox(modules=[str(file)])
    assert box.run("stock", '{"article": "B-2", "store": "south"}').text == (
        '{"article": "B-2", "pieces": 0, "store": "south"}'
    )


# Servers that administrators add.


def server(name: str = "wiki", **fields: Any) -> McpServer:
    return McpServer.model_validate({"name": name, "url": "http://127.0.0.1:9/mcp", **fields})


def with_added(added: list[McpServer], **fields: Any) -> Toolbox:
    settings = Tools.model_validate(fields)
    upstream = Upstream(UpstreamSettings())
    return Toolbox(settings, Fetcher(Fetch()), upstream, lambda: None, lambda: list(added))


def test_servers_that_are_added_come_and_go_once_they_are_forgotten() -> None:
    added = [server("a"), server("b")]
    box = with_added(added, mcp_servers=[server("file")])
    box.renew()
    first = box.servers
    assert [one.name for one in first] == ["file", "a", "b"]
    added[:] = [server("a"), server("b", allowed_tools=["x"])]
    box.renew()
    assert box.servers is first  # nobody has said that there are others
    box.forget()
    box.renew()
    assert [one.name for one in box.servers] == ["file", "a", "b"]
    assert box.servers[:2] == first[:2] and box.servers[2] is not first[2]
    added.clear()
    box.look_again()
    assert box.servers == [first[0]]


def test_a_name_of_the_file_counts_before_one_that_was_added() -> None:
    box = with_added([server("Wiki")], mcp_servers=[server("wiki")])
    box.renew()
    assert [one.name for one in box.servers] == ["wiki"]


def test_while_nobody_can_say_which_were_added_the_known_ones_stay() -> None:
    added: list[McpServer] = [server("a")]
    box = with_added(added)
    box.renew()

    def away() -> list[McpServer]:
        raise Unavailable("The database is away.")

    box._added = away
    box.forget()
    with pytest.raises(Unavailable):
        box.renew()
    assert [one.name for one in box.servers] == ["a"]
    box._added = lambda: [server("a"), server("b")]
    box.renew()  # it is still to be done
    assert [one.name for one in box.servers] == ["a", "b"]


def test_its_standing_tells_when_something_is_otherwise() -> None:
    box = with_added([server("a")])
    box.renew()
    before = box.standing()
    assert box.standing() == before
    box.servers[0].refresh()
    assert box.standing() != before


def test_a_server_that_repeats_its_key_is_told_without_it() -> None:
    with Scripted() as upstream:
        upstream.always(failure(403, "no: key=top-secret-1 header top-secret-2"))
        settings = server(
            url=f"{upstream.origin}/mcp?key=top-secret-1",
            headers={"Authorization": "Bearer top-secret-2"},
        )
        one = ToolServer(settings, Upstream(UpstreamSettings()))
        one.refresh()
    assert one.state == "failing"
    assert one.health.error is not None and "***" in one.health.error
    assert "top-secret" not in one.health.error
