"""Pools of slots that all workers of a Redis share."""

from collections.abc import Callable

from services.worker.calls.redis_client import SCRIPT_TIMEOUT_SECONDS, open_redis
from services.worker.calls.shared_slots.pools import (
    CAREFUL_SECONDS,
    EXPIRY_SECONDS,
    TURN_SECONDS,
    Granted,
    SlotRequest,
)

# Lifetime of a pool that nobody asks, in seconds. An unknown pool starts with a careful time.
_POOL_LIFETIME_SECONDS = 3600
# A pool is a hash. It holds "slots wanted end number" for each holder, and its time of creation under "".
# Times are milliseconds of Redis's own clock. An end too far ahead was written by a clock that has since gone
# back.
_ASK = f"""
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or (time[1] * 1000 + math.floor(time[2] / 1000))
local holder, limit, part = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local used, wanted = tonumber(ARGV[5]), tonumber(ARGV[6])
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
local capped = target
if now - birth < {1000 * CAREFUL_SECONDS:.0f} then capped = math.min(target, part) end
local granted = math.max(used, math.min(capped, used + math.max(0, limit - used - others)))
if is_late then
  return {{granted, target}}
elseif granted > 0 or wanted > 0 then
  local ends = string.format('%.0f', now + {1000 * EXPIRY_SECONDS:.0f})
  redis.call('HSET', KEYS[1], holder, granted .. ' ' .. wanted .. ' ' .. ends .. ' ' .. ARGV[7])
else
  redis.call('HDEL', KEYS[1], holder)
end
if ARGV[1] == '' then redis.call('EXPIRE', KEYS[1], {_POOL_LIFETIME_SECONDS}) end
return {{granted, target}}
"""


class RedisPools:
    """Pools in Redis. Each ``ask`` is one call of a script.

    Args:
        url: ``redis://host:port/db``.
        clock: Replaces Redis's own clock in tests. In seconds.
        timeout_seconds: Time limit of one script call.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] | None = None,
        *,
        timeout_seconds: float = SCRIPT_TIMEOUT_SECONDS,
    ) -> None:
        self._redis = open_redis(url, timeout_seconds)
        self._script = self._redis.register_script(_ASK)
        self._clock = clock

    async def ask(self, request: SlotRequest) -> Granted:
        """Returns the slots that a holder may use from now on. See ``Pools``.

        Raises:
            RedisError: Redis cannot be asked.
            OSError: Redis cannot be asked.
        """
        now = "" if self._clock is None else int(self._clock() * 1000)
        count, target = await self._script(
            keys=[f"headrace:slots:{{{request.key}}}"],
            args=[
                now,
                request.holder,
                request.limit,
                request.part,
                request.used,
                request.wanted,
                request.number,
            ],
        )
        return Granted(int(count), int(target))

    async def close(self) -> None:
        """Closes the connections. Safe to repeat."""
        await self._redis.aclose()
