"""Counters in Redis, for workers on several boxes; the rule of `counters.py` once more, in Lua.

ai-gateway:sheet:<owner>        a hash: counter → its bucket, "number used previous reserved"
ai-gateway:holds:<holder>       a hash: number of a hold → its owner and amounts
ai-gateway:holders              a sorted set: holder → its last beat
ai-gateway:ended:<holder>:<n>   a hold was settled; a repetition does nothing
ai-gateway:mark:<name>          how often a mark was raised
ai-gateway:notes:<topic>        a hash: name → when its note ends, and the note

Each call is one script, so it is atomic. Timeouts are short; what a script may have reserved when
its answer did not come in time is cancelled with the next beat.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import orjson

from gateway.store import counters
from gateway.store.counters import (
    DAY,
    DEAD_AFTER,
    MINUTE,
    STRANGERS_KEPT,
    Charge,
    Hold,
    Limit,
    Settled,
    Sheet,
    StoreAway,
    Taken,
    new_holder,
    overlap,
    window_at,
)
from gateway.store.redis_client import FAILURES, TIMEOUT, connected

_KEPT = 63 * DAY
_REMEMBERED = 10 * MINUTE  # that a hold has ended, for the case that it is told again
_PREFIX = "ai-gateway"

_BUCKETS = """
local function bucket(text, number)
  if not text then return number, 0, 0, 0 end
  local t, u, p, r = string.match(text, '(%S+) (%S+) (%S+) (%S+)')
  t, u, p, r = tonumber(t), tonumber(u), tonumber(p), tonumber(r)
  if t == number or t == number + 1 then return t, u, p, r end
  if t == number - 1 then return number, 0, u, r end
  return number, 0, 0, r
end
local function written(t, u, p, r)
  return string.format('%.0f %.0f %.0f %.0f', t, u, p, r)
end
local function released(key, name, amount)
  local text = redis.call('HGET', key, name)
  if text then
    local t, u, p, r = string.match(text, '(%S+) (%S+) (%S+) (%S+)')
    redis.call('HSET', key, name, written(t, u, p, tonumber(r) - amount))
  end
end
local function freed(prefix, holder, number, text)
  local hold = cjson.decode(text)
  for name, amount in pairs(hold.amounts) do
    released(prefix .. ':sheet:' .. hold.owner, name, amount)
  end
  redis.call('HDEL', prefix .. ':holds:' .. holder, number)
end
"""
# KEYS: sheet, holds, holders. Gives the buckets as they were.
_RESERVE = (
    _BUCKETS
    + """
local asked = cjson.decode(ARGV[1])
local names = {}
for i, c in ipairs(asked.charges) do names[i] = c[1] end
local before = redis.call('HMGET', KEYS[1], unpack(names))
local found, units = {}, asked.wanted
for i, c in ipairs(asked.charges) do
  local size, number, overlap, fixed, unit = c[2], c[3], c[4], c[5], c[6]
  local t, u, p, r = bucket(before[i], number)
  local counted = u + r
  if overlap > 0 then
    if t ~= number then overlap = 1 end
    counted = counted + math.ceil(p * overlap)
  end
  local room = size - counted - fixed
  if room < unit * asked.least or room < 0 then return before end
  if unit > 0 then units = math.min(units, math.floor(room / unit)) end
  found[i] = {t, u, p, r}
