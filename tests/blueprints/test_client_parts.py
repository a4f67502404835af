"""What of a client's page changes: its figures, its use against limits, its latest requests."""

import html
import json
import re
import time
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import expect

from gateway.context import Gateway
from gateway.store.client_book import ClientBook
from gateway.store.client_list import PAGE
from tests.blueprints.browser import Browser
from tests.blueprints.person import Person
from tests.blueprints.test_dashboard import SCRIPT, entered, table
from tests.blueprints.visitor import WS, Visitor
from tests.failure.caller import QUESTION, STREAMED
from tests.running import PATIENCE, Running

PARTS = {"state", "uses", "recent", "figures", "shares", "series"}


def test_figures_are_the_clients_own(signed_in: Browser, parts: Gateway, book: ClientBook) -> None:
    shop, _ = book.create({"name": "shop", "rate_limit_day": 2000})
    began = int(time.time() * 1000) - 1000
    mine = {"client_id": shop.id, "started_at": began, "model": "gpt-5", "provider": "openai"}
    entered(parts, 1, **mine, input_tokens=1_200_000, cost_usd=Decimal("1.5"))
    entered(parts, 2, **mine, status=502, input_tokens=None, output_tokens=None)
    entered(parts, 3, started_at=began, client_name="someone else")
    assert parts.ledger.flush()
    for name in ("1h", "24h", "7d", "30d"):
        page = signed_in.get(f"/admin/clients/{shop.id}?range={name}").text
        found = dict(re.findall(r'data-figure="([^"]+)">([^<]*)<', page))
        assert (found["requests"], found["errors"], found["cost"]) == ("2", "1", "$1.50")
        assert "clients" not in found and found["latency"] == "1.25 s"
        series = json.loads(html.unescape(re.search(r"data-series='([^']+)'", page)[1]))  # type: ignore[index]
        assert sum(series["requests"]) == 2
        assert [row[1:3] for row in table(page, "by-model")] == [["2", "1 of gpt-5"]]
        assert len(table(page, "requests")) == 2 and "someone else" not in page
        assert 'href="/admin/requests/req_2"' in page and "req_3" not in page
        assert re.search(
            rf'href="/admin/clients/{shop.id}\?range={name}"[^>]*aria-current="true"', page
        )


def test_one_that_has_asked_nothing_says_so(signed_in: Browser) -> None:
    page = signed_in.get("/admin/clients/1").text
    assert "It has asked nothing yet." in page and "It has no limits." in page


def test_a_refused_deletion_leads_to_other_times(signed_in: Browser) -> None:
    form = {"csrf_token": signed_in.token("/admin/clients/1"), "name": "Demo"}
    page = signed_in.client.post("/admin/clients/1/delete", data=form)
    assert page.status_code == 422 and 'href="/admin/clients/1?range=7d"' in page.text


def test_its_parts_can_be_asked_for(signed_in: Browser, book: ClientBook) -> None:
    found = signed_in.get("/admin/clients/1/parts?range=1h").json
    assert found is not None and set(found) == PARTS
    assert ">active<" in found["state"]
    book.update(1, {"is_active": False})
    assert ">disabled<" in signed_in.get("/admin/clients/1/parts").json["state"]  # type: ignore[index]
    book.delete(1)
    assert ">deleted<" in signed_in.get("/admin/clients/1/parts").json["state"]  # type: ignore[index]


def test_what_a_caller_named_is_only_text(signed_in: Browser, parts: Gateway) -> None:
    began = int(time.time() * 1000)
    entered(parts, 1, started_at=began, model=SCRIPT, provider=SCRIPT[:40], error_code=SCRIPT)
    assert parts.ledger.flush()
    for path in ("/admin/clients/1", "/admin/clients/1/parts"):
        page = signed_in.get(path)
        told = page.text if page.json is None else "".join(map(str, page.json.values()))
        assert "<script>alert" not in told and "&lt;script&gt;" in told


def test_the_counters_are_read_once_for_a_page(
    signed_in: Browser, parts: Gateway, book: ClientBook
) -> None:
    for number in range(PAGE + 1):
        book.create({"name": f"client {number}", "rate_limit_day": 100})
    reads: list[str] = []
    # The counters' file is no database of SQLAlchemy's: it tells what it is asked itself.
    connection: Any = parts.shared._store._db  # type: ignore[attr-defined]
    connection.set_trace_callback(reads.append)
    signed_in.get("/admin/clients")
    connection.set_trace_callback(None)
    assert len([one for one in reads if "FROM sheets" in one]) == 1


def test_its_usage_tells_where_its_limits_stand(gateway: Running) -> None:
    made = gateway.new_client(model_aliases={"*": "demo"}, rate_limit_day=10)
    assert gateway.chat(made["api_key"], QUESTION).status == 200
    gateway.rows(1, client_id=made["client"]["id"])
    told = gateway.admin("GET", f"/clients/{made['client']['id']}/usage?range=1h").json
    assert told["totals"]["requests"] == 1
    (limit,) = told["limits"]
    assert (limit["limit"], limit["used"], limit["left"]) == ("rate_limit_day", 1, 9)


def test_every_open_page_of_a_client_is_told_of_its_calls(gateway: Running) -> None:
    made = gateway.new_client(name="watched", model_aliases={"*": "demo"}, rate_limit_day=100)
    visitor = Visitor(gateway)
    pages = [
        visitor.open(f"/admin/ws?page=client&range=1h&client={made['client']['id']}")
        for _ in range(4)
    ]
    for page in pages:
        page.read_until(lambda parts: set(parts) == PARTS)
        assert page.figure("requests") == "0"
    for _ in range(3):
        assert gateway.chat(made["api_key"], STREAMED).status == 200
    for page in pages:
        page.read_until(lambda _, page=page: page.figure("requests") == "3")  # type: ignore[misc]
        page.read_until(lambda parts: "3 of 100" in parts["uses"])
        page.read_until(lambda parts: parts["recent"].count("/admin/requests/req_") == 3)
        page.close()


def test_a_client_that_is_deleted_is_told_to_be(gateway: Running) -> None:
    client_id = gateway.new_client()["client"]["id"]
    page = Visitor(gateway).open(f"/admin/ws?page=client&client={client_id}")
    page.read_until(lambda parts: set(parts) == PARTS)
    assert gateway.admin("DELETE", f"/clients/{client_id}").status == 204
    page.read_until(lambda parts: ">deleted<" in parts["state"])
    page.close()


@pytest.mark.parametrize("client_id", ["x", "-1", "99999999999", "1e3"])
def test_what_is_no_client_is_refused(gateway: Running, client_id: str) -> None:
    assert Visitor(gateway).refusal(f"{WS}?page=client&client={client_id}") == 422


def test_its_counters_move_without_a_reload(person: Person, gateway: Running) -> None:
    made = gateway.new_client(name="moving", model_aliases={"*": "demo"}, rate_limit_day=50)
    person.go(f"clients/{made['client']['id']}?range=1h")
    person.is_live()
    expect(person.figure("requests")).to_have_text("0")
    for count in (1, 2):
        assert gateway.chat(made["api_key"], QUESTION).status == 200
        patience = PATIENCE * 1000
        expect(person.figure("requests")).to_have_text(str(count), timeout=patience)
        expect(person.page.get_by_text(f"{count} of 50")).to_be_visible(timeout=patience)
    row = person.page.locator("[data-part=recent] tbody tr").first
    row.get_by_role("link").click()
    expect(person.page.get_by_role("heading", name="How it went")).to_be_visible()
