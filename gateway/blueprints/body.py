"""The body of a request: read once, never more of it in memory than is allowed."""

from typing import Any

import gevent

from gateway.errors import BadRequest, BodyTooLarge, ClientHungUp

_BLOCK = 64 * 1024
_DRAIN_BYTES = 64 << 20
_DRAIN_SECONDS = 5.0


def body_size(environ: dict[str, Any]) -> int | None:
    """The size of a body that says it beforehand; None if it does not."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        return int(length)
    return None if "HTTP_TRANSFER_ENCODING" in environ else 0


def read_body(environ: dict[str, Any], limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge above `limit` bytes, BadRequest if it breaks off."""
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise BadRequest("The body may not be compressed", param="content-encoding")
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    try:
        if length:
            return _read_counted(stream, int(length), limit)
        if "HTTP_TRANSFER_ENCODING" in environ:
            return _read_chunked(stream, limit)
    except (TimeoutError, ConnectionError):
        stream.failed = True
        raise ClientHungUp("The client stopped sending its request") from None
    return b""


def drain(environ: dict[str, Any]) -> None:
    """Reads what is left of a body without keeping it, so that the answer reaches the client.

    A client that is still sending would see its connection reset instead. What is too much, or
    too slow, is given up: then the connection ends with the answer.
    """
    stream = environ["wsgi.input"]
    at_end = getattr(stream, "failed", False)
    with gevent.Timeout(_DRAIN_SECONDS, False):  # type: ignore[arg-type]
        at_end = at_end or _read_off(stream)
    if not at_end:
        # gunicorn's mark that the next request cannot be found on this connection.
        stream.failed = True


def _read_off(stream: Any) -> bool:
    """Whether the end of the body was reached."""
    drained = 0
    try:
        while drained <= _DRAIN_BYTES:
            block = stream.read(_BLOCK)
            if not block:
                return True
            drained += len(block)
            gevent.sleep(0)  # who sends without a pause would keep all others waiting
    except Exception:
        return False
    return False


def _read_counted(stream: Any, length: int, limit: int) -> bytes:
    if length > limit:
        raise _too_large(limit)
    body: bytes = stream.read(length)
    if len(body) < length:
        raise BadRequest("The body ended before its Content-Length", code="incomplete_body")
    return body


def _read_chunked(stream: Any, limit: int) -> bytes:
    blocks, size = [], 0
    try:
        while size <= limit and (block := stream.read(_BLOCK)):
            blocks.append(block)
            size += len(block)
    except (TimeoutError, ConnectionError):
        raise
    except Exception:
        raise BadRequest("The chunked body is malformed", code="incomplete_body") from None
    if size > limit:
        raise _too_large(limit)
    return b"".join(blocks)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit >> 20} MB")
