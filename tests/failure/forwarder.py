"""What stands between the gateway and its provider: a forward proxy, or the end of TLS."""

import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Forwarder:
    """What comes goes on to the `target`, a port of this machine, and back.

    `first_lines` are the lines that each connection began with; one that does not get through its
    TLS handshake has none.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.target = 0
        self.first_lines: list[str] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[near], daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), self._unwrapped(near) as near:
            begin = near.recv(65536)
            self.first_lines.append(begin.partition(b"\r\n")[0].decode("latin-1"))
            with socket.create_connection(("127.0.0.1", self.target)) as far:
                far.sendall(begin)
                back = threading.Thread(target=_pump, args=[far, near], daemon=True)
                back.start()
                _pump(near, far)
                back.join()

    def _unwrapped(self, sock: socket.socket) -> socket.socket:
        return sock if self._tls is None else self._tls.wrap_socket(sock, server_side=True)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
