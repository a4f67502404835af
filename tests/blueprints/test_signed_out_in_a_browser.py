"""What a person has typed outlives a session that ends in another tab."""

from playwright.sync_api import Page, expect

from tests.blueprints.browser import PASSWORD
from tests.blueprints.person import Person
from tests.running import PATIENCE, Running

expect.set_options(timeout=PATIENCE * 1000)


def another_tab(person: Person) -> Page:
    tab = person.page.context.new_page()
    tab.goto(f"{person.gateway.origin}/admin/audit")
    return tab


def sign_out(tab: Page) -> None:
    tab.get_by_role("button", name="Sign out").click()
    tab.wait_for_url("**/admin/login*")


def sign_in(tab: Page) -> None:
    tab.get_by_label("Name").fill("admin")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.locator("main").get_by_role("button", name="Sign in").click()
    tab.wait_for_url("**/admin/dashboard")


def test_a_form_waits_until_somebody_is_signed_in_again(person: Person) -> None:
    page = person.page
    person.go("clients/new")
    page.get_by_label("Name").fill("written for long")
    tab = another_tab(person)
    sign_out(tab)
    person.press("Make the client")
    note = page.get_by_role("alert")
    expect(note).to_contain_text("You are signed out. Nothing was sent.")
    expect(page.get_by_label("Name")).to_have_value("written for long")
    sign_in(tab)
    person.press("Make the client")
    expect(page.locator("main [role=status]").first).to_have_text(
        "Client written for long is made."
    )


def test_a_form_with_nothing_in_it_leads_to_the_sign_in(person: Person) -> None:
    person.go("tools/tool/uuid")
    sign_out(another_tab(person))
    person.page.locator("button[form=switch]").click()
    person.page.wait_for_url("**/admin/login?next=/admin/tools/tool/uuid")


def test_a_message_of_the_playground_waits_too(person: Person, gateway: Running) -> None:
    made = gateway.new_client(default_model="demo", model_aliases={"*": "demo"})
    page = person.page
    person.go(f"playground?client={made['client']['id']}")
    expect(page.locator("#model-help")).to_contain_text("Empty means demo.")
    tab = another_tab(person)
    sign_out(tab)
    page.get_by_label("Message").fill("A long question")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problem")).to_contain_text("You are signed out. Sign in in another tab")
    expect(page.get_by_label("Message")).to_have_value("A long question")
    sign_in(tab)
    page.get_by_label("Message").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-told=request]")).to_have_count(1)
