"""Counters that all workers share: what a call takes is taken together, or not at all.

The rule here is kept by every backend. An owner (a client, or below 0 a stranger whom nobody will
ask for after a day) has one sheet with all its counters. A counter has what was used in this window
and in the one before, and, outside of windows, what is reserved:

    counted = used + ceil(previous × the part of the last window that still overlaps) + reserved

`previous` weighs in rates (windows shorter than a day), so that a burst across a border cannot take
twice the limit, and no clock window lets more than the limit through. Days and months are UTC's and
have no such memory. A gauge has no window: it is only reserved. A refusal changes nothing.

A hold is what a call has reserved. It is settled once: what was held goes, what was used is booked.
Holds belong to a worker that beats; those of one that has ceased are freed.
"""

import calendar
import itertools
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

MINUTE, HOUR, DAY = 60, 3600, 86_400
MONTH, GAUGE = -1, 0
STRANGERS_KEPT = DAY
BEAT_EVERY = 10.0
DEAD_AFTER = 30.0
NEVER = math.inf

Bucket = list[int]  # the window's number, used, previous, reserved
Sheet = dict[str, Bucket]


class StoreAway(Exception):
    """The counters cannot be used now."""


class Limit(NamedTuple):
    """At most `size` within `window` (seconds, MONTH or GAUGE); `name` is its counter's."""

    name: str
    size: int
    window: int


class Charge(NamedTuple):
    """What a call asks of one limit: `fixed`, and `unit` for each of the units that it is granted.

    `held` is reserved until it is settled; what is not held is used at once.
    """

    limit: Limit
    fixed: int
    unit: int = 0
    held: bool = True


class State(NamedTuple):
    """Where a counter stands: `used` counts all, `reserved` is the part held by calls under way.

    `frees_in`: seconds until what was refused fits if no more comes, NEVER if it is larger than the
    limit; `resets_in`: seconds to the end of the window.
    """

    limit: Limit
    used: int
    reserved: int
    frees_in: float
    resets_in: float

    @property
    def remaining(self) -> int:
        return max(0, self.limit.size - self.used)


class Hold(NamedTuple):
    """What a call has reserved, by limit; `holder` and `number` are its name in the store."""

    owner: int
    holder: int
    number: int
    amounts: tuple[tuple[Limit, int], ...]


class Taken(NamedTuple):
    """The outcome: the units granted, or the limit that refused."""

    states: tuple[State, ...]
    units: int = 0
    refused: State | None = None
    hold: Hold | None = None


class Settled(NamedTuple):
    """What becomes of a limit when a call ends: what it held goes, what it used is booked."""

    limit: Limit
    held: int
    used: int


# Many are made for each call, and the names of their fields make the usual way three times as slow.
new_state: Callable[[tuple[Limit, int, int, float, float]], State] = partial(tuple.__new__, State)
new_charge: Callable[[tuple[Limit, int, int, bool]], Charge] = partial(tuple.__new__, Charge)
new_settled: Callable[[tuple[Limit, int, int]], Settled] = partial(tuple.__new__, Settled)


class Counters(Protocol):
    """Each call is atomic over all workers. Raises StoreAway when the store cannot be used."""

    holder: int

    def reserve(
        self,
        owner: int,
        charges: Sequence[Charge],
        wanted: int = 0,
        least: int = 0,
        now: float | None = None,
    ) -> Taken:
        """Takes every charge with as many units as fit, `least` to `wanted`; or nothing."""

    def settle(
        self, owner: int, hold: Hold | None, ends: Sequence[Settled], now: float | None = None
    ) -> None:
        """Books what was used; gives back what is held, if the store still knows the hold."""

    def look(self, owner: int, limits: Sequence[Limit], now: float | None = None) -> Taken:
        """Where the limits stand, and which of them has no room."""

    def look_all(
        self, asked: Sequence[tuple[int, Sequence[Limit]]], now: float | None = None
    ) -> list[Taken]:
        """The same of many owners, in one read."""

    def beat(self, now: float | None = None) -> None:
        """Says that this holder lives."""

    def free(self, now: float | None = None) -> int:
        """Frees the holds of holders that have ceased to beat; gives their number."""

    def leave(self) -> None:
        """Says that this holder ends: what it may still hold can be freed."""

    def mark(self, name: str) -> None:
        """Raises the number of a mark: tells the other workers that something changed."""

    def marked(self, name: str) -> int:
        """How often a mark was raised."""

    def note(self, topic: str, name: str, text: str, kept: float, now: float | None = None) -> None:
        """Puts a text where all workers see it, for `kept` seconds; a name has one in a topic."""

    def notes(self, topic: str, now: float | None = None) -> dict[str, str]:
        """The texts of a topic that are kept still, by their names."""

    def prune(self, now: float | None = None) -> int:
        """Takes out sheets that are past; gives their number."""

    def close(self) -> None: ...


