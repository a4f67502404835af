"""An answer to the client, whole or as a stream; and how a failure is worded for it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from flask import Request, current_app, request
from werkzeug.http import HTTP_STATUS_CODES

from gateway.answering import answer
from gateway.blueprints.body import drain
from gateway.blueprints.protection import security_headers
from gateway.chat import ChatRequest
from gateway.dialects.base import Dialect
from gateway.dialects.table import DIALECTS
from gateway.errors import ClientHungUp, GatewayError
from gateway.exchange import SILENCE, Exchange, new_request_id

_LONGEST_LIST = 1_000
_SHARED = ("/v1/models", "/v1/requests/", "/v1/usage")
_STREAM_HEADERS = (("cache-control", "no-cache"), ("x-accel-buffering", "no"))


def reply(door: str, ask: Callable[[Exchange], ChatRequest], name: str | None = None) -> "Reply":
    """The answer to the current request, in the dialect of its door.

    `name`: what the log calls the door, if it is not one of a client's. The head of a stream waits
    for the answer's first event.
    """
    environ = request.environ
    exchange = Exchange(current_app.extensions["gateway"], name or door, _own_id(environ))
    _watch(exchange, environ)
    blocks = answer(exchange, ask)
    try:
        first = _first(exchange, blocks)
    except GatewayError as error:
        drain(environ)
        return failure(error, door, exchange.request_id, _headers(exchange))
    asked = exchange.request
    if asked is None or not asked.stream:
        next(blocks, None)
        return Reply([first], 200, _headers(exchange), "application/json")
    dialect = DIALECTS[asked.dialect]
    exchange.commit(_probe(dialect, environ))
    headers = [*_headers(exchange), *_STREAM_HEADERS]
    return Reply(StreamBody(exchange, dialect, first, blocks), 200, headers, dialect.STREAM_TYPE)


def door_of(request: Request) -> str:
    """Whose dialect a request speaks, by its path, and by its headers where paths are shared."""
    path = request.path
    if path.startswith("/v1/messages"):
        return "anthropic"
    if path.startswith("/v1beta/"):
        return "gemini"
    if path.startswith("/v1/models/") and request.method == "POST":
        return "gemini"
    if path.startswith(_SHARED):
        if "anthropic-version" in request.headers:
            return "anthropic"
        agent = request.headers.get("User-Agent", "")
        if "x-goog-api-key" in request.headers or "key" in request.args:
            return "gemini"
        return "gemini" if agent.startswith("google-genai-sdk") else "openai"
    return "openai"


def said(body: Any) -> "Reply":
    """A small answer of the gateway's own."""
    headers = [("x-request-id", new_request_id())]
    return Reply([orjson.dumps(body)], 200, headers, "application/json")


def failure(
    error: GatewayError, door: str, request_id: str, headers: list[tuple[str, str]] | None = None
) -> "Reply":
    """An error as an answer of its own."""
    given = dict(headers or [("x-request-id", request_id)]) | error.headers
    body = orjson.dumps(DIALECTS[door].error_body(error))
    return Reply([body], error.status, list(given.items()), "application/json")


class Reply:
    """An answer of a door, as WSGI takes it: its headers are all there, and go out as they are.

    werkzeug copies and checks each header several times, which was a tenth of a call's cost.
    """

    def __init__(
        self, body: Any, status: int, headers: list[tuple[str, str]], content_type: str
    ) -> None:
        self._body = body
        self._status = f"{status} {HTTP_STATUS_CODES.get(status, 'Unknown').upper()}"
        self._headers = [*headers, ("content-type", content_type)]
        if isinstance(body, list):
            self._headers.append(("content-length", str(len(body[0]))))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response(self._status, [*self._headers, *security_headers(environ)])
        return () if environ["REQUEST_METHOD"] == "HEAD" else self._body


