"""The pages of tools, by HTTP and as a person sees them, with real MCP servers."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import event

from gateway import conversation
from gateway.blueprints.admin.tool_form import PREFIX
from gateway.context import Gateway
from gateway.store import admins
from gateway.store.client_book import ClientBook
from gateway.tools.result import Outcome
from tests.blueprints.browser import Browser
from tests.blueprints.person import Person
from tests.blueprints.visitor import WITH_PASSWORD
from tests.running import PATIENCE, Running
from tests.tools.serving import Serving

OWN = "tests/tools/own_tools.py"
OTHER = "another password"
SECRET = "hunter2-hunter2"
TOOLS = "/admin/tools"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("mcp"), "--sessions") as serving:
        yield serving


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {
        "demo": {"tokens_per_second": 0},
        "admin": {"sign_in_per_minute": 1000},
        "tools": {
            "timeout": 5,
            "modules": [OWN],
            "mcp_servers": [{"name": "away", "url": f"http://127.0.0.1:9/mcp?key={SECRET}"}],
        },
    }
    folder = tmp_path_factory.mktemp("tools")
    with Running(folder, settings, workers=2, environment=WITH_PASSWORD) as gateway:
        yield gateway


def servers(gateway: Running) -> dict[str, dict[str, Any]]:
    answer = gateway.admin("GET", "/tools/mcp-servers")
    assert answer.status == 200
    return {one["name"]: one for one in answer.json["items"]}


def wait_for(gateway: Running, condition: Any, what: str) -> None:
    """Both workers have answered when it was so ten times."""
    said: list[bool] = []

    def settled() -> bool:
        said.append(bool(condition()))
        return said[-10:] == [True] * 10

    gateway.wait_until(settled, what)


# The API.


def test_a_server_is_added_changed_and_removed_in_all_workers(
    gateway: Running, serving: Serving
) -> None:
    path = "/tools/mcp-servers"
    answer = gateway.admin("POST", path, serving.written(name="api", allowed_tools=["add"]))
    assert answer.status == 201
    assert (answer.json["source"], answer.json["headers"]) == ("admin", ["X-Key"])
    assert "the-key" not in answer.body.decode()
    wait_for(gateway, lambda: servers(gateway).get("api", {}).get("healthy"), "its health")
    run = gateway.admin("POST", "/tools/api__add/run", {"arguments": {"a": 40, "b": 2}})
    assert run.json["text"] == "42"
    changed = gateway.admin("PATCH", f"{path}/api", {"allowed_tools": ["fail", "add"]})
    assert changed.status == 200
    wait_for(gateway, lambda: servers(gateway)["api"]["tools"] == 2, "the other tool")
    checked = gateway.admin("POST", f"{path}/api/check")
    assert (checked.status, checked.json["healthy"]) == (200, True)
    assert gateway.admin("DELETE", f"{path}/api").status == 204
    wait_for(gateway, lambda: "api" not in servers(gateway), "its end")
    assert gateway.admin("POST", "/tools/api__add/run", {}).status == 404
    assert gateway.admin("DELETE", f"{path}/api").status == 404


def test_a_server_of_the_file_stays_as_it_is(gateway: Running) -> None:
    path = "/tools/mcp-servers"
    assert servers(gateway)["away"]["source"] == "config.yaml"
    assert gateway.admin("PATCH", f"{path}/away", {"url": "http://x/"}).status == 404
    assert gateway.admin("DELETE", f"{path}/away").status == 404
    answer = gateway.admin("POST", path, {"name": "Away", "url": "http://x/"})
    assert (answer.status, answer.error["fields"]) == (422, {"name": "is taken by another server"})


def test_what_a_server_says_again_of_its_key_is_struck_out(
    gateway: Running, serving: Serving
) -> None:
    """It answers 401 to another key; the address is told without its query."""
    written = serving.written(name="refusing", headers={"X-Key": SECRET})
    assert gateway.admin("POST", "/tools/mcp-servers", written).status == 201
    wait_for(gateway, lambda: servers(gateway)["refusing"]["error"], "the refusal")
    assert "401" in servers(gateway)["refusing"]["error"]
    assert SECRET not in str(servers(gateway)) + gateway.output
    gateway.admin("DELETE", "/tools/mcp-servers/refusing")


# As a person sees them.


def test_a_tool_is_switched_on_and_off(person: Person, gateway: Running) -> None:
    page = person.page
    key = gateway.new_client(name="wants all", tool_mode="gateway", server_tools=["*"])
    assert key
    person.go("tools")
    row = page.locator('[data-tool="uuid"]')
    expect(row).to_contain_text("off")
    expect(row).to_contain_text("wants all")
    page.get_by_role("button", name="Switch on: uuid").click()
    expect(page.get_by_role("status").filter(has_text="uuid is on.")).to_be_visible()
    expect(row.get_by_role("button")).to_have_text("Switch off")
    wait_for(
        gateway, lambda: "uuid" in gateway.admin("GET", "/tools").json["enabled"], "the others"
    )
    page.get_by_role("button", name="Switch off: uuid").click()
    expect(page.get_by_role("status").filter(has_text="uuid is off.")).to_be_visible()
    expect(row.get_by_role("button")).to_have_text("Switch on")


def test_what_another_admin_switches_is_seen_without_a_reload(
    person: Person, gateway: Running
) -> None:
    person.go("tools")
    person.is_live()
    row = person.page.locator('[data-tool="get_date"]')
    gateway.admin("PUT", "/tools", {"enabled": ["get_*"]})
    expect(row).to_contain_text("by get_*", timeout=PATIENCE * 1000)
    person.page.get_by_role("button", name="Switch off: get_date").click()
    expect(person.page.get_by_text("get_* stood for several tools")).to_be_visible()
    gateway.wait_everywhere(
        lambda: gateway.admin("GET", "/tools").json["enabled"] == ["get_time"], "the other tool"
    )
    gateway.admin("PUT", "/tools", {"enabled": []})


def test_a_tool_is_tried(person: Person) -> None:
    page, person.bears_refusals = person.page, True
    person.go("tools")
    page.get_by_label("Search").fill("unit")
    page.get_by_role("link", name="unit_convert").click()
    page.get_by_label("value").fill("a lot")
    page.get_by_label("from_unit").fill("mile")
    person.press("Run")
    expect(page.get_by_text("value should be a number")).to_be_visible()
    expect(page.get_by_label("from_unit")).to_have_value("mile")
    page.get_by_label("value").fill("1")
    page.get_by_label("to_unit").fill("km")
    person.press("Run")
    expect(page.get_by_label("The result")).to_have_text("1.609344 km")
    expect(page.get_by_text("this is what a model is told")).to_contain_text("11 bytes")
    page.get_by_label("to_unit").fill("kg")
    person.press("Run")
    expect(page.locator(".result")).to_contain_text("failed")
    page.get_by_role("link", name="as JSON").click()
    page.get_by_label("Arguments as JSON").fill('{"value": 2, ')
    person.press("Run")
    expect(page.get_by_text("The arguments should be JSON")).to_be_visible()
    page.get_by_label("Arguments as JSON").fill('{"value": 2, "from_unit": "m", "to_unit": "cm"}')
    person.press("Run")
    expect(page.get_by_label("The result")).to_have_text(re.compile("^200"))


def test_long_words_do_not_widen_the_page(person: Person) -> None:
    page = person.page
    page.set_viewport_size({"width": 360, "height": 780})
    person.go("tools/tool/base64")
    page.get_by_label("text").fill("x" * 5000)
    person.press("Run")
    expect(page.get_by_label("The result")).to_contain_text("eHh4eHh4")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_server_is_added_seen_connected_tried_and_removed(
    person: Person, gateway: Running, serving: Serving
) -> None:
    page, person.bears_refusals = person.page, True
    person.go("tools")
    away = page.locator('[data-server="away"]')
    expect(away).to_contain_text("failing", timeout=PATIENCE * 1000)
    expect(away).to_contain_text("refused")
    page.get_by_role("link", name="Add an MCP server").click()
    page.get_by_label("Name (required)").fill("wi ki")
    page.get_by_label("Address").fill(serving.url)
    page.get_by_label("Name of header 1").fill("X-Key")
    page.get_by_label("Value of header 1").fill("the-key")
    page.get_by_label("Allowed tools").fill("add\npicture")
    person.press("Add it")
    expect(page.locator("#name-problem")).to_contain_text("letters, digits and -")
    expect(page.get_by_label("Value of header 1")).to_have_value("")
    assert "the-key" not in page.content()
    page.get_by_label("Name (required)").fill("wiki")
    person.press("Add it")
    row = page.locator('[data-server="wiki"]')
    expect(row).to_contain_text("connected", timeout=PATIENCE * 1000)
    expect(row).to_contain_text("with X-Key")
    wait_for(gateway, lambda: servers(gateway)["wiki"]["healthy"], "both workers")
    page.get_by_role("link", name="wiki__picture").click()
    person.press("Run")
    expect(page.get_by_alt_text("An image of the result")).to_be_attached()
    person.go("tools/servers/wiki")
    expect(page.get_by_label("Value of header 1")).to_have_attribute("placeholder", "unchanged")
    page.get_by_label("Address").fill("http://127.0.0.1:9/mcp")
    person.press("Save")
    expect(page.locator("#headers-problem")).to_contain_text("typed again")
    page.get_by_label("Value of header 1").fill("another")
    person.press("Save")
    expect(row).to_contain_text("failing", timeout=PATIENCE * 1000)
    row.get_by_role("link", name="Edit").click()
    page.get_by_text("Remove it …").click()
    person.press("Remove wiki now")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tools")
    expect(row).to_have_count(0)
    person.go("audit")
    for action in ("mcp-server.add", "mcp-server.change", "mcp-server.remove"):
        expect(page.get_by_text(action).first).to_be_visible()
    assert "the-key" not in page.content()


def test_runs_for_a_client_count(person: Person, gateway: Running) -> None:
    gateway.tools_on("calculate")
    made = gateway.new_client(tool_mode="gateway", server_tools=["calculate"])
    key, client_id = made["api_key"], made["client"]["id"]
    question = {
        "model": "demo",
        "messages": [{"role": "user", "content": "Use calculate for 6 * 7"}],
        "tool_choice": {"type": "function", "function": {"name": "calculate"}},
    }
    assert gateway.chat(key, question).status == 200
    (row,) = gateway.rows(1, status=200, client_id=client_id)
    assert row["tool_rounds"]
    person.go("tools")
    expect(person.page.locator('[data-tool="calculate"] [data-label="Runs"]')).to_have_text("1")
    gateway.admin("PUT", "/tools", {"enabled": []})


def test_no_secret_is_on_the_pages(person: Person, gateway: Running) -> None:
    for path in ("tools", "tools/tool/uuid"):
        person.go(path)
        assert SECRET not in person.page.content()
    assert SECRET not in gateway.admin("GET", "/tools").body.decode()


# A viewer, and what it costs.


def test_a_viewer_sees_and_may_not_change(app: Any, parts: Gateway) -> None:
    admins.create(parts.engine, "test", "eve", OTHER, "viewer")
    viewer = Browser(app)
    viewer.sign_in(OTHER, username="eve")
    for path in (TOOLS, f"{TOOLS}/tool/uuid"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert not re.search("Switch o|Add an MCP|Ask now|>Run<", page.text)
    assert viewer.get(f"{TOOLS}/servers/new").status_code == 403
    token = viewer.token("/admin/dashboard")
    for path in ("switch", "tool/uuid", "servers/new", "servers/x", "servers/x/remove"):
        answer = viewer.client.post(f"{TOOLS}/{path}", data={"csrf_token": token, "on": "uuid"})
        assert (path, answer.status_code) == (path, 403)
    assert viewer.client.post("/admin/api/tools/mcp-servers", json={}).status_code == 403


def test_writes_without_a_token_of_the_session_are_refused(signed_in: Browser) -> None:
    for path in ("switch", "tool/uuid", "servers/new"):
        assert signed_in.client.post(f"{TOOLS}/{path}", data={"on": "uuid"}).status_code == 400


@pytest.mark.parametrize("path", ["", "/tool/uuid"])
def test_a_page_asks_the_database_a_few_times(
    signed_in: Browser, parts: Gateway, book: ClientBook, path: str
) -> None:
    for number in range(30):
        book.create({"name": f"<b>{number}</b>", "tool_mode": "gateway", "server_tools": ["*"]})
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(parts.engine, "before_cursor_execute", note)
    page = signed_in.get(TOOLS + path)
    assert page.status_code == 200
    assert 0 < len(asked) <= 10
    assert "&lt;b&gt;0&lt;/b&gt;" in page.text and "<b>0" not in page.text


def test_a_page_of_no_tool_is_not_there(signed_in: Browser) -> None:
    assert signed_in.get(f"{TOOLS}/tool/nothing").status_code == 404
    token = signed_in.token(TOOLS)
    form = {"csrf_token": token, "on": "nothing"}
    assert signed_in.client.post(f"{TOOLS}/switch", data=form).status_code == 404


HOSTILE = "<script>alert('1')</script>\u202e\U0001f600 \"quoted\" " + "x" * 10_000


class HostileTool:
    """As a server may describe one."""

    name = "hostile"
    source = HOSTILE
    definition = conversation.Tool(
        name,
        HOSTILE,
        {
            "type": "object",
            "properties": {
                HOSTILE: {"enum": [HOSTILE, 1], "default": HOSTILE, "description": HOSTILE}
            },
        },
    )

    def run(self, arguments: Mapping[str, Any], seconds: float) -> Outcome:
        return Outcome(HOSTILE, True, (conversation.Image(media_type='"><b>', data='"><b>'),))


def test_what_a_server_says_is_inert(signed_in: Browser, parts: Gateway) -> None:
    parts.toolbox._own["hostile"] = HostileTool()
    path = f"{TOOLS}/tool/hostile"
    pages = [signed_in.get(TOOLS), signed_in.get(path), signed_in.get(f"{path}?as=json")]
    form = {"csrf_token": signed_in.token(TOOLS), PREFIX + HOSTILE: HOSTILE}
    pages.append(signed_in.client.post(path, data=form))
    form[PREFIX + HOSTILE] = "<i>none of them"
    pages.append(signed_in.client.post(path, data=form))
    assert [page.status_code for page in pages] == [200, 200, 200, 200, 422]
    for page in pages:
        assert not re.search("<script>alert|<b>|<i>", page.text)