# The rule.


class Window(NamedTuple):
    """One of the windows that follow each other, in seconds since the epoch."""

    number: int
    begins: float
    ends: float


_windows: dict[int, Window] = {}


def window_at(length: int, now: float) -> Window:
    """The window of that length (or MONTH, GAUGE) in which a moment lies."""
    found = _windows.get(length)
    if found is None or not found.begins <= now < found.ends:
        found = _windows[length] = _window(length, now)
    return found


def _window(length: int, now: float) -> Window:
    if length > 0:
        number = int(now // length)
        return Window(number, number * length, (number + 1) * length)
    if length == GAUGE:
        return Window(0, -math.inf, math.inf)
    year, month, *_ = time.gmtime(now)
    begins = calendar.timegm((year, month, 1, 0, 0, 0))
    ends = calendar.timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0))
    return Window(year * 12 + month, begins, ends)


def overlap(length: int, ends: float, now: float) -> float:
    """The part of the last window that counts: none but in rates."""
    return (ends - now) / length if 0 < length < DAY else 0.0


def at(bucket: Bucket | None, number: int) -> Bucket:
    """The same counter seen from window `number`; the bucket itself, if it is that window's.

    A worker whose clock is a little behind counts in the window that another has begun.
    """
    if bucket is None:
        return [number, 0, 0, 0]
    then, used, _, reserved = bucket
    if then in (number, number + 1):
        return bucket
    return [number, 0, used if then == number - 1 else 0, reserved]


def take(
    sheet: Sheet, charges: Sequence[Charge], wanted: int, least: int, now: float
) -> tuple[Taken, tuple[tuple[Limit, int], ...]]:
    """Reserves and spends in the sheet if every charge fits; gives the amounts held, too."""
    found, units, fits = [], wanted, True
    for limit, fixed, unit, _ in charges:
        standing = _stand(sheet, limit, now)
        found.append(standing)
        room = limit[1] - standing[1] - fixed
        if room < 0 or room < unit * least:
            fits = False
        elif room < unit * units:
            units = room // unit
    if not fits:
        return _refused(charges, found, least), ()
    states, amounts = [], []
    for (limit, fixed, unit, held), (bucket, counted, resets_in) in zip(
        charges, found, strict=True
    ):
        amount = fixed + unit * units
        if held:
            amounts.append((limit, amount))
            bucket[3] += amount
        else:
            bucket[1] += amount
        sheet[limit[0]] = bucket
        states.append(new_state((limit, counted + amount, bucket[3], 0.0, resets_in)))
    return Taken(tuple(states), units), tuple(amounts)


def _refused(charges: Sequence[Charge], found: "Sequence[_Standing]", least: int) -> Taken:
    states, full = [], []
    for (limit, fixed, unit, _), standing in zip(charges, found, strict=True):
        states.append(_state(limit, fixed, standing))
        at_least = _state(limit, fixed + unit * least, standing)
        if at_least.frees_in:
            full.append(at_least)
    return Taken(tuple(states), 0, max(full, key=_longest))


def look(sheet: Sheet, limits: Sequence[Limit], now: float) -> Taken:
    states = tuple(_state(limit, 1, _stand(sheet, limit, now)) for limit in limits)
    full = [state for state in states if state.frees_in]
    return Taken(states, refused=max(full, key=_longest) if full else None)


def settle(sheet: Sheet, ends: Sequence[Settled], now: float, *, held: bool) -> None:
    """Books what was used, and gives back what was held if the store still holds it."""
    for (name, _, window), amount, spent in ends:
        bucket = at(sheet.get(name), window_at(window, now)[0])
        if held:
            bucket[3] -= amount
        used = bucket[1] + spent
        bucket[1] = used if used > 0 else 0
        sheet[name] = bucket


def release(sheet: Sheet, amounts: Mapping[str, int]) -> None:
    """Frees the amounts of a hold whose worker is gone."""
    for name, amount in amounts.items():
        sheet[name][3] -= amount


_Standing = tuple[Bucket, int, float]  # what counts of it, and when its window ends


def _stand(sheet: Sheet, limit: Limit, now: float) -> _Standing:
    name, _, window = limit
    now_number, _, ends = window_at(window, now)
    bucket = sheet.get(name)
    if bucket is None or bucket[0] != now_number:
        bucket = at(bucket, now_number)
    number, used, previous, reserved = bucket
    counted = used + reserved
    if previous and 0 < window < DAY:
        part = overlap(window, ends, now) if number == now_number else 1.0
        counted += math.ceil(previous * part)
    return bucket, counted, ends - now


