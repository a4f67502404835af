"""What open dashboards cost the calls: CPU of one worker for a whole answer, with and without."""

import http.client
import os
import re
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from statistics import median
from urllib.parse import urlencode

from bench import process
from bench.servers import PASSWORD, Gateway, NotServing
from bench.stage import Row, Stage, tell

DASHBOARDS = 200
DASHBOARDS_BOUND = 1.05
_LOGIN, _SOCKET = "/admin/login", "/admin/ws?range=1h"
_PATIENCE = 30.0


def dashboards(stage: Stage) -> Iterator[Row]:
    """As many as all open, each of which gets what changes."""
    plan = stage.plan(stage.gateway, "whole")
    process.pin(os.getpid(), process.cores()[1])
    cookie = _signed_in(stage.gateway)
    pairs = []
    for number in range(stage.pairs):
        least = stage.ask(plan)
        with _looking(stage.gateway, cookie):
            cost = stage.ask(plan)
        pairs.append((least.microseconds, cost.microseconds))
        tell(
            f"dashboards, pair {number + 1} of {stage.pairs}: {pairs[-1][0]:.0f} µs, "
            f"{pairs[-1][1]:.0f} µs with {DASHBOARDS} open"
        )
    ratio = median(cost / least for least, cost in pairs)
    yield Row(
        f"whole, {DASHBOARDS} dashboards",
        gateway=f"{median(cost for _, cost in pairs):.0f} µs",
        reference=f"{median(least for least, _ in pairs):.0f} µs",
        ratio=f"{ratio:.2f}×",
        bound=f"{DASHBOARDS_BOUND:g}×",
        met=ratio <= DASHBOARDS_BOUND,
    )


def _signed_in(gateway: Gateway) -> str:
    """The cookie of a session."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=_PATIENCE)
    try:
        connection.request("GET", _LOGIN)
        page = connection.getresponse()
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.read().decode())
        if found is None:
            raise NotServing(f"{_LOGIN} has no form")
        form = {"username": "admin", "password": PASSWORD, "csrf_token": found[1]}
        headers = {
            "Cookie": _cookie(page),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", _LOGIN, urlencode(form), headers)
        answer = connection.getresponse()
        if answer.status != 302:
            raise NotServing(f"Nobody can sign in: {answer.status}")
        return _cookie(answer)
    finally:
        connection.close()


def _cookie(answer: http.client.HTTPResponse) -> str:
    return (answer.headers["Set-Cookie"] or "").partition(";")[0]


@contextmanager
def _looking(gateway: Gateway, cookie: str) -> Iterator[None]:
    """Pages that are open, and read what they are sent."""
    readers = selectors.DefaultSelector()
    pages = [_opened(gateway.port, cookie) for _ in range(DASHBOARDS)]
    for page in pages:
        readers.register(page, selectors.EVENT_READ)
    closed = threading.Event()
    thread = threading.Thread(target=_read, args=(readers, closed))
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()
        for page in pages:
            page.close()
        readers.close()


def _opened(port: int, cookie: str) -> socket.socket:
    page = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    page.sendall(
        f"GET {_SOCKET} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
        f"Origin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    if not page.recv(64).startswith(b"HTTP/1.1 101"):
        raise NotServing("A dashboard is not let in")
    page.setblocking(False)
    return page


def _read(readers: selectors.BaseSelector, closed: threading.Event) -> None:
    while not closed.is_set():
        for key, _ in readers.select(0.1):
            with suppress(BlockingIOError):
                page = key.fileobj
                assert isinstance(page, socket.socket)
                if not page.recv(1 << 16):
                    readers.unregister(page)
