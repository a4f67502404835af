"""Who may call: a known key, and what its limits allow."""

import time
from typing import Any

from limits import RateLimitItem, RateLimitItemPerMinute

from gateway import limits
from gateway.context import Gateway
from gateway.errors import Forbidden, RateLimited, Unauthenticated
from gateway.extensions import limiter
from gateway.store.clients import Client

_KEY_HEADERS = ("HTTP_X_API_KEY", "HTTP_API_KEY", "HTTP_X_GOOG_API_KEY")


def known_client(gateway: Gateway, environ: dict[str, Any]) -> Client:
    """The client whose key the request shows.

    Raises Unauthenticated, Forbidden, and RateLimited for an address that only guesses.
    """
    key = presented_key(environ)
    client = gateway.clients.by_key(key) if key else None
    if client is None:
        _count_stranger(gateway, environ)
        raise Unauthenticated(
            "This API key is not known: check it, or ask whoever runs this gateway for a new one"
            if key
            else "No API key: send it as `Authorization: Bearer <key>`"
        )
    if not client.is_active:
        raise Forbidden("This client is disabled")
    if client.expires_at is not None and client.expires_at <= time.time():
        raise Forbidden("This client has expired", code="client_expired")
    return client


def admit(gateway: Gateway, client: Client) -> dict[str, str]:
    """Counts the call against the client's limits; gives the answer's headers on them."""
    return limits.admit(client, gateway.shared)


def presented_key(environ: dict[str, Any]) -> str | None:
    """The key, wherever the SDKs put theirs. Raises Unauthenticated for two different ones."""
    bearer = environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = bearer.partition(" ")
    found = token.strip() if scheme.lower() == "bearer" else ""
    for name in _KEY_HEADERS:
        other = environ.get(name)
        if other and other.strip() != found:
            if found:
                raise Unauthenticated("The request shows two different API keys")
            found = other.strip()
    return found or None


def _count_stranger(gateway: Gateway, environ: dict[str, Any]) -> None:
    allowed = gateway.settings.access.keyless_per_minute
    item: RateLimitItem = RateLimitItemPerMinute(allowed)
    if not limiter.limiter.hit(item, "keyless", environ.get("REMOTE_ADDR", "")):
        raise RateLimited(
            "Too many calls without a valid API key from this address",
            code="too_many_invalid_keys",
            headers={"retry-after": "60"},
        )