end
local fields, amounts, holds = {}, {}, false
for i, c in ipairs(asked.charges) do
  local t, u, p, r = unpack(found[i])
  local amount = c[5] + c[6] * units
  if c[7] then
    r = r + amount
    amounts[c[1]] = amount
    holds = true
  else
    u = u + amount
  end
  fields[#fields + 1] = c[1]
  fields[#fields + 1] = written(t, u, p, r)
end
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('EXPIRE', KEYS[1], asked.kept)
if holds then
  local hold = cjson.encode({owner = asked.owner, amounts = amounts})
  redis.call('HSET', KEYS[2], asked.number, hold)
  redis.call('ZADD', KEYS[3], 'NX', asked.now, asked.holder)
end
return before
"""
)
# KEYS: sheet, holds, ended.
_SETTLE = (
    _BUCKETS
    + """
local told = cjson.decode(ARGV[1])
local held = false
if told.number then
  held = redis.call('HDEL', KEYS[2], told.number) == 1
  if not held and redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
  redis.call('SET', KEYS[3], '1', 'EX', told.remembered)
end
for _, e in ipairs(told.ends) do
  local t, u, p, r = bucket(redis.call('HGET', KEYS[1], e[1]), e[2])
  u = math.max(0, u + e[4])
  if held then r = r - e[3] end
  redis.call('HSET', KEYS[1], e[1], written(t, u, p, r))
end
redis.call('EXPIRE', KEYS[1], told.kept)
return 1
"""
)
# KEYS: holders. ARGV: the prefix; who has not beaten since is dead; and forgotten.
_FREE = (
    _BUCKETS
    + """
local count = 0
for _, holder in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])) do
  local held = redis.call('HGETALL', ARGV[1] .. ':holds:' .. holder)
  for i = 1, #held, 2 do
    freed(ARGV[1], holder, held[i], held[i + 1])
    count = count + 1
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
return count
"""
)
# KEYS: holders, holds. ARGV: the prefix, holder, now, and the numbers of holds to cancel.
_BEAT = (
    _BUCKETS
    + """
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
for i = 4, #ARGV do
  local text = redis.call('HGET', KEYS[2], ARGV[i])
  if text then freed(ARGV[1], ARGV[2], ARGV[i], text) end
end
return 1
"""
)
# KEYS: notes. ARGV: name, when the note ends, the note, seconds until all of them have ended.
_NOTE = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], math.max(tonumber(ARGV[4]), redis.call('TTL', KEYS[1])))
return 1
"""
# KEYS: notes. ARGV: now. Gives names and notes, and takes out those that have ended.
_NOTES = """
local kept = {}
local found = redis.call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
  local ends, text = string.match(found[i + 1], '^(%S+) (.*)$')
  if tonumber(ends) > tonumber(ARGV[1]) then
    kept[#kept + 1] = found[i]
    kept[#kept + 1] = text
  else
    redis.call('HDEL', KEYS[1], found[i])
  end
end
return kept
"""


