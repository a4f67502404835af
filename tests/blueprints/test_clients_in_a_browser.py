"""Clients, the audit log and admins as a person sees them, on a gateway of two workers."""

import re

from playwright.sync_api import expect

from tests.blueprints.person import Person
from tests.running import PATIENCE

QUESTION = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_client_from_its_first_field_to_its_end(person: Person) -> None:
    page, person.bears_refusals = person.page, True
    person.go("clients/new")
    page.get_by_label("Name").fill("shop")
    page.locator("#provider").select_option("groq")
    expect(page.locator("#provider_base_url-help")).to_contain_text("api.groq.com")
    page.locator("#provider").select_option("demo")
    page.locator("#rate_limit_day").fill("lots")
    person.press("Make the client")
    expect(page.locator("#rate_limit_day-problem")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("shop")
    page.locator("#rate_limit_day").fill("1,000")
    person.press("Make the client")
    key = page.locator("#key").inner_text()
    copy = page.locator("[data-copy=key]")
    copy.click()
    expect(copy).to_have_text(re.compile("Copied|Selected"))
    assert person.ask(key, QUESTION) == 200
    page.reload()
    expect(page.locator("#key")).to_have_count(0)
    expect(page.get_by_text("1 of 1,000")).to_be_visible()
    person.press("Make a new key")
    newer = page.locator("#key").inner_text()
    wait_for(person, key, 401)
    assert person.ask(newer, QUESTION) == 200
    person.press("Disable")
    expect(page.get_by_text("Client shop is disabled.")).to_be_visible()
    wait_for(person, newer, 403)
    page.get_by_label("Type its name to confirm").fill("shop")
    person.press("Delete this client")
    expect(page.locator("main > .notice")).to_have_text("Client shop is deleted.")
    person.go("audit")
    for action in ("create", "rotate-key", "change", "delete"):
        expect(page.get_by_text(f"client.{action}", exact=True)).to_have_count(1)


def test_a_form_says_whether_the_stored_key_stays(person: Person) -> None:
    fields = {"name": "keyed", "provider": "groq", "provider_api_key": "theirs"}
    number = person.gateway.new_client(**fields)["client"]["id"]
    page = person.page
    stays, asked = page.locator("[data-key-stays]"), page.locator("[data-key-asked]")
    key = page.locator("#provider_api_key")
    for form in (f"clients/new?copy={number}", f"clients/{number}/edit"):
        person.go(form)
        expect(stays).to_be_visible()
        expect(asked).to_be_hidden()
        page.locator("#provider").select_option("xai")
        expect(asked).to_be_visible()
        expect(stays).to_be_hidden()
        expect(key).to_have_attribute("placeholder", "")
        page.locator("#provider").select_option("groq")
        expect(stays).to_be_visible()
        expect(key).to_have_attribute("placeholder", "as stored")
        page.locator("#provider_base_url").fill("https://elsewhere.example/v1")
        expect(asked).to_be_visible()


def test_the_button_follows_what_is_switched_elsewhere(person: Person) -> None:
    made = person.gateway.new_client()
    address = f"clients/{made['client']['id']}"
    person.go(address)
    person.is_live()
    button = person.page.locator("button[name=active]")
    expect(button).to_have_text("Disable")
    for active, word in ((False, "Enable"), (True, "Disable")):
        person.gateway.admin("PATCH", f"/{address}", {"is_active": active})
        expect(button).to_have_text(word, timeout=PATIENCE * 1000)
    person.gateway.admin("PATCH", f"/{address}", {"is_active": False})
    expect(button).to_have_text("Enable", timeout=PATIENCE * 1000)
    button.click()
    expect(person.page.locator("main > .notice")).to_contain_text("is enabled.")
    person.gateway.admin("DELETE", f"/{address}")
    expect(button).to_be_disabled(timeout=PATIENCE * 1000)


def test_colours_are_chosen_and_kept(person: Person) -> None:
    root = person.page.locator("html")
    button = person.page.locator("#theme")
    for name, theme in (("Light", "light"), ("Dark", "dark")):
        button.click()
        expect(button).to_contain_text(name)
        expect(root).to_have_attribute("data-bs-theme", theme)
    person.page.reload()
    expect(root).to_have_attribute("data-bs-theme", "dark")


def test_on_a_phone_the_menu_opens_by_keyboard(person: Person) -> None:
    page = person.page
    page.set_viewport_size({"width": 360, "height": 780})
    link = page.get_by_role("link", name="Audit log")
    expect(link).not_to_be_visible()
    page.get_by_role("button", name="Menu").focus()
    page.keyboard.press("Enter")
    link.click()
    page.wait_for_url("**/admin/audit")


def wait_for(person: Person, key: str, status: int) -> None:
    """Other workers look within half a second."""
    person.gateway.wait_until(lambda: person.ask(key, QUESTION) == status, f"a {status}")
