"""Every page: whole on a phone and on a wide screen, and nothing that axe calls serious."""

import pytest

from tests.blueprints.looks import looks_right
from tests.blueprints.person import Person
from tests.failure.caller import QUESTION
from tests.probes.scripted import outcome
from tests.running import Running

PAGES = (
    "dashboard",
    "clients",
    "clients/new",
    "clients/1",
    "clients/1/edit",
    "clients/{client}",
    "requests",
    "requests/{request}",
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
