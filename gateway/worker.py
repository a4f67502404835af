"""gunicorn's gevent worker, made cheaper for small answers: head and body go out at once."""

import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

from gevent import GreenletExit
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers.ggevent import GeventWorker

from gateway.send import send_all


@lru_cache(1024)
def _is_plain(name: str, value: str) -> bool:
    """Whether gunicorn takes a header over as it is; most are the same in each answer."""
    return (
        wsgi.TOKEN_RE.fullmatch(name) is not None
        and wsgi.HEADER_VALUE_RE.fullmatch(value) is not None
        and value == value.strip(" \t")
        and name.lower() != "content-length"
        and not util.is_hoppish(name)
    )


@lru_cache(1)
def _date(second: int) -> str:
    date: str = util.http_date(second)
    return date


class Joined(wsgi.Response):  # type: ignore[misc]
    """An answer whose head waits for what is written next; nothing waits when `write` is over."""

    headers: list[tuple[str, str]]
    headers_sent: bool
    is_last = False
    """What is written next is the end of the body."""
    _waiting = b""
    _ended = False

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for header in headers:
            if _is_plain(*header):
                self.headers.append(header)
            else:
                super().process_headers((header,))

    def default_headers(self) -> list[str]:
        """As gunicorn words them, but the date is made once a second."""
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
        ]
        return [*lines, "Transfer-Encoding: chunked\r\n"] if self.chunked else lines

    def send_headers(self) -> None:
        if self.headers_sent:
            return
        lines = (*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers))
        self._waiting = "".join((*lines, "\r\n")).encode("latin-1")
        self.headers_sent = True

    def write(self, arg: bytes) -> None:
        super().write(arg)
        self._send(b"")

    def close(self) -> None:
        self.send_headers()
        self._send(b"0\r\n\r\n" if self.chunked and not self._ended else b"")

    def _emit_body(self, data: bytes) -> None:
        if not self.chunked:
            return self._send(data)
        self._ended = self.is_last
        end = b"0\r\n\r\n" if self.is_last else b""
        self._send(b"%X\r\n%b\r\n%b" % (len(data), data, end))

    def _send(self, data: bytes) -> None:
        waiting, self._waiting = self._waiting, b""
        if waiting or data:
            send_all(self.sock, waiting + data if waiting else data)


class Worker(GeventWorker):  # type: ignore[misc]
    alive: bool

    def init_process(self) -> None:
        # gunicorn looks a setting up in its table each time, and a request asks for dozens.
        settings: Any = self.cfg
        vars(settings).update({name: one.get() for name, one in settings.settings.items()})
        super().init_process()

    def notify(self) -> None:
        """Also asked while the last answers are waited for: open pages would keep it waiting."""
        super().notify()
        if not self.alive and "wsgi" in sys.modules:
            sys.modules["wsgi"].gateway.hub.close()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Raises StopIteration when the connection is to end."""
        with suppress(GreenletExit, SystemExit):
            self._handle(listener_name, req, sock, addr)

    def _handle(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        began = datetime.now()
        environ: dict[str, Any] = {}
        response: Any = None
        try:
            self.cfg.pre_request(self, req)
            response, environ = wsgi.create(
                req, sock, addr, listener_name, self.cfg, response_class=Joined
            )
            environ["wsgi.multithread"] = True
            self._count(response)
            self._answer(response, req, environ, began)
        except OSError:
            raise
        except (Exception, SystemExit):
            if response is None or not response.headers_sent:
                raise
            # What has begun cannot become an error page any more.
            self.log.exception("Error handling request")
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
                sock.close()
            raise StopIteration from None
        finally:
            self._tell_hook(req, environ, response)
        if response.should_close():
            raise StopIteration
        # The wait for the next request has gunicorn's timeout; two cost twice as much.
        sock.settimeout(None)

    def _count(self, response: Joined) -> None:
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        if not self.alive or not self.cfg.keepalive:
            response.force_close()

    def _answer(self, response: Joined, req: Any, environ: dict[str, Any], began: datetime) -> None:
        blocks = self.wsgi(environ, response.start_response)
        try:
            for block in blocks:
                response.is_last = getattr(blocks, "over", False)
                response.write(block)
            response.close()
        finally:
            self.log.access(response, req, environ, datetime.now() - began)
            if hasattr(blocks, "close"):
                blocks.close()

    def _tell_hook(self, req: Any, environ: dict[str, Any], response: Any) -> None:
        try:
            self.cfg.post_request(self, req, environ, response)
        except Exception:
            self.log.exception("Exception in post_request hook")
