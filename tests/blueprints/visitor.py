"""Somebody signed in to a real gateway: pages, and the WebSocket of an open one."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import requests
from simple_websocket import Client, ConnectionClosed  # type: ignore[import-untyped]

from tests.blueprints.browser import LOGIN, LOGOUT, PASSWORD
from tests.running import PATIENCE, Running

WITH_PASSWORD = {"GATEWAY_ADMIN_PASSWORD": PASSWORD}
WS = "/admin/ws"


class Visitor:
    def __init__(self, gateway: Running, name: str = "admin", password: str = PASSWORD) -> None:
        self.gateway = gateway
        self.session = requests.Session()
        form = {"username": name, "password": password, "csrf_token": self._token(LOGIN)}
        answer = self.session.post(gateway.origin + LOGIN, form, allow_redirects=False)
        assert answer.status_code == 302, answer.text

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.gateway.origin + path, allow_redirects=False)

    def post(self, path: str, **form: str) -> requests.Response:
        form["csrf_token"] = self._token("/admin/dashboard")
        return self.session.post(self.gateway.origin + path, form, allow_redirects=False)

    def sign_out(self) -> None:
        self.post(LOGOUT)

    @property
    def cookie(self) -> str:
        return "; ".join(f"{one.name}={one.value}" for one in self.session.cookies)

    def open(self, path: str = "/admin/ws?range=1h", **headers: str) -> "OpenPage":
        return OpenPage(self.gateway, path, {"Cookie": self.cookie, **headers})

    def refusal(self, path: str = WS, **headers: str) -> int:
        """The status that answers an upgrade; 101 is none."""
        return refusal(self.gateway, {"Cookie": self.cookie, **headers}, path)

    def _token(self, path: str) -> str:
        page = self.session.get(self.gateway.origin + path).text
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
        assert found, f"{path} has no form"
        return found[1]


class OpenPage:
    """`parts` holds the last of each that came."""

    def __init__(self, gateway: Running, path: str, headers: dict[str, str]) -> None:
        self.socket = Client(f"ws://127.0.0.1:{gateway.port}{path}", headers=headers)
        self.parts: dict[str, Any] = {}
        self.messages = 0

    def read(self, patience: float) -> bool:
        """Whether a message came in time."""
        text = self.socket.receive(timeout=patience)
        if text is None:
            return False
        message = json.loads(text)
        self.parts[message["part"]] = message.get("value")
        self.messages += 1
        return True

    def read_until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition(self.parts):
            assert time.monotonic() < deadline, f"waited in vain: {self.parts}"
            self.read(1)

    def figure(self, name: str) -> str | None:
        found = re.search(rf'data-figure="{name}">([^<]*)<', "".join(self._html()))
        return found[1] if found else None

    def read_to_the_end(self) -> int:
        """Reads until the gateway ends it; tells with which code."""
        deadline = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < deadline:
                self.read(1)
        except ConnectionClosed as closed:
            self.socket.thread.join()
            return int(closed.reason)
        raise AssertionError("the gateway does not end it")

    def close(self) -> None:
        self.socket.close()
        self.socket.thread.join()

    def _html(self) -> list[str]:
        return [value for value in self.parts.values() if isinstance(value, str)]


def refusal(gateway: Running, headers: dict[str, str], path: str = WS) -> int:
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return gateway.call("GET", path, headers=asked | headers).status
