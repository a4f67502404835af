"""A request as it arrived upstream, and what became of its answer."""

import json
import os
import threading
import time
from functools import cached_property
from typing import Any


class Gate:
    """Where an answer waits for the test; a release that comes before the wait is not lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: tuple[int, int] | None = None
        self._closed = False

    def release(self) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._ends()[1], b".")

    def fileno(self) -> int:
        """A descriptor that can be read when there is a release to take."""
        with self._lock:
            return self._ends()[0]

    def take(self) -> None:
        os.read(self.fileno(), 1)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for end in self._pipe or ():
                os.close(end)
            self._pipe = None

    def _ends(self) -> tuple[int, int]:
        self._pipe = self._pipe or os.pipe()
        return self._pipe


class Received:
    """`answered` is set when the answer went out as scripted, its faults included; `hung_up` when
    the peer closed the connection before that (at the monotonic time `hung_up_at`).

    `connection` counts the upstream's connections from 1.
    """

    def __init__(
        self,
        method: str,
        target: str,
        header_pairs: list[tuple[str, str]],
        body: bytes,
        *,
        last: bool,
        connection: int,
    ) -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.header_pairs = header_pairs
        self.body = body
        self.last = last  # the peer wants no other answer on this connection
        self.connection = connection
        self.at = time.monotonic()
        self.answered = threading.Event()
        self.hung_up = threading.Event()
        self.hung_up_at: float | None = None
        self.gate = Gate()

    @cached_property
    def headers(self) -> dict[str, str]:
        """By lower-case name; repeated headers are joined by a comma."""
        headers: dict[str, str] = {}
        for name, value in self.header_pairs:
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    @cached_property
    def json(self) -> Any:
        """The body's value; None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def model(self) -> str | None:
        model = self.json.get("model") if isinstance(self.json, dict) else None
        return model if isinstance(model, str) else None

    @property
    def keys(self) -> set[str]:
        """Every API key that the request carries in its headers."""
        scheme, _, bearer = self.headers.get("authorization", "").partition(" ")
        names = ("api-key", "x-api-key", "x-goog-api-key")
        keys = {self.headers.get(name, "") for name in names}
        return (keys | {bearer if scheme.lower() == "bearer" else ""}) - {""}

    def release(self) -> None:
        """Let the answer pass one `hang`, be it there already or not."""
        self.gate.release()

    def note_hang_up(self) -> None:
        self.hung_up_at = time.monotonic()
        self.hung_up.set()

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} model={self.model} connection={self.connection}>"
