"""One connection to the upstream: requests in, the steps of their answers out."""

import math
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from .answers import Answer, Close, Hold, Reset, Step, Wait
from .received import Gate, Received

_LINGER_ZERO = struct.pack("ii", 1, 0)
_GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


class HungUp(Exception):
    """The peer closed the connection, and we had not finished."""


class Connection:
    """`choose` is asked once for each request."""

    def __init__(
        self, sock: socket.socket, number: int, choose: Callable[[Received], Answer]
    ) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._file = sock.makefile("rb")
        self._number = number
        self._choose = choose
        self._ended_by_us = False

    def serve(self) -> None:
        """Raises ValueError for a request that is not HTTP/1.1."""
        with self._sock, self._file:
            lives = True
            while lives:
                received = self._receive()
                lives = received is not None and self._reply(received)

    def end(self) -> None:
        """From another thread: wake `serve` wherever it waits, and let it end."""
        self._ended_by_us = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> Received | None:
        """The next request; None where the peer wants no more, or leaves in the middle of one."""
        try:
            return self._read_request()
        except (EOFError, *_GONE):
            return None

    def _read_request(self) -> Received:
        line = self._line().split(" ")
        if len(line) != 3 or line[2] not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(f"the upstream was sent a request line {line}")
        method, target, version = line
        pairs = list(self._headers())
        headers = {name.lower(): value.lower() for name, value in pairs}
        if "host" not in headers or {"content-length", "transfer-encoding"} <= headers.keys():
            raise ValueError(f"the upstream was sent headers {pairs}")
        if headers.get("expect") == "100-continue":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b"".join(self._body(headers))
        last = "close" in headers.get("connection", "") or version == "HTTP/1.0"
        return Received(method, target, pairs, body, last=last, connection=self._number)

    def _headers(self) -> Iterator[tuple[str, str]]:
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise ValueError(f"the upstream was sent a header {line!r}")
            yield name, value.strip()

    def _body(self, headers: dict[str, str]) -> Iterator[bytes]:
        if headers.get("transfer-encoding") != "chunked":
            yield self._read(int(headers.get("content-length", "0")))
            return
        while size := int(self._line().split(";")[0], 16):
            yield self._read(size)
            if self._line():
                raise ValueError("the upstream was sent a chunk longer than its size")
        for _trailer in self._headers():
            pass

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line.rstrip(b"\r\n").decode("latin-1")

    def _read(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise EOFError
        return data

    def _reply(self, received: Received) -> bool:
        """Whether the connection lives on."""
        try:
            steps = self._choose(received).steps(last=received.last)
            lives = all(self._perform(step, received.gate) for step in steps)
        except HungUp:
            if not self._ended_by_us:
                received.note_hang_up()
            return False
        finally:
            received.gate.close()
        received.answered.set()
        return lives

    def _perform(self, step: Step, gate: Gate) -> bool:
        """Whether the connection lives on."""
        match step:
            case bytes():
                self._send(step)
            case Wait(seconds):
                self._wait(seconds)
            case Hold():
                self._wait(None, gate)
                gate.take()
            case Close():
                return False
            case Reset():
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
                return False
        return True

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except _GONE:
            raise HungUp from None

    def _wait(self, seconds: float | None, gate: Gate | None = None) -> None:
        """Until the time is over or the gate opens; raises HungUp as soon as the peer is gone."""
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        if gate:
            poller.register(gate, select.POLLIN)
        end = math.inf if seconds is None else time.monotonic() + seconds
        while True:
            ready = dict(poller.poll(_milliseconds(end)))
            if news := ready.get(self._sock.fileno()):
                self._check_peer(news)
                poller.modify(self._sock, 0)  # its next request is here already: it can wait
            elif ready or time.monotonic() >= end:
                return

    def _check_peer(self, news: int) -> None:
        if news & (select.POLLHUP | select.POLLERR):
            raise HungUp
        try:
            gone = not self._sock.recv(1, socket.MSG_PEEK)
        except _GONE:
            gone = True
        if gone:
            raise HungUp


def _milliseconds(end: float) -> int | None:
    if end == math.inf:
        return None
    return max(0, math.ceil((end - time.monotonic()) * 1000))
