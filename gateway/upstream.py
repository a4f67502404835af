"""The HTTP way out: pooled, timed, cancellable; its failures become UpstreamError.

A prepared request goes to a Transport Adapter of requests: the one below, backed by
geventhttpclient's C parser and pools, or requests' own where an outbound proxy is configured.
Redirects are not followed, `.netrc` and proxy variables are not read, cookies are not kept.
"""

import select
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import gevent
from gevent.monkey import get_original
from gevent.queue import Empty, Queue
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool
from geventhttpclient.response import HTTPParseError, HTTPResponse
from requests import PreparedRequest, Response, Timeout
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from gateway.config import Upstream as UpstreamSettings
from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.send import send_all

READ_SIZE = 64 * 1024
# The C poll: gevent's own would wait by itself.
_poll = get_original("select", "poll")


class Silence(Exception):
    """Nothing came within the time that was given; the answer may still come."""


class Answer(Protocol):
    """An upstream's answer while it arrives.

    `status` and `headers` (lower-case names) hold once `read_head` has returned. `read_block`
    gives what has arrived, b"" at the end. Both wait `timeout` seconds at most and then raise
    Silence, after which they may be called again; a failure raises UpstreamError. `close` is
    owed by who opened it, may come at any time and from another greenlet, and twice.
    """

    status: int
    connect: float | None
    """Seconds that its connection took, if one was made for it."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def complete(self) -> bool:
        """Whether its end is here already, so that what is left can be read without waiting."""

    def read_head(self, timeout: float) -> None: ...

    def read_block(self, timeout: float) -> bytes: ...

    def close(self) -> None: ...


def prepared(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Any:
    """A request that is ready to send: requests' own preparation costs more than the call."""
    request = PreparedRequest()
    request.method = method
    request.url = url
    request.headers = headers  # type: ignore[assignment]
    request.body = body
    return request


class Upstream:
    """All connections of a worker to the outside."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._adapter = _adapter(settings)

    def send(self, request: PreparedRequest) -> Answer:
        """Sends a request; its answer is still to be read. Raises UpstreamError."""
        settings = self._settings
        if isinstance(self._adapter, GeventAdapter):
            return self._adapter.start(request, settings.connect_timeout, settings.idle_timeout)
        return _PumpedAnswer(self._adapter, request, settings)

    def fetch(self, request: PreparedRequest) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a small whole answer. Raises UpstreamError."""
        answer = self.send(request)
        try:
            answer.read_head(self._settings.idle_timeout)
            return answer.status, answer.headers, read_whole(answer, self._settings)
        except Silence:
            raise UpstreamTimeout("Upstream did not answer in time") from None
        finally:
            answer.close()

    def drop_idle(self, seconds: float) -> None:
        """Gives back the descriptors of connections that nobody has used for so long."""
        if isinstance(self._adapter, GeventAdapter):
            self._adapter.drop_idle(seconds)

    def close(self) -> None:
        self._adapter.close()


def read_whole(answer: Answer, settings: UpstreamSettings) -> bytes:
    """The rest of an answer. Raises UpstreamError when it is too large; Silence when it stalls."""
    blocks, size = [], 0
    while block := answer.read_block(settings.idle_timeout):
        blocks.append(block)
        size += len(block)
        if size > settings.max_answer_mb << 20:
            raise UpstreamError(f"Upstream's answer is over {settings.max_answer_mb} MB")
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _adapter(settings: UpstreamSettings) -> BaseAdapter:
    return HTTPAdapter(pool_maxsize=100) if settings.proxy else GeventAdapter(settings)


