"""A client on a bare socket: it can misbehave, and it sees every byte that comes."""

import json
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Self

from tests.running import PATIENCE, Answered, Running

QUESTION: Mapping[str, Any] = {
    "model": "test-model",
    "messages": [{"role": "user", "content": "Hello"}],
}
STREAMED: Mapping[str, Any] = {**QUESTION, "stream": True}
CHAT = "/v1/chat/completions"


def request(
    key: str | None,
    body: Any = QUESTION,
    *,
    path: str = CHAT,
    method: str = "POST",
    http: str = "1.1",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A request as it goes over the wire; a body of bytes goes as it is, None is none."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Host": "gateway", "Content-Type": "application/json"}
    if key is not None:
        lines["Authorization"] = f"Bearer {key}"
    if body is not None:
        lines["Content-Length"] = str(len(data))
    lines |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    text = f"{method} {path} HTTP/{http}\r\n{head}\r\n".encode("latin-1")
    return text if body is None else text + data


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Caller:
    """`with Caller(gateway) as caller: caller.send(request(key)); caller.answer()`

    `received` holds all bytes that have been read, `interim` the 1xx statuses among them.
    """

    def __init__(self, gateway: Running, *, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(("127.0.0.1", gateway.port))
        self._left = b""
        self.received = bytearray()
        self.interim: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> Answered:
        """The next final answer, read to its end."""
        status, headers = self.head()
        body = b"".join(self.blocks(headers))
        return Answered(status, list(headers.items()), body)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers (lower-case names) of the next final answer; EOFError at the end."""
        while True:
            status, headers = self.any_head()
            if status >= 200:
                return status, headers

    def any_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of what comes next, be it final or interim."""
        status = int(self._line().split()[1])
        headers = {}
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if status < 200:
            self.interim.append(status)
        return status, headers

    def blocks(self, headers: Mapping[str, str]) -> Iterator[bytes]:
        """The body's chunks as the gateway cut them; a body of another framing is one block."""
        if headers.get("transfer-encoding") != "chunked":
            length = headers.get("content-length")
            yield self._rest() if length is None else self._exactly(int(length))
            return
        while size := int(self._line(), 16):
            yield self._exactly(size)
            self._exactly(2)
        self._exactly(2)

    def ended(self) -> bool:
        """Whether the gateway closes the connection and sends nothing more before."""
        return not self._left and not self._more()

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _line(self) -> bytes:
        while b"\r\n" not in self._left:
            if not self._more():
                raise EOFError(f"the connection ended after {self.received[-200:]!r}")
        line, _, self._left = self._left.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._left) < size:
            if not self._more():
                raise EOFError(f"the connection ended after {self.received[-200:]!r}")
        data, self._left = self._left[:size], self._left[size:]
        return data

    def _rest(self) -> bytes:
        while self._more():
            pass
        rest, self._left = self._left, b""
        return rest

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._left += data
        self.received += data
        return bool(data)
