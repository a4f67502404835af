"""The direct way: over geventhttpclient's pools and parser, and its answers."""

import ssl
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

from geventhttpclient.response import HTTPParseError, HTTPResponse
from requests import PreparedRequest

from gateway.config import Upstream as UpstreamSettings
from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.send import send_all
from gateway.upstream.answer import READ_SIZE, Silence
from gateway.upstream.pools import Route


class GeventAdapter:
    """Cheap, cooperative, cancellable."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._routes: dict[str, Route] = {}

    def start(self, request: PreparedRequest, connect_timeout: float, timeout: float) -> "Wire":
        """Connects and sends. Raises UpstreamError; the answer's head is still to be read."""
        assert request.url is not None
        origin, path = _split(request.url)
        route = self._routes.get(origin)
        if route is None:
            route = self._routes[origin] = Route(origin, self._settings)
        return Wire(route, _text_of(request, route, path), timeout)

    def drop_idle(self, seconds: float) -> None:
        for route in self._routes.values():
            route.pool.drop_idle(seconds)

    def close(self) -> None:
        for route in self._routes.values():
            route.pool.close()
        self._routes.clear()


def _split(url: str) -> tuple[str, str]:
    """Origin, and path with query, of an absolute URL."""
    slash = url.find("/", url.index("://") + 3)
    return (url, "/") if slash < 0 else (url[:slash], url[slash:])


def _text_of(request: PreparedRequest, route: Route, path: str) -> bytes:
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {route.host_header}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise UpstreamError("A header for upstream holds a line break")
    encoded = head.encode("latin-1") + b"\r\n\r\n"
    if body is None:
        return encoded
    return encoded + (body if isinstance(body, bytes) else body.encode())


class Wire(HTTPResponse):
    """One exchange on one connection: an Answer that is read as it arrives."""

    status = 0
    connect: float | None = None

    def __init__(self, route: Route, text: bytes, timeout: float) -> None:
        super().__init__()
        self._route = route
        self._text = text
        self._timeout = timeout
        self._decoder: Any = None
        self._begun = False
        self._body: list[bytearray] = []
        # Called for each chunk of the answer, of which hundreds may come at once.
        self._on_body = self._body.append  # type: ignore[assignment]
        self._sock: Any = None
        self._kept = False
        self._start()

    def _start(self) -> None:
        self._connect()
        try:
            self._sock.settimeout(self._timeout)
            send_all(self._sock, self._text)
        except TimeoutError:
            self._release(False)
            raise UpstreamTimeout(f"{self._route.name} does not read the request") from None
        except OSError:
            # It may have answered (413, say) before it had read everything: look first.
            return
        except BaseException:
            self._release(False)
            raise

    def _connect(self) -> None:
        name, pool = self._route.name, self._route.pool
        try:
            self._sock = pool.get_socket()
        except TimeoutError:
            raise UpstreamTimeout(f"{name} did not accept a connection in time") from None
        except ssl.SSLCertVerificationError as error:
            failure = UpstreamUnreachable(f"{name} shows a bad certificate: {error.verify_message}")
            failure.retryable = False
            raise failure from None
        except ConnectionRefusedError:
            raise UpstreamUnreachable(f"{name} refused the connection: is it running?") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UpstreamUnreachable(f"{name} cannot be reached: {reason}") from None
        self._kept = self._sock in pool.kept
        self.connect = None if self._kept else pool.connects.pop(self._sock, None)

    def read_head(self, timeout: float) -> None:
        while not self.headers_complete or self.get_code() < 200:
            self._receive(timeout)
        self.status = self.get_code()
        if "content-encoding" in self:
            self._decoder = _decoder(self.headers["content-encoding"])

    @property
    def headers(self) -> Mapping[str, str]:
        """Vendors send dozens, and only a failure's are looked at."""
        return {name.lower(): value for name, value in self.items()}

    @property
    def complete(self) -> bool:
        return bool(self.message_complete)

    def read_block(self, timeout: float) -> bytes:
        while True:
            if self._body:
                block = b"".join(self._body)
                self._body.clear()
                if self._decoder is None:
                    return block
                if decoded := self._decode(block):
                    return decoded
                continue
            if self.message_complete:
                self._release(not self.should_close())
                return b""
            self._receive(timeout)

    def close(self) -> None:
        """Puts the connection back if the answer was read to its end, else closes it."""
        if self._sock is not None:
            self._release(not self._body and not self.should_close())

    def _receive(self, timeout: float) -> None:
        sock, name = self._sock, self._route.name
        if sock is None:
            raise UpstreamUnreachable(f"The connection to {name} was closed")
        try:
            sock.settimeout(timeout)
            data = sock.recv(READ_SIZE)
            if not data and self._is_stale():
                return self._start_again()
            self._begun = True
            self.feed(data)
        except TimeoutError:
            raise Silence from None
        except HTTPParseError:
            self._fail(
                f"{name} broke off its answer" if not data else f"{name} does not speak HTTP"
            )
        except OSError as error:
            if self._is_stale():
                return self._start_again()
            self._fail(f"{name} broke the connection: {type(error).__name__}")
        if not data and (not self.message_complete or self.get_code() < 200):
            self._fail(f"{name} closed the connection before the answer's end")

    def _is_stale(self) -> bool:
        """A connection that served before may have been closed just as the request was sent."""
        return self._kept and not self._begun

    def _start_again(self) -> None:
        self._release(False)
        self._start()

    def _fail(self, message: str) -> NoReturn:
        self._release(False)
        raise UpstreamUnreachable(message) from None

    def _decode(self, block: bytes) -> bytes:
        try:
            decoded: bytes = self._decoder.decompress(block)
        except zlib.error:
            self._fail(f"{self._route.name} sent a body that does not decompress")
        return decoded

    def _release(self, reusable: bool) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if reusable:
            self._route.pool.return_socket(sock)
        else:
            self._route.pool.release_socket(sock)


def _decoder(encoding: str) -> Any:
    """Some upstreams compress although they were asked not to."""
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)
    raise UpstreamError(f"Upstream answers in an encoding that was not asked for: {encoding}")