class _PoolMixin:
    """What both pools share: an idle socket is alive while it has nothing to read.

    The package asks select(), which cannot look at descriptors from 1024 on. `kept` remembers
    which sockets have served before, since those may be closed by upstream at any moment.
    """

    kept: dict[Any, float]
    connects: dict[Any, float]
    _socket_queue: Any

    def _create_socket(self) -> Any:
        """Notes how long it took; who gets the socket takes the note."""
        began = time.monotonic()
        sock = super()._create_socket()  # type: ignore[misc]
        self.connects[sock] = time.monotonic() - began
        return sock

    def drop_idle(self, seconds: float) -> None:
        """Closes the sockets that have waited longer than that."""
        fresh = []
        while not self._socket_queue.empty():
            sock = self._socket_queue.get(block=False)
            if time.monotonic() - self.kept.get(sock, 0.0) < seconds:
                fresh.append(sock)
            else:
                self._forget(sock)
        for sock in reversed(fresh):
            self._socket_queue.put(sock)

    def return_socket(self, sock: Any) -> None:
        self.kept[sock] = time.monotonic()
        super().return_socket(sock)  # type: ignore[misc]

    def release_socket(self, sock: Any) -> None:
        self.kept.pop(sock, None)
        super().release_socket(sock)  # type: ignore[misc]

    def _forget(self, sock: Any) -> None:
        self.kept.pop(sock, None)
        sock.close()

    def _is_socket_alive(self, sock: Any) -> bool:
        poll = _poll()
        try:
            poll.register(sock.fileno(), select.POLLIN)
            alive = not poll.poll(0)
        except (OSError, ValueError):
            alive = False
        if not alive:
            self.kept.pop(sock, None)
        return alive

    def after_connect(self, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _PlainPool(_PoolMixin, ConnectionPool):
    pass


class _TlsPool(_PoolMixin, SSLConnectionPool):
    pass


class _Route:
    """A host's pool and what every request to it begins with. Raises UpstreamUnreachable."""

    def __init__(self, url: str, settings: UpstreamSettings) -> None:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host, port = _checked(parts.hostname or ""), parts.port or (443 if tls else 80)
        self.name = f"{host}:{port}"
        self.host_header = parts.netloc.rpartition("@")[2]
        options: dict[str, Any] = {
            "size": settings.max_connections,
            "connection_timeout": settings.connect_timeout,
            "network_timeout": settings.idle_timeout,
        }
        if tls and settings.ca_bundle:
            options["ssl_options"] = {"ca_certs": str(settings.ca_bundle)}
        pool = _TlsPool if tls else _PlainPool
        self.pool: Any = pool(host, port, host, port, **options)
        self.pool.kept, self.pool.connects = {}, {}


def _checked(host: str) -> str:
    """Resolving would fail on it in another thread, which prints a traceback each time."""
    try:
        host.encode("idna")
    except UnicodeError:
        failure = UpstreamUnreachable(f"{host} is not the name of a host")
        failure.retryable = False
        raise failure from None
    return host


class GeventAdapter(BaseAdapter):
    """requests' Transport Adapter over geventhttpclient: cheap, cooperative, cancellable."""

    def __init__(self, settings: UpstreamSettings) -> None:
        super().__init__()
        self._settings = settings
        self._routes: dict[str, _Route] = {}

    def start(self, request: PreparedRequest, connect_timeout: float, timeout: float) -> "Wire":
        """Connects and sends. Raises UpstreamError; the answer's head is still to be read."""
        assert request.url is not None
        origin, _, path = _split(request.url)
        route = self._routes.get(origin)
        if route is None:
            route = self._routes[origin] = _Route(origin, self._settings)
        return Wire(route, _text_of(request, route, path), timeout)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """As requests asks of an adapter: the head is read, `raw` is the Wire."""
        wire = self.start(request, self._settings.connect_timeout, self._settings.idle_timeout)
        wire.read_head(self._settings.first_byte_timeout)
        response = Response()
        response.status_code = wire.status
        response.headers = CaseInsensitiveDict(wire.headers)
        response.url = request.url or ""
        response.request = request
        response.raw = wire
        return response

    def drop_idle(self, seconds: float) -> None:
        for route in self._routes.values():
            route.pool.drop_idle(seconds)

    def close(self) -> None:
        for route in self._routes.values():
            route.pool.close()
        self._routes.clear()


def _split(url: str) -> tuple[str, str, str]:
    """Origin, separator and path with query of an absolute URL."""
    slash = url.find("/", url.index("://") + 3)
    return (url, "", "/") if slash < 0 else (url[:slash], "", url[slash:])


def _text_of(request: PreparedRequest, route: _Route, path: str) -> bytes:
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

    def __init__(self, route: _Route, text: bytes, timeout: float) -> None:
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


class _PumpedAnswer:
    """An Answer of requests' own adapter: a greenlet reads, so that waiting can be given up."""

    def __init__(
        self, adapter: BaseAdapter, request: PreparedRequest, settings: UpstreamSettings
    ) -> None:
        self.status = 0
        self.connect: float | None = None  # requests makes and keeps them unseen
        self.headers: Mapping[str, str] = {}
        self._settings = settings
        self._queue: Queue[Response | bytes | UpstreamError] = Queue(4)
        self._ended = False
        self._pump = gevent.spawn(self._run, adapter, request)

    def read_head(self, timeout: float) -> None:
        head = self._next(timeout)
        assert isinstance(head, Response)
        self.status = head.status_code
        self.headers = {name.lower(): value for name, value in head.headers.items()}

    @property
    def complete(self) -> bool:
        return self._ended

    def read_block(self, timeout: float) -> bytes:
        if self._ended:
            return b""
        block = self._next(timeout)
        assert isinstance(block, bytes)
        self._ended = not block
        return block

    def close(self) -> None:
        self._pump.kill(block=False)

    def _next(self, timeout: float) -> Response | bytes:
        try:
            item = self._queue.get(timeout=timeout)
        except Empty:
            raise Silence from None
        if isinstance(item, UpstreamError):
            raise item
        return item

    def _run(self, adapter: BaseAdapter, request: PreparedRequest) -> None:
        settings = self._settings
        response = None
        try:
            response = adapter.send(
                _counted(request),
                stream=True,
                timeout=(settings.connect_timeout, settings.first_byte_timeout),
                verify=str(settings.ca_bundle) if settings.ca_bundle else True,
                proxies={"http": settings.proxy or "", "https": settings.proxy or ""},
            )
            self._queue.put(response)
            while block := response.raw.read1(READ_SIZE, decode_content=True):
                self._queue.put(block)
            self._queue.put(b"")
        except Exception as error:
            self._queue.put(_told(error, urlsplit(request.url or "").hostname))
        finally:
            if response is not None:
                response.raw.close()


def _counted(request: PreparedRequest) -> PreparedRequest:
    """With the body's length, since requests would send it in chunks, which not all accept."""
    if request.body is not None:
        request.headers = {**request.headers, "Content-Length": str(len(request.body))}  # type: ignore[assignment]
    return request


def _told(error: Exception, host: str | None) -> UpstreamError:
    slow = isinstance(error, (Timeout, HTTPTimeoutError))
    kind = UpstreamTimeout if slow else UpstreamUnreachable
    return kind(f"{host} failed: {type(error).__name__}")
