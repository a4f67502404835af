"""The HTTP way out: pooled, timed, cancellable; its failures become UpstreamError.

A prepared request of requests goes to the adapter of `wire`, backed by geventhttpclient's C
parser and pools, or to requests' own where an outbound proxy is configured.
Redirects are not followed, `.netrc` and proxy variables are not read, cookies are not kept.
"""

from collections.abc import Mapping
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter

from gateway.config import Upstream as UpstreamSettings
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.upstream.answer import Answer, Silence
from gateway.upstream.proxied import PumpedAnswer
from gateway.upstream.wire import GeventAdapter

__all__ = ["Answer", "Silence", "Upstream", "prepared", "read_whole"]


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
        return PumpedAnswer(self._adapter, request, settings)

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


def _adapter(settings: UpstreamSettings) -> HTTPAdapter | GeventAdapter:
    return HTTPAdapter(pool_maxsize=100) if settings.proxy else GeventAdapter(settings)
