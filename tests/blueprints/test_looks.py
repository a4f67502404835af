"""Every page: whole on a phone and on a wide screen, and nothing that axe calls serious."""

from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from tests.blueprints.looks import looks_right
from tests.blueprints.person import Person
from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import client_of
from tests.probes.scripted import outcome
from tests.running import PATIENCE, Running
from tests.upstream import Sse, Upstream, chunks

PAGES = (
    "dashboard",
    "clients",
    "clients/new",
    "clients/1",
    "clients/1/edit",
    "clients/{client}",
    "requests",
    "requests/{request}",
    "playground",
    "playground?client={client}",
    "tools",
    "tools/tool/unit_convert",
    "tools/servers/new",
    "providers",
    "providers/openai",
    "settings",
    "audit",
    "admins",
    "account",
    "nothing",
    "../docs",
)
"""Below /admin/. `{client}` has a long name, is tested, and has made the request `{request}`."""


@pytest.fixture(scope="module")
def addresses(gateway: Running) -> dict[str, str]:
    key = gateway.client(name="x" * 70 + " y", model_aliases={"*": "demo"})
    request_id = gateway.chat(key, QUESTION).headers["x-request-id"]
    (row,) = gateway.rows(1, request_id=request_id)
    outcome(gateway, row["client_id"], {"model": "x"})
    return {"request": request_id, "client": str(row["client_id"])}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_right(person: Person, name: str, addresses: dict[str, str]) -> None:
    person.bears_refusals = name == "nothing"
    looks_right(person.page, f"{person.gateway.origin}/admin/{name.format(**addresses)}")


def test_calls_under_way_look_right(person: Person, gateway: Running, upstream: Upstream) -> None:
    upstream.always(Sse(chunks(["Hello"])).but(hang=2))
    with ExitStack() as callers:
        for name in ("y" * 90, "short"):
            caller = callers.enter_context(Caller(gateway))
            caller.send(request(client_of(gateway, upstream, name=name), STREAMED))
            assert caller.head()[0] == 200
        person.go("requests")
        expect(person.page.locator(".calls tbody tr")).to_have_count(2, timeout=PATIENCE * 1000)
        looks_right(person.page, f"{gateway.origin}/admin/requests")
