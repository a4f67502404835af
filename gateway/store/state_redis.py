"""State kept for clients in Redis, for workers on several boxes.

ai-gateway:state:<client>:<kind>:<id>   a sealed text, which expires by itself
ai-gateway:states:<client>              a sorted set: kind and id → when it ends
ai-gateway:state-sizes:<client>         a hash: kind and id → its size; under "" their sum
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from gateway.store.counters import StoreAway
from gateway.store.redis_client import FAILURES, connected
from gateway.store.state import Bounds

_PREFIX = "ai-gateway"

# KEYS: ends, sizes. ARGV: the texts' prefix, and what follows it in each script.
_GONE = """
local function gone(member)
  redis.call('DEL', ARGV[1] .. member)
  redis.call('ZREM', KEYS[1], member)
  local size = redis.call('HGET', KEYS[2], member)
  if size then
    redis.call('HDEL', KEYS[2], member)
    redis.call('HINCRBY', KEYS[2], '', -tonumber(size))
  end
end
"""
# ARGV: prefix, now, lifetime in ms, entries, size, then members and their texts.
_PUT = (
    _GONE
    + """
local now, life = tonumber(ARGV[2]), tonumber(ARGV[3])
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do gone(member) end
for i = 6, #ARGV, 2 do
  local member, text = ARGV[i], ARGV[i + 1]
  gone(member)
  redis.call('SET', ARGV[1] .. member, text, 'PX', life)
  redis.call('ZADD', KEYS[1], now + life + i / 1000, member)
  redis.call('HSET', KEYS[2], member, #text)
  redis.call('HINCRBY', KEYS[2], '', #text)
end
while true do
  local total = tonumber(redis.call('HGET', KEYS[2], '') or 0)
  local entries = redis.call('ZCARD', KEYS[1])
  if entries == 0 or (entries <= tonumber(ARGV[4]) and total <= tonumber(ARGV[5])) then break end
  gone(redis.call('ZRANGE', KEYS[1], 0, 0)[1])
end
redis.call('PEXPIRE', KEYS[1], life)
redis.call('PEXPIRE', KEYS[2], life)
"""
)
# ARGV: prefix, now, lifetime in ms, then members. What is read lives on.
_GET = """
local now, life, found = tonumber(ARGV[2]), tonumber(ARGV[3]), {}
for i = 4, #ARGV do
  local text = redis.call('GET', ARGV[1] .. ARGV[i])
  found[i - 3] = text
  if text then
    redis.call('PEXPIRE', ARGV[1] .. ARGV[i], life)
    redis.call('ZADD', KEYS[1], 'XX', now + life + i / 1000, ARGV[i])
    redis.call('PEXPIRE', KEYS[1], life)
    redis.call('PEXPIRE', KEYS[2], life)
  end
end
return found
"""
# ARGV: prefix, then members.
_FORGET = _GONE + "for i = 2, #ARGV do gone(ARGV[i]) end"


class RedisStates:
    """Raises StoreAway when Redis does not answer in time."""

    def __init__(self, url: str, bounds: Bounds) -> None:
        self._bounds = bounds
        self._life = max(1, round(bounds.lifetime * 1000))
        self._redis = connected(url)
        self._get = self._redis.register_script(_GET)
        self._put = self._redis.register_script(_PUT)
        self._forget = self._redis.register_script(_FORGET)

    def get(self, client: int, kind: str, ids: Sequence[str]) -> dict[str, str]:
        members = [f"{kind}:{id}" for id in ids]
        found = self._asked(self._get, client, _now(), self._life, *members)
        texts = cast(list[bytes | None], found)
        return {id: text.decode() for id, text in zip(ids, texts, strict=True) if text}

    def put(self, client: int, kind: str, values: Mapping[str, str]) -> None:
        pairs = [part for id, text in values.items() for part in (f"{kind}:{id}", text)]
        entries, size = self._bounds.entries, self._bounds.size
        self._asked(self._put, client, _now(), self._life, entries, size, *pairs)

    def forget(self, client: int, kind: str, ids: Sequence[str]) -> None:
        self._asked(self._forget, client, *(f"{kind}:{id}" for id in ids))

    def prune(self) -> None:
        """Nothing: what has outlived its time expires by itself."""

    def close(self) -> None:
        self._redis.close()

    def _asked(self, script: Any, client: int, *arguments: Any) -> Any:
        keys = [f"{_PREFIX}:states:{client}", f"{_PREFIX}:state-sizes:{client}"]
        try:
            return script(keys=keys, args=[f"{_PREFIX}:state:{client}:", *arguments])
        except FAILURES as error:
            raise StoreAway(f"Redis: {type(error).__name__}") from error


def _now() -> int:
    return int(time.time() * 1000)