class RedisCounters:
    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self._redis = connected(url, timeout)
        register = cast(Callable[[str], Callable[..., Any]], self._redis.register_script)
        self._reserve, self._settle = register(_RESERVE), register(_SETTLE)
        self._free, self._beat = register(_FREE), register(_BEAT)
        self._note, self._notes = register(_NOTE), register(_NOTES)
        self.holder = new_holder()
        self._numbers = itertools.count(1)
        self._doubtful: list[int] = []

    def reserve(
        self,
        owner: int,
        charges: Sequence[Charge],
        wanted: int = 0,
        least: int = 0,
        now: float | None = None,
    ) -> Taken:
        now = time.time() if now is None else now
        number = next(self._numbers)
        asked = {
            "owner": str(owner),
            "holder": str(self.holder),
            "number": str(number),
            "now": now,
            "kept": _kept(owner),
            "wanted": wanted,
            "least": least,
            "charges": [_charge(charge, now) for charge in charges],
        }
        try:
            with self._answers():
                before = self._reserve(
                    keys=[_sheet(owner), self._holds(self.holder), _HOLDERS],
                    args=[orjson.dumps(asked)],
                )
        except BaseException:
            # It may have been reserved all the same; nobody would ever settle it.
            self._doubtful.append(number)
            raise
        sheet = _read([charge.limit for charge in charges], before)
        taken, amounts = counters.take(sheet, charges, wanted, least, now)
        if not amounts:
            return taken
        return taken._replace(hold=Hold(owner, self.holder, number, amounts))

    def settle(
        self, owner: int, hold: Hold | None, ends: Sequence[Settled], now: float | None = None
    ) -> None:
        now = time.time() if now is None else now
        told: dict[str, Any] = {
            "kept": _kept(owner),
            "remembered": _REMEMBERED,
            "ends": [
                (end.limit.name, window_at(end.limit.window, now).number, end.held, end.used)
                for end in ends
            ],
        }
        holder, number = (hold.holder, hold.number) if hold else (0, 0)
        if hold:
            told["number"] = str(number)
        keys = [_sheet(owner), self._holds(holder), f"{_PREFIX}:ended:{holder}:{number}"]
        with self._answers():
            self._settle(keys=keys, args=[orjson.dumps(told)])

    def look(self, owner: int, limits: Sequence[Limit], now: float | None = None) -> Taken:
        with self._answers():
            found = self._redis.hmget(_sheet(owner), [limit.name for limit in limits])
        sheet = _read(limits, cast(list[bytes | None], found))
        return counters.look(sheet, limits, time.time() if now is None else now)

    def look_all(
        self, asked: Sequence[tuple[int, Sequence[Limit]]], now: float | None = None
    ) -> list[Taken]:
        with self._answers(), self._redis.pipeline(transaction=False) as pipeline:
            for owner, limits in asked:
                pipeline.hmget(_sheet(owner), [limit.name for limit in limits])
            found = pipeline.execute()
        moment = time.time() if now is None else now
        return [
            counters.look(_read(limits, values), limits, moment)
            for (_, limits), values in zip(asked, found, strict=True)
        ]

    def beat(self, now: float | None = None) -> None:
        now = time.time() if now is None else now
        doubtful, self._doubtful = self._doubtful, []
        try:
            with self._answers():
                self._beat(
                    keys=[_HOLDERS, self._holds(self.holder)],
                    args=[_PREFIX, str(self.holder), now, *map(str, doubtful)],
                )
        except BaseException:
            self._doubtful += doubtful
            raise

    def free(self, now: float | None = None) -> int:
        since = (time.time() if now is None else now) - DEAD_AFTER
        with self._answers():
            return int(self._free(keys=[_HOLDERS], args=[_PREFIX, since, since - _KEPT]))

    def leave(self) -> None:
        with self._answers():
            self._redis.zadd(_HOLDERS, {str(self.holder): 0})

    def mark(self, name: str) -> None:
        with self._answers():
            self._redis.incr(_mark(name))

    def marked(self, name: str) -> int:
        with self._answers():
            return int(cast(bytes | None, self._redis.get(_mark(name))) or 0)

    def note(self, topic: str, name: str, text: str, kept: float, now: float | None = None) -> None:
        now = time.time() if now is None else now
        with self._answers():
            self._note(keys=[_notes(topic)], args=[name, now + kept, text, math.ceil(kept)])

    def notes(self, topic: str, now: float | None = None) -> dict[str, str]:
        with self._answers():
            found = self._notes(keys=[_notes(topic)], args=[time.time() if now is None else now])
        texts = [one.decode() for one in cast(list[bytes], found)]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def prune(self, now: float | None = None) -> int:
        """Nothing: what is past expires by itself."""
        return 0

    def close(self) -> None:
        self._redis.close()

    def _holds(self, holder: int) -> str:
        return f"{_PREFIX}:holds:{holder}"

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Tells the failures of Redis as StoreAway; its words might name the address."""
        try:
            yield
        except FAILURES as error:
            raise StoreAway(f"Redis: {type(error).__name__}") from error


_HOLDERS = f"{_PREFIX}:holders"


@lru_cache(10_000)
def _sheet(owner: int) -> str:
    return f"{_PREFIX}:sheet:{owner}"


def _kept(owner: int) -> int:
    return STRANGERS_KEPT if owner < 0 else _KEPT


def _mark(name: str) -> str:
    return f"{_PREFIX}:mark:{name}"


def _notes(topic: str) -> str:
    return f"{_PREFIX}:notes:{topic}"


def _charge(charge: Charge, now: float) -> tuple[Any, ...]:
    limit = charge.limit
    number, _, ends = window_at(limit.window, now)
    return (
        limit.name,
        limit.size,
        number,
        overlap(limit.window, ends, now),
        charge.fixed,
        charge.unit,
        charge.held,
    )


def _read(limits: Sequence[Limit], found: Sequence[bytes | None]) -> Sheet:
    return {
        limit.name: [int(part) for part in text.split()]
        for limit, text in zip(limits, found, strict=True)
        if text
    }
