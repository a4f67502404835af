"""The way through an outbound proxy: requests' own adapter, read by a greenlet."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import gevent
from gevent.queue import Empty, Queue
from requests import PreparedRequest, Response, Timeout
from requests.adapters import BaseAdapter
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from gateway.config import Upstream as UpstreamSettings
from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.answer import READ_SIZE, Silence


class PumpedAnswer:
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
