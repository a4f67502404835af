"""Who may call: a known key, and what its limits allow."""

from typing import Any
from urllib.parse import parse_qs

from limits import RateLimitItem, RateLimitItemPerMinute

from gateway.blueprints.body import body_size, read_body
from gateway.context import Gateway
from gateway.errors import RateLimited, Unauthenticated
from gateway.exchange import Exchange
from gateway.extensions import limiter
from gateway.limits import Call, check_standing
from gateway.store.clients import Client

_KEY_HEADERS = ("HTTP_X_API_KEY", "HTTP_API_KEY", "HTTP_X_GOOG_API_KEY")


def known_client(gateway: Gateway, environ: dict[str, Any]) -> Client:
    """The client that may call. Raises as `client_of_key` does, and Forbidden."""
    client = client_of_key(gateway, environ)
    check_standing(client)
    return client


def admitted_body(exchange: Exchange, environ: dict[str, Any]) -> bytes:
    """Lets the caller in, counts the call, and gives its body. Raises GatewayError."""
    return admitted_body_of(client_of_key(exchange.gateway, environ), exchange, environ)


def admitted_body_of(client: Client, exchange: Exchange, environ: dict[str, Any]) -> bytes:
    """The same of a client that is known already."""
    gateway = exchange.gateway
    exchange.client = client
    check_standing(client)
    exchange.call = Call(client, gateway.shared)
    exchange.call.admit(body_size(environ))
    return read_body(environ, gateway.settings.server.max_body_mb << 20)


def client_of_key(gateway: Gateway, environ: dict[str, Any]) -> Client:
    """The client whose key the request shows, whatever its standing.

    Raises Unauthenticated, and RateLimited for an address that only guesses.
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
    return client


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
    if "key=" in environ.get("QUERY_STRING", "") and _takes_key_in_query(environ["PATH_INFO"]):
        for other in parse_qs(environ["QUERY_STRING"]).get("key", ()):
            if found and other != found:
                raise Unauthenticated("The request shows two different API keys")
            found = other
    return found or None


def _takes_key_in_query(path: str) -> bool:
    """Only Gemini's clients put it there."""
    return path.startswith(("/v1beta/", "/v1/models"))


def _count_stranger(gateway: Gateway, environ: dict[str, Any]) -> None:
    allowed = gateway.settings.access.keyless_per_minute
    item: RateLimitItem = RateLimitItemPerMinute(allowed)
    if not limiter.limiter.hit(item, "keyless", environ.get("REMOTE_ADDR", "")):
        raise RateLimited(
            "Too many calls without a valid API key from this address",
            code="too_many_invalid_keys",
            headers={"retry-after": "60"},
        )