def _state(limit: Limit, need: int, standing: _Standing) -> State:
    bucket, counted, resets_in = standing
    frees_in = 0.0
    if counted + need > limit.size:
        frees_in = _frees_in(limit, bucket, limit.size - need, resets_in)
    return State(limit, counted, bucket[3], frees_in, resets_in)


def _frees_in(limit: Limit, bucket: Bucket, room: int, resets_in: float) -> float:
    """Seconds until no more than `room` counts, if nothing else comes.

    When calls under way give back what they hold is not known: soon.
    """
    _, used, previous, _ = bucket
    soon = 1.0
    if room < 0:
        return NEVER
    if limit.window == GAUGE:
        return soon
    if used > room:
        if limit.window in (DAY, MONTH):
            return resets_in
        # This window is full of its own; it is the next one's past.
        return resets_in + limit.window * (1 - room / used)
    if limit.window in (DAY, MONTH) or not previous:
        return soon
    # The last window's share shrinks until it leaves room beside this one's.
    return max(0.0, resets_in - limit.window * (room - used) / previous) or soon


def _longest(state: State) -> float:
    return state.frees_in


def new_holder() -> int:
    """A worker's name among all that share the counters."""
    return secrets.randbits(62)


class MemoryCounters:
    """Counters of one worker alone; also what is counted with while the shared ones are away."""

    def __init__(self) -> None:
        self.holder = new_holder()
        self._numbers = itertools.count(1)
        self._sheets: dict[int, Sheet] = {}
        self._strangers: dict[int, float] = {}
        self._holds: dict[tuple[int, int], Hold] = {}
        self._beats: dict[int, float] = {}
        self._marks: dict[str, int] = {}
        self._notes: dict[tuple[str, str], tuple[str, float]] = {}

    def reserve(
        self,
        owner: int,
        charges: Sequence[Charge],
        wanted: int = 0,
        least: int = 0,
        now: float | None = None,
    ) -> Taken:
        now = time.time() if now is None else now
        taken, amounts = take(self._sheet(owner, now), charges, wanted, least, now)
        if not amounts:
            return taken
        hold = Hold(owner, self.holder, next(self._numbers), amounts)
        self._holds[hold.holder, hold.number] = hold
        self._beats.setdefault(self.holder, now)
        return taken._replace(hold=hold)

    def settle(
        self, owner: int, hold: Hold | None, ends: Sequence[Settled], now: float | None = None
    ) -> None:
        known = hold and self._holds.pop((hold.holder, hold.number), None)
        now = time.time() if now is None else now
        settle(self._sheet(owner, now), ends, now, held=known is not None)

    def look(self, owner: int, limits: Sequence[Limit], now: float | None = None) -> Taken:
        return look(self._sheets.get(owner, {}), limits, time.time() if now is None else now)

    def look_all(
        self, asked: Sequence[tuple[int, Sequence[Limit]]], now: float | None = None
    ) -> list[Taken]:
        return [self.look(owner, limits, now) for owner, limits in asked]

    def beat(self, now: float | None = None) -> None:
        self._beats[self.holder] = time.time() if now is None else now

    def free(self, now: float | None = None) -> int:
        since = (time.time() if now is None else now) - DEAD_AFTER
        dead = [name for name in self._holds if self._beats.get(name[0], 0) < since]
        for name in dead:
            hold = self._holds.pop(name)
            release(self._sheets[hold.owner], {limit.name: held for limit, held in hold.amounts})
        return len(dead)

    def leave(self) -> None:
        self._beats[self.holder] = 0

    def mark(self, name: str) -> None:
        self._marks[name] = self.marked(name) + 1

    def marked(self, name: str) -> int:
        return self._marks.get(name, 0)

    def note(self, topic: str, name: str, text: str, kept: float, now: float | None = None) -> None:
        self._notes[topic, name] = text, (time.time() if now is None else now) + kept

    def notes(self, topic: str, now: float | None = None) -> dict[str, str]:
        now = time.time() if now is None else now
        self._notes = {key: note for key, note in self._notes.items() if note[1] > now}
        return {name: text for (about, name), (text, _) in self._notes.items() if about == topic}

    def prune(self, now: float | None = None) -> int:
        since = (time.time() if now is None else now) - STRANGERS_KEPT
        past = [owner for owner, touched in self._strangers.items() if touched < since]
        for owner in past:
            del self._strangers[owner], self._sheets[owner]
        return len(past)

    def close(self) -> None:
        self._sheets.clear()

    def _sheet(self, owner: int, now: float) -> Sheet:
        if owner < 0:
            self._strangers[owner] = now
        return self._sheets.setdefault(owner, {})
