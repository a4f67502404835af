"""What all workers must see at once: counters, the sequence of changes to clients, and notes.

One small interface over the shared store. When the store cannot be used (a full disk, a lock that
stays, a Redis that is away), calls go on: this worker counts by itself, `degraded` says so, and
what the store has missed is booked there when it is back.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from gateway.store.counters import (
    BEAT_EVERY,
    DAY,
    MONTH,
    Charge,
    Counters,
    Hold,
    Limit,
    MemoryCounters,
    Settled,
    StoreAway,
    Taken,
)

CLIENTS = "clients"
_ENDED = "session:{}"
LOOK_EVERY = 5.0
_RETRY_AFTER = 5.0
_MOST_OWED = 100_000
_log = logging.getLogger(__name__)


class Shared:
    """The shared state of all workers, in a store of theirs."""

    def __init__(self, store: Counters, told: Callable[[bool], None] = lambda degraded: None):
        self.degraded: str | None = None
        self._store = store
        self._told = told
        self._local = MemoryCounters()
        self._retry_at = 0.0
        self._beat_at = 0.0
        # Ends of calls that the store has not heard of, and what was counted without it.
        self._owed: deque[tuple[Hold, Sequence[Settled]]] = deque(maxlen=_MOST_OWED)
        self._missed: Counter[tuple[int, Limit]] = Counter()

    def reserve(
        self, owner: int, charges: Sequence[Charge], wanted: int = 0, least: int = 0
    ) -> Taken:
        """Takes a call's charges, with as many units as fit; or none of them."""
        if self._is_worth_a_try():
            try:
                taken = self._store.reserve(owner, charges, wanted, least)
            except StoreAway as error:
                self._degrade(error)
            else:
                self._recover()
                return taken
        taken = self._local.reserve(owner, charges, wanted, least)
        if taken.refused is None:
            self._miss(owner, [(one.limit, one.fixed) for one in charges if not one.held])
        return taken

    def settle(self, hold: Hold, ends: Sequence[Settled]) -> None:
        """Ends a hold: what it held goes, what was used is booked; later, if not now."""
        if hold.holder == self._local.holder:
            self._local.settle(hold.owner, hold, ends)
            self._miss(hold.owner, [(end.limit, end.used) for end in ends])
            return
        try:
            self._store.settle(hold.owner, hold, ends)
        except StoreAway as error:
            self._degrade(error)
            self._owed.append((hold, ends))
        except BaseException:
            # Interrupted; to settle twice does no harm.
            self._owed.append((hold, ends))
            raise

    def give_back(self, owner: int, limits: Sequence[Limit]) -> None:
        """Takes one off each counter: the call was refused after it had been counted."""
        ends = [Settled(limit, 0, -1) for limit in limits]
        if self._is_worth_a_try():
            try:
                self._store.settle(owner, None, ends)
                return
            except StoreAway as error:
                self._degrade(error)
        self._local.settle(owner, None, ends)
        self._miss(owner, [(limit, -1) for limit in limits])

    def look(self, owner: int, limits: Sequence[Limit]) -> Taken:
        """Where limits stand; nothing changes."""
        if self._is_worth_a_try():
            try:
                return self._store.look(owner, limits)
            except StoreAway as error:
                self._degrade(error)
        return self._local.look(owner, limits)

    def look_all(self, asked: Sequence[tuple[int, Sequence[Limit]]]) -> list[Taken]:
        """The same of many owners, in one read."""
        if self._is_worth_a_try():
            try:
                return self._store.look_all(asked)
            except StoreAway as error:
                self._degrade(error)
        return self._local.look_all(asked)

    def bump(self) -> None:
        """Tells every worker that a client has changed.

        Where it cannot, the change is done all the same, and `degraded` says what is amiss.
        """
        try:
            self._store.mark(CLIENTS)
        except StoreAway as error:
            self._degrade(error)

    def sequence(self) -> int:
        """A number that differs after each change. Raises StoreAway if it cannot be read."""
        try:
            return self._store.marked(CLIENTS)
        except StoreAway as error:
            self._degrade(error)
            raise

    def end_session(self, session: str) -> None:
        """Tells every worker that a session is over."""
        try:
            self._store.mark(_ENDED.format(session))
        except StoreAway as error:
            self._degrade(error)

    def has_ended(self, session: str) -> bool:
        """Whether a session is over, as far as can be told."""
        try:
            return self._store.marked(_ENDED.format(session)) > 0
        except StoreAway as error:
            self._degrade(error)
            return False

    @property
    def holder(self) -> int:
        """This worker's name in the store."""
        return self._store.holder

    def note(self, topic: str, name: str, text: str, kept: float) -> None:
        """Tells every worker something for so many seconds. Raises StoreAway if it cannot."""
        try:
            self._store.note(topic, name, text, kept)
        except StoreAway as error:
            self._degrade(error)
            raise

    def notes(self, topic: str) -> dict[str, str]:
        """What was told under a topic, by name. Raises StoreAway if it cannot be read."""
        try:
            return self._store.notes(topic)
        except StoreAway as error:
            self._degrade(error)
            raise

    def keep(self) -> None:
        """Keeps this worker's holds, frees those of workers that are gone; never ends."""
        while True:
            try:
                self.tend()
            except Exception:  # who stops to beat loses what its calls hold
                _log.exception("An error in keeping the shared counters")
            time.sleep(LOOK_EVERY)

    def tend(self) -> None:
        """One round of `keep`; also books what the store has missed."""
        try:
            if time.monotonic() >= self._beat_at:
                self._store.beat()
                # A little early rather than a whole round late.
                self._beat_at = time.monotonic() + BEAT_EVERY - LOOK_EVERY / 2
            if freed := self._store.free():
                _log.warning("Freed what %d calls of ended workers had reserved", freed)
            self._catch_up()
        except StoreAway as error:
            self._degrade(error)
        else:
            self._recover()

    def prune(self) -> None:
        """Takes out counters of the past."""
        self._local.prune()
        try:
            self._store.prune()
        except StoreAway as error:
            self._degrade(error)

    def close(self) -> None:
        try:
            self._catch_up()
            self._store.leave()
        except StoreAway as error:
            _log.warning("The shared counters have not heard of the last calls: %s", error)
        self._store.close()

    def _is_worth_a_try(self) -> bool:
        if self.degraded is None:
            return True
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = time.monotonic() + _RETRY_AFTER  # one call tries, the others go on
        return True

    def _miss(self, owner: int, amounts: Sequence[tuple[Limit, int]]) -> None:
        """Notes what the store must hear of later; minutes and hours will be past by then."""
        for limit, amount in amounts:
            if amount and limit.window in (DAY, MONTH):
                self._missed[owner, limit] += amount

    def _catch_up(self) -> None:
        while self._owed:
            hold, ends = self._owed[0]
            self._store.settle(hold.owner, hold, ends)
            self._owed.popleft()
        while self._missed:
            (owner, limit), amount = next(iter(self._missed.items()))
            self._store.settle(owner, None, [Settled(limit, 0, amount)])
            self._missed[owner, limit] -= amount
            if not self._missed[owner, limit]:
                del self._missed[owner, limit]

    def _recover(self) -> None:
        if self.degraded is not None:
            _log.warning("The shared counters can be used again")
            self.degraded = None
            self._told(False)

    def _degrade(self, error: StoreAway) -> None:
        if self.degraded is None:
            _log.warning("The shared counters cannot be used, counting in this worker: %s", error)
            self._told(True)
        self.degraded = f"counters: {error}"
        self._retry_at = time.monotonic() + _RETRY_AFTER
