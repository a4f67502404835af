"""Notices that a client has hung up, without a greenlet or a timer for each call.

One poll over all sockets, four times a second. A client that has only closed its sending side
still reads, and looks just the same at first; so it is sent something harmless: who has gone
answers that with a reset, who still reads does not.
"""

import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gevent.monkey import get_original

INTERVAL = 0.25
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Watched:
    """`probe`: what may be sent without harm, None if nothing may; `is_quiet`: nothing else is."""

    socket: Any
    on_gone: Callable[[], None]
    probe: bytes | None
    is_quiet: Callable[[], bool]
    probed: bool = False


class HangupWatch:
    """The sockets of all calls of a worker that are being answered."""

    def __init__(self) -> None:
        # The C poll: gevent's own would wait by itself, one watcher a socket.
        self._poll: Any = get_original("select", "poll")()
        self._watched: dict[int, Watched] = {}

    def add(
        self,
        socket: Any,
        on_gone: Callable[[], None],
        probe: bytes | None,
        is_quiet: Callable[[], bool] = lambda: True,
    ) -> Watched:
        """Calls `on_gone` once, from the watching greenlet, when the peer has gone.

        A peer that is being sent to is not probed: it would get the probe in the middle of that,
        and if it has gone, that fails by itself.
        """
        watched = Watched(socket, on_gone, probe, is_quiet)
        descriptor = socket.fileno()
        self._watched[descriptor] = watched
        self._poll.register(descriptor, select.POLLRDHUP)
        return watched

    def remove(self, watched: Watched) -> None:
        descriptor = watched.socket.fileno()
        if self._watched.get(descriptor) is watched:
            del self._watched[descriptor]
            self._poll.unregister(descriptor)

    def look(self) -> None:
        """One look at all of them."""
        for descriptor, event in self._poll.poll(0):
            watched = self._watched.get(descriptor)
            if watched is None:
                self._poll.unregister(descriptor)
            elif event & _GONE or watched.probed or watched.probe is None:
                self._gone(descriptor, watched)
            elif watched.is_quiet():
                self._ask(descriptor, watched)

    def _ask(self, descriptor: int, watched: Watched) -> None:
        assert watched.probe is not None
        try:
            # Not by gevent, which would wait until the peer reads, and watch nobody else.
            os.write(descriptor, watched.probe)
        except BlockingIOError:
            return
        except OSError:
            self._gone(descriptor, watched)
            return
        watched.probed = True
        # From now on only a reset tells; a half-closed side would be reported for ever.
        self._poll.modify(descriptor, 0)

    def _gone(self, descriptor: int, watched: Watched) -> None:
        del self._watched[descriptor]
        self._poll.unregister(descriptor)
        watched.on_gone()
