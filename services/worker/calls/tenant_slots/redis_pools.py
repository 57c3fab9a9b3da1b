"""Pools of slots that all workers of a Redis share."""

from collections.abc import Callable

from services.worker.calls.rate_limits.redis_buckets import CALL_SECONDS
from services.worker.calls.redis_client import open_redis
from services.worker.calls.tenant_slots.pools import (
    CAREFUL_SECONDS,
    EXPIRY_SECONDS,
    TURN_SECONDS,
    Ask,
    Granted,
)

# How long a pool is remembered that nobody asks, in seconds: one that is not known has to be careful.
_KEPT_SECONDS = 3600
# A pool is a hash: of each holder "slots wanted until number", and under "" when it was made. Times are
# milliseconds by Redis's own clock. What ends too far ahead was written by a clock that has gone back.
_ASK = f"""
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or (time[1] * 1000 + math.floor(time[2] / 1000))
local holder, limit, part = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local held, wanted = tonumber(ARGV[5]), tonumber(ARGV[6])
local birth, others, greedy, is_late = nil, 0, {{}}, false
local pool = redis.call('HGETALL', KEYS[1])
for i = 1, #pool, 2 do
  local name = pool[i]
  if name == '' then
    birth = tonumber(pool[i + 1])
  else
    local count, wants, ends, number = string.match(pool[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
    ends = tonumber(ends)
    if ends <= now or ends > now + {2000 * EXPIRY_SECONDS:.0f} then
      redis.call('HDEL', KEYS[1], name)
    elseif name == holder then
      is_late = tonumber(number) >= tonumber(ARGV[7])
    else
      others = others + tonumber(count)
      if tonumber(wants) > 0 then table.insert(greedy, {{tonumber(wants), name}}) end
    end
  end
end
if not birth or birth > now then
  birth = now
  redis.call('HSET', KEYS[1], '', string.format('%.0f', birth))
end
if wanted > 0 then table.insert(greedy, {{wanted, holder}}) end
table.sort(greedy, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local target, rest, first = nil, limit, 1
while first <= #greedy and greedy[first][1] <= math.floor(rest / (#greedy - first + 1)) do
  if greedy[first][2] == holder then target = wanted end
  rest = rest - greedy[first][1]
  first = first + 1
end
if not target then
  local names, count = {{}}, #greedy - first + 1
  for i = first, #greedy do table.insert(names, greedy[i][2]) end
  table.sort(names)
  local share = count > 0 and math.floor(rest / count) or 0
  local turn = share == 0 and math.floor(now / {1000 * TURN_SECONDS:.0f}) or 0
  target = 0
  for i, name in ipairs(names) do
    if name == holder then
      target = share + ((i - 1 - turn) % count < rest - share * count and 1 or 0)
    end
  end
end
local most = target
if now - birth < {1000 * CAREFUL_SECONDS:.0f} then most = math.min(target, part) end
local granted = math.max(held, math.min(most, held + math.max(0, limit - held - others)))
if is_late then
  return {{granted, target}}
elseif granted > 0 or wanted > 0 then
  local ends = string.format('%.0f', now + {1000 * EXPIRY_SECONDS:.0f})
  redis.call('HSET', KEYS[1], holder, granted .. ' ' .. wanted .. ' ' .. ends .. ' ' .. ARGV[7])
else
  redis.call('HDEL', KEYS[1], holder)
end
if ARGV[1] == '' then redis.call('EXPIRE', KEYS[1], {_KEPT_SECONDS}) end
return {{granted, target}}
"""


class RedisPools:
    """Pools shared through Redis: each ask is one call of a script.

    Args:
        url: ``redis://host:port/db``.
        clock: Gives the time in place of Redis's own; for tests.
        call_seconds: How long a script call may take.
    """

    def __init__(
        self, url: str, clock: Callable[[], float] | None = None, *, call_seconds: float = CALL_SECONDS
    ) -> None:
        self._redis = open_redis(url, call_seconds)
        self._script = self._redis.register_script(_ASK)
        self._clock = clock

    async def ask(self, ask: Ask) -> Granted:
        """Returns what a holder may use from now on; see Pools.

        Raises:
            RedisError: Redis cannot be asked.
            OSError: The same.
        """
        now = "" if self._clock is None else int(self._clock() * 1000)
        count, target = await self._script(
            keys=[f"headrace:slots:{{{ask.key}}}"],
            args=[now, ask.holder, ask.limit, ask.part, ask.held, ask.wanted, ask.number],
        )
        return Granted(int(count), int(target))

    async def close(self) -> None:
        """Ends the connection. Safe to repeat."""
        await self._redis.aclose()
