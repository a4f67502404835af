"""Sends a whole text over a gevent socket; most fit into it at once."""

from typing import Any


def send_all(sock: Any, data: bytes) -> None:
    """As `sendall`, which asks the kernel for the size of its buffer each time."""
    sent = sock.send(data)
    if sent < len(data):
        sock.sendall(memoryview(data)[sent:])
