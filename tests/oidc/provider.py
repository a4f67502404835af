"""A real OpenID Connect provider (the npm package oidc-provider), and a person who walks it."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.environments import node_environment
from tests.running import free_port

HERE = Path(__file__).parent
SECRET = "the gateway's secret at the provider"


class Provider:
    def __init__(self, port: int, process: "subprocess.Popen[str]") -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.process = process

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate()

    def walk(self, begun: str, login: str | None, **changed: str) -> str:
        """Signs in there, from the address that the gateway has sent the browser to.

        Gives the address that it sends the browser back to. `login`: None is who says no.
        `changed`: parameters that somebody has altered on the way.
        """
        session, address = requests.Session(), with_parameters(begun, **changed)
        while address.startswith(self.issuer):
            answer = session.get(address, allow_redirects=False)
            if answer.status_code == 200:
                answer = self._fill_in(session, answer.text, login)
            assert answer.is_redirect, answer.text
            address = answer.headers["location"]
            if address.startswith("/"):
                address = self.issuer + address
        return address

    def _fill_in(
        self, session: requests.Session, page: str, login: str | None
    ) -> requests.Response:
        (action,) = re.findall(r'<form[^>]* action="([^"]*)"', page)
        (prompt,) = re.findall(r'name="prompt" value="([^"]*)"', page)
        if login is None:
            (away,) = re.findall(r'href="([^"]*/abort)"', page)
            return session.get(away, allow_redirects=False)
        form = {"prompt": prompt, "login": login, "password": "any"}
        return session.post(action, form, allow_redirects=False)


@contextmanager
def provider(redirects: Sequence[str], *, userinfo: bool = True) -> Iterator[Provider]:
    """`userinfo`: an e-mail address is told when it is asked for, and not in the ID token."""
    modules, port = node_environment(HERE / "package.json"), free_port()
    given = {
        "modules": str(modules),
        "port": port,
        "redirects": list(redirects),
        "secret": SECRET,
        "userinfo": userinfo,
    }
    process = subprocess.Popen(
        ["node", str(HERE / "provider.mjs"), json.dumps(given)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    running = Provider(port, process)
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield running
    finally:
        running.stop()


def with_parameters(address: str, **changed: str) -> str:
    parts = urlsplit(address)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return parts._replace(query=urlencode(asked | changed)).geturl()
