"""The calls that are under way: this worker's own, and those of all workers while somebody looks.

A worker keeps its own in a dict. It tells the others of them only while a note of those who look is
there; with the same look at the notes, it learns which of its calls are to be cancelled.
"""

import logging
import math
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import orjson

from gateway.store.counters import StoreAway
from gateway.store.shared import Shared

MOST = 200
"""So many of a worker's calls are told, the oldest first, and so many are shown of them all."""
_ASKED, _CALLS, _CANCELLED = "calls-asked", "calls", "calls-cancelled"
_LOOK = "look"
_LOOKED_FOR = 10.0
_LOOK_AGAIN = 2.0
_TOLD_FOR = 4.0  # a worker that has died is seen for no longer
_CANCEL_FOR = 10.0
_PATIENCE = 2.0
_ASK_AGAIN = 0.1
_log = logging.getLogger(__name__)


class Call(Protocol):
    """An exchange while it is under way."""

    def told(self) -> dict[str, Any]:
        """What is shown of it, as JSON takes it; `request_id` and `started_at` are among it."""

    def cancel(self) -> None:
        """Ends it; asked again, it no longer minds whether the client reads."""


class Seen(NamedTuple):
    """`calls`: the oldest first, at most MOST of the `total`. `alone`: others' are not known."""

    calls: list[dict[str, Any]]
    total: int
    alone: bool


class InFlight:
    """`calls` holds this worker's own by their ids: exchanges put themselves in and out."""

    def __init__(self, shared: Shared) -> None:
        self.calls: dict[str, Call] = {}
        self._shared = shared
        self._looked_at = -math.inf
        self._has_told = False

    def look(self, patience: float = 0.0) -> Seen:
        """All calls of all workers.

        Workers begin to tell when somebody looks: who comes first may wait so many seconds.
        """
        try:
            if self._announce() and patience:
                time.sleep(patience)
            others = self._shared.notes(_CALLS)
        except StoreAway:
            return _seen([self._told()], alone=True)
        others.pop(str(self._shared.holder), None)
        return _seen([self._told(), *map(orjson.loads, others.values())])

    def cancel(self, request_id: str) -> bool:
        """Whether it was under way, and ends now. Raises StoreAway if others cannot be asked."""
        mine = self.calls.get(request_id)
        if mine is not None:
            mine.cancel()
        before, mark = None, secrets.token_hex(4)
        try:
            before = self._shared.notes(_CANCELLED).get(request_id)
            self._shared.note(_ASKED, request_id, mark, _CANCEL_FOR)
            if mine is not None:
                self._shared.note(_CANCELLED, request_id, mark, _CANCEL_FOR)
        except StoreAway:
            if mine is None:
                raise
        return mine is not None or self._is_cancelled(request_id, before)

    def tend(self) -> None:
        """One look at what others ask for: cancels calls, tells of calls."""
        try:
            asked = self._shared.notes(_ASKED)
            for request_id in self.calls.keys() & asked.keys():
                if (call := self.calls.get(request_id)) is not None:
                    call.cancel()
                    self._shared.note(_CANCELLED, request_id, asked[request_id], _CANCEL_FOR)
            if _LOOK in asked:
                self._tell()
        except StoreAway:
            pass  # the shared state says so itself
        except Exception:
            _log.exception("Calls under way cannot be told of")

    def _announce(self) -> bool:
        """Says that somebody looks; gives whether nobody did until now."""
        now = time.monotonic()
        if now < self._looked_at + _LOOK_AGAIN:
            return False
        is_new = _LOOK not in self._shared.notes(_ASKED)
        self._shared.note(_ASKED, _LOOK, "", _LOOKED_FOR)
        self._looked_at = now
        return is_new

    def _is_cancelled(self, request_id: str, before: str | None) -> bool:
        """Waits for an answer, be it to another who asks at the same time; `before`: the last."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._shared.notes(_CANCELLED).get(request_id, before) != before:
                return True
            time.sleep(_ASK_AGAIN)
        return False

    def _tell(self) -> None:
        if self.calls or self._has_told:
            text = orjson.dumps(self._told()).decode()
            self._shared.note(_CALLS, str(self._shared.holder), text, _TOLD_FOR)
            self._has_told = bool(self.calls)

    def _told(self) -> dict[str, Any]:
        # They were put in as they came.
        oldest = [call for call, _ in zip(self.calls.values(), range(MOST), strict=False)]
        return {"count": len(self.calls), "calls": [call.told() for call in oldest]}


def _seen(workers: Sequence[dict[str, Any]], *, alone: bool = False) -> Seen:
    calls: Iterable[dict[str, Any]] = (call for one in workers for call in one["calls"])
    oldest = sorted(calls, key=lambda call: (call["started_at"], call["request_id"]))
    return Seen(oldest[:MOST], sum(one["count"] for one in workers), alone)
