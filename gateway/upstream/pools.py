"""Kept connections, a pool for each host."""

import select
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from gevent.monkey import get_original
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool

from gateway.config import Upstream as UpstreamSettings
from gateway.errors import UpstreamUnreachable

# The C poll: gevent's own would wait by itself.
_poll = get_original("select", "poll")


class Route:
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