class StreamBody:
    """A streamed answer as WSGI reads it. `close` is called in the end, whatever happened."""

    def __init__(
        self, exchange: Exchange, dialect: Dialect, first: bytes, blocks: Iterator[bytes]
    ) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._keep_alive = dialect.KEEP_ALIVE or b""
        self._first = first
        self._blocks: Any = blocks
        self.over = False
        """The block that was given last is the last one."""
        self._sent_at = time.monotonic()
        # A pause is passed on at this interval; the clock may be a little behind it.
        self._interval = 0.9 * exchange.gateway.settings.upstream.keepalive_interval

    def __iter__(self) -> "StreamBody":
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None  # type: ignore[assignment]
            return self._with_rest(first or self._keep_alive)
        if self.over:
            raise StopIteration
        exchange = self._exchange
        exchange.waits = True
        try:
            exchange.hurry()
            while not (block := next(self._blocks)):
                if time.monotonic() - self._sent_at >= self._interval:
                    block = self._keep_alive
                    break
            self._sent_at = time.monotonic()
            return self._with_rest(bytes(block))
        except ClientHungUp:
            raise StopIteration from None
        except GatewayError as error:
            self.over = True
            self._blocks.close()  # upstream is let go before the caller is told
            return self._dialect.error_event(error)
        finally:
            exchange.waits = False

    def _with_rest(self, block: bytes) -> bytes:
        """A block, and what follows it if that is all here: so it goes out at once."""
        if not self._exchange.complete:
            return block
        self.over = True
        blocks = [block]
        try:
            blocks.extend(self._blocks)
        except GatewayError as error:
            blocks.append(self._dialect.error_event(error))
        return b"".join(blocks)

    def close(self) -> None:
        self._blocks.close()


def _first(exchange: Exchange, blocks: Iterator[bytes]) -> bytes:
    """The first block, or SILENCE if there is none within `head_wait`: then the head goes out."""
    deadline = time.monotonic() + exchange.gateway.settings.upstream.head_wait
    exchange.waits = True
    try:
        while (block := next(blocks)) == SILENCE:
            if time.monotonic() >= deadline:
                break
        return block
    finally:
        exchange.waits = False


def _headers(exchange: Exchange) -> list[tuple[str, str]]:
    headers = [("x-request-id", exchange.request_id)]
    if exchange.door == "anthropic":
        headers.append(("request-id", exchange.request_id))
    target = exchange.target
    if target is not None:
        headers += (
            ("x-gateway-provider", target.provider.id),
            ("x-gateway-model", _printable(target.model)),
            ("x-gateway-attempts", str(exchange.attempts)),
        )
        if exchange.dropped:
            headers.append(("x-gateway-dropped-params", _listed(exchange.dropped)))
        if exchange.error is not None and exchange.attempts > 1:
            headers.append(("x-should-retry", "false"))
    if exchange.call is not None:
        headers += exchange.call.headers.items()
    return headers


def _listed(names: tuple[str, ...]) -> str:
    """Clients choose the names; so many are listed as fit into a header."""
    return ", ".join(map(_printable, dict.fromkeys(names)))[:_LONGEST_LIST]


def _printable(model: str) -> str:
    """A model's name may hold what a header may not."""
    return model if model.isascii() and model.isprintable() else ascii(model)[1:-1]


def _own_id(environ: dict[str, Any]) -> str | None:
    own = environ.get("HTTP_X_REQUEST_ID")
    return own[:200] if own else None


def _watch(exchange: Exchange, environ: dict[str, Any]) -> None:
    socket = environ.get("gunicorn.socket")
    if socket is not None:
        socket.settimeout(exchange.gateway.settings.server.client_timeout)
        exchange.watch(socket, interim=environ["SERVER_PROTOCOL"] == "HTTP/1.1")


def _probe(dialect: Dialect, environ: dict[str, Any]) -> bytes | None:
    """What may be sent at any time between two blocks, as a chunk of the body."""
    line = dialect.KEEP_ALIVE
    if line is None or environ["SERVER_PROTOCOL"] != "HTTP/1.1":
        return None
    return b"%x\r\n%b\r\n" % (len(line), line)
