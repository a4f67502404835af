"""What an upstream's answer offers while it arrives."""

from collections.abc import Mapping
from typing import Protocol

READ_SIZE = 64 * 1024
"""Bytes that are taken from a socket at once."""


class Silence(Exception):
    """Nothing came within the time that was given; the answer may still come."""


class Answer(Protocol):
    """An upstream's answer while it arrives.

    `status` and `headers` (lower-case names) hold once `read_head` has returned. `read_block`
    gives what has arrived, b"" at the end. Both wait `timeout` seconds at most and then raise
    Silence, after which they may be called again; a failure raises UpstreamError. `close` is
    owed by who opened it, may come at any time and from another greenlet, and twice.
    """

    status: int
    connect: float | None
    """Seconds that its connection took, if one was made for it."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def complete(self) -> bool:
        """Whether its end is here already, so that what is left can be read without waiting."""

    def read_head(self, timeout: float) -> None: ...

    def read_block(self, timeout: float) -> bytes: ...

    def close(self) -> None: ...
