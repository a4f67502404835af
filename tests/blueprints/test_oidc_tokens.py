"""ID tokens and answers that a sound provider would never give; a scripted one gives them."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.test import TestResponse

from gateway.context import Gateway
from gateway.store import admins
from tests.blueprints.browser import DASHBOARD, HOME, Browser, installed, running
from tests.upstream import Html, Json, Raw, Received, Upstream, redirect

BEGIN, CALLBACK = "/admin/login/oidc", "/admin/login/oidc/callback"
SECRET = "a-secret-of-more-than-thirty-two-characters"
OURS = RSAKey.generate_key(2048, {"kid": "ours"})
FOREIGN = RSAKey.generate_key(2048, {"kid": "ours"})
DISCOVERY = "/.well-known/openid-configuration"


Sign = Callable[[dict[str, Any]], str]


def signed_by(key: RSAKey, kid: str = "ours") -> Sign:
    return lambda claims: jwt.encode({"alg": "RS256", "kid": kid}, claims, key)


def signed_with(secret: bytes) -> Sign:
    """By hand: no library would take another's public key for a secret."""

    def sign(claims: dict[str, Any]) -> str:
        said = f"{encoded({'alg': 'HS256', 'kid': 'ours'})}.{encoded(claims)}"
        digest = hmac.digest(secret, said.encode(), "sha256")
        return f"{said}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    return sign


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


class Script:
    """A provider; `sign` makes an ID token of claims."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream, self.issuer = upstream, upstream.origin
        self.sign = signed_by(OURS)
        self.claims: dict[str, Any] = {}
        upstream.script(DISCOVERY, Json(self.metadata()))
        upstream.script("/jwks", Json({"keys": [OURS.as_dict(private=False)]}))
        upstream.script("/token", self._give)
        upstream.script("/me", Json({"sub": "somebody else", "email": "eve@corp.example"}))

    def metadata(self, **changed: Any) -> dict[str, Any]:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/me",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        return told | changed

    def come(self, browser: Browser, **claims: Any) -> TestResponse:
        begun = browser.get(BEGIN)
        assert begun.status_code == 302, begun.text
        asked = parse_qs(urlsplit(begun.location).query)
        sound = {
            "iss": self.issuer,
            "aud": "gateway",
            "sub": "1",
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
            "nonce": asked["nonce"][0],
            "email": "eve@corp.example",
            "email_verified": True,
        }
        self.claims = {name: one for name, one in (sound | claims).items() if one is not None}
        return browser.get(f"{CALLBACK}?code=x&state={asked['state'][0]}")

    def _give(self, received: Received) -> Json:
        token = self.sign(self.claims)
        return Json({"access_token": "a", "token_type": "Bearer", "id_token": token})


@pytest.fixture
def script(upstream: Upstream) -> Script:
    return Script(upstream)


@pytest.fixture
def app(tmp_path: Path, script: Script) -> Iterator[Flask]:
    oidc = {"issuer": script.issuer, "client_id": "gateway", "client_secret": SECRET}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"oidc": {**oidc, "admins": ["eve@corp.example"]}}))
    with running(installed(tmp_path, file)) as app:
        yield app


def is_refused(answer: TestResponse, browser: Browser, parts: Gateway, status: int = 502) -> None:
    assert answer.status_code == status, answer.text
    assert browser.get(DASHBOARD).status_code == 302
    assert admins.usernames(parts.engine) == ["admin"]


def test_a_sound_one_is_taken(browser: Browser, script: Script) -> None:
    assert script.come(browser).location == HOME
    asked = parse_qs((script.upstream.requests[-2].body or b"").decode())
    assert asked["code"] == ["x"] and len(asked["code_verifier"][0]) >= 43


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"], "azp": "gateway"},
        {"aud": None},
        {"aud": ["gateway", "another"], "azp": "another"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"nonce": "n" * 20},
        {"nonce": None},
        {"sub": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_a_wrong_claim_is_refused(
    browser: Browser, parts: Gateway, script: Script, claims: dict[str, Any]
) -> None:
    is_refused(script.come(browser, **claims), browser, parts)


@pytest.mark.parametrize("verified", [False, None, "false", 0, "yes", [True]])
def test_an_address_that_is_not_verified_is_refused(
    browser: Browser, parts: Gateway, script: Script, verified: Any
) -> None:
    is_refused(script.come(browser, email_verified=verified), browser, parts, 403)


@pytest.mark.parametrize(
    "email", ["", 7, ["eve@corp.example"], "eve@corp.example\n", " eve@corp.example"]
)
def test_an_address_that_is_none_is_refused(
    browser: Browser, parts: Gateway, script: Script, email: Any
) -> None:
    is_refused(script.come(browser, email=email), browser, parts, 403)


@pytest.mark.parametrize(
    "sign",
    [
        signed_by(FOREIGN),
        signed_with(SECRET.encode()),
        signed_with(OURS.as_pem(private=False)),
        signed_with(b""),
        *(
            lambda claims, alg=alg: f"{encoded({'alg': alg, 'kid': 'ours'})}.{encoded(claims)}."
            for alg in ("none", "None", "NONE", "RS256", None)
        ),
        lambda claims: ".",
        lambda claims: "a.b.c",
        lambda claims: "é",
        lambda claims: "",
    ],
    ids=range(13),
)
def test_what_the_providers_key_has_not_signed_is_refused(
    browser: Browser, parts: Gateway, script: Script, sign: Sign
) -> None:
    script.sign = sign
    is_refused(script.come(browser), browser, parts)


def test_userinfo_of_somebody_else_is_refused(
    browser: Browser, parts: Gateway, script: Script
) -> None:
    is_refused(script.come(browser, email=None), browser, parts)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Json({"access_token": "a", "token_type": "Bearer"}), 502),
        (Json(["no", "object"]), 502),
        (Json({"error": "invalid_client"}, status=401), 502),
        (Json({"error": "invalid_grant"}, status=400), 400),
        (Json({"error": "temporarily_unavailable"}, status=400), 502),
        (Html("<p>Sorry"), 502),
        (Html("<p>Sorry", status=500), 503),
        (redirect("https://evil.example/token"), 503),
        (Raw(b"no HTTP at all\r\n\r\n"), 503),
    ],
)
def test_what_is_no_answer_about_a_code_is_told(
    browser: Browser, parts: Gateway, script: Script, answer: Any, status: int
) -> None:
    script.upstream.script("/token", answer)
    is_refused(script.come(browser), browser, parts, status)


@pytest.mark.parametrize(
    "answer",
    [
        Json({}),
        Json([]),
        Json({"issuer": "https://evil.example"}),
        Json({"issuer": 7}),
        Html("<p>Not found", status=404),
        redirect("https://evil.example"),
        Raw(b"no HTTP at all\r\n\r\n"),
    ],
)
def test_what_is_no_description_is_told(browser: Browser, script: Script, answer: Any) -> None:
    script.upstream.script(DISCOVERY, answer)
    told = browser.get(BEGIN)
    assert told.status_code in (502, 503) and 'role="alert"' in told.text
    script.upstream.script(DISCOVERY, Json(script.metadata()))
    assert script.come(browser).location == HOME


def test_a_key_that_is_new_is_asked_for(browser: Browser, script: Script) -> None:
    assert script.come(browser).location == HOME
    new = RSAKey.generate_key(2048, {"kid": "new"})
    script.sign = signed_by(new, "new")
    script.upstream.script("/jwks", Json({"keys": [new.as_dict(private=False)]}))
    assert script.come(browser).location == HOME
