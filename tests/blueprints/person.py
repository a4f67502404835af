"""Somebody signed in, at the system's Chromium."""

from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect

from tests.blueprints.browser import PASSWORD
from tests.running import PATIENCE, Running


class Person:
    """What the browser complained of, and which other hosts it asked, is kept in `problems`."""

    def __init__(self, page: Page, gateway: Running) -> None:
        self.page, self.gateway = page, gateway
        self.problems: list[str] = []
        self.bears_refusals = False
        """A 4xx is an answer that the test asks for; browsers complain of each."""
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._see)
        self.sign_in("admin", PASSWORD)

    def sign_in(self, name: str, password: str) -> None:
        self.go("login")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.locator("main").get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/admin/dashboard")

    def go(self, name: str) -> None:
        """Opens a page below /admin/."""
        self.page.goto(f"{self.gateway.origin}/admin/{name}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def figure(self, name: str) -> Locator:
        return self.page.locator(f'[data-figure="{name}"]')

    def is_live(self) -> None:
        expect(self.page.locator("[data-live-state]")).to_have_text("Live", timeout=PATIENCE * 1000)

    def ask(self, key: str, question: Any) -> int:
        """The status of a call with a client's key."""
        headers = {"Authorization": f"Bearer {key}"}
        path = f"{self.gateway.origin}/v1/chat/completions"
        return self.page.request.post(path, data=question, headers=headers).status

    def _hear(self, message: ConsoleMessage) -> None:
        borne = self.bears_refusals and "status of 4" in message.text
        if message.type in ("error", "warning") and not borne:
            self.problems.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.gateway.origin, "data:")):
            self.problems.append(f"asked {request.url}")
