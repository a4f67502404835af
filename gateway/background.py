"""Work that goes on as long as its worker, whatever fails in it."""

import logging
import time
from collections.abc import Callable

_PAUSE = 1.0
_TOLD_EVERY = 600.0
_log = logging.getLogger(__name__)


def keep_going(work: Callable[[], None], pause: float = _PAUSE) -> None:
    """Does work that is not meant to end, and begins it anew when it fails. The log is told of
    each kind of failure once in a while, so that it cannot be flooded.
    """
    told: dict[type[Exception], float] = {}
    while True:
        try:
            return work()
        except Exception as error:
            now, kind = time.monotonic(), type(error)
            if kind not in told or now >= told[kind] + _TOLD_EVERY:
                told[kind] = now
                _log.exception("An error in %s, which goes on", work.__qualname__)
            time.sleep(pause)
