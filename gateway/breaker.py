"""Spares targets that keep failing: one that has failed often is asked again only now and then.

closed ── `failures` in a row ──> open ── `pause` seconds ──> one call probes
  ^                                ^                             │
  └────────── it answered ─────────│──────── it failed ──────────┘
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import Breaker as Settings
from gateway.errors import (
    UpstreamError,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamUnauthorized,
)

Place = tuple[str, str, str]
"""A target whoever asks: provider, address, model."""

_MOST_KNOWN = 1_000
_REASON_SIZE = 300
# The fault of the key, which is one client's own; the place may be well.
_OF_THE_KEY = (UpstreamUnauthorized, UpstreamQuotaExceeded, UpstreamRateLimited)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Ailing:
    failures: int = 0
    rests_until: float = 0.0
    is_open: bool = False


class Breaker:
    """What this worker knows of targets that fail. `told` hears of each that opens or closes."""

    def __init__(
        self,
        settings: Settings,
        told: Callable[[str, str, bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._told = told
        self._clock = clock
        self._ailing: dict[Place, _Ailing] = {}

    def allows(self, place: Place) -> bool:
        """Whether a call may go there. One that may although it is open is the probe."""
        ailing = self._ailing.get(place)
        if ailing is None or not ailing.is_open:
            return True
        now = self._clock()
        if now < ailing.rests_until:
            return False
        # Nobody else until the probe is back, or has been lost for as long.
        ailing.rests_until = now + self._settings.pause
        return True

    def answered(self, place: Place) -> None:
        """It gave an answer, be it a refusal."""
        if self._ailing and (ailing := self._ailing.pop(place, None)) and ailing.is_open:
            _log.warning("%s answers again for %s", place[0], place[2])
            self._told(place[0], place[2], False)

    def failed(self, place: Place, error: UpstreamError) -> None:
        """It gave this error: a failure of its own, or one that shows it well."""
        if error.sticky:
            self.answered(place)
        if error.sticky or error.status < 500 or isinstance(error, _OF_THE_KEY):
            return
        ailing = self._ailing.get(place) or self._begun(place)
        ailing.failures += 1
        if ailing.failures < self._settings.failures:
            return
        ailing.rests_until = self._clock() + self._settings.pause
        if not ailing.is_open:
            ailing.is_open = True
            _log.warning(
                "%s keeps failing for %s, and is passed over for %g s where there is another: %s",
                place[0],
                place[2],
                self._settings.pause,
                error.message[:_REASON_SIZE],
            )
            self._told(place[0], place[2], True)

    def _begun(self, place: Place) -> _Ailing:
        if len(self._ailing) >= _MOST_KNOWN:
            (oldest, ailing) = next(iter(self._ailing.items()))
            del self._ailing[oldest]
            if ailing.is_open:
                self._told(oldest[0], oldest[2], False)
        begun = self._ailing[place] = _Ailing()
        return begun
