"""Buckets that all workers of a Redis share."""

from collections.abc import Callable, Sequence

from services.worker.calls.rate_limits.buckets import Returned, Taken
from services.worker.calls.rate_limits.gcra import GcraLimit
from services.worker.calls.redis_client import SCRIPT_TIMEOUT_SECONDS, open_redis

# Times are microseconds of Redis's own clock. A bucket expires once it is full again, except with a clock of
# the caller's, because expiry follows Redis's clock.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or (time[1] * 1000000 + time[2])
local request_period, request_burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local token_period, token_burst = tonumber(ARGV[4]), tonumber(ARGV[5])
local due = redis.call('HMGET', KEYS[1], 'requests', 'tokens')
local requests = math.max(now, tonumber(due[1] or now))
local tokens = math.max(now, tonumber(due[2] or now))
requests = math.max(now, requests - math.floor(ARGV[6] * request_period))
tokens = math.max(now, tokens - math.floor(ARGV[7] * token_period))
local count, late = 0, 0
for i = 8, #ARGV do
  local time_of_tokens = math.floor(ARGV[i] * token_period)
  late = math.max(
    requests + request_period - request_burst - now,
    tokens + math.min(time_of_tokens, token_burst) - token_burst - now)
  if late > 0 then break end
  requests = requests + request_period
  tokens = tokens + time_of_tokens
  count = count + 1
end
redis.call('HSET', KEYS[1],
  'requests', string.format('%.0f', requests), 'tokens', string.format('%.0f', tokens))
if ARGV[1] == '' then
  redis.call('PEXPIRE', KEYS[1], math.ceil((math.max(requests, tokens) - now) / 1000) + 1000)
end
return {count, string.format('%.0f', math.max(late, 0))}
"""


class RedisBuckets:
    """Buckets in Redis. Each ``take`` is one call of a script.

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
        self._script = self._redis.register_script(_TAKE)
        self._clock = clock

    async def take(self, key: str, limit: GcraLimit, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests in order, each together with its tokens. See ``Buckets``.

        Raises:
            RedisError: Redis cannot be asked.
            OSError: Redis cannot be asked.
        """
        now = "" if self._clock is None else round(self._clock() * 1e6)
        count, late = await self._script(
            keys=[f"headrace:limit:{{{key}}}"],
            args=[
                now,
                repr(limit.request_period),
                repr(limit.request_burst),
                repr(limit.token_period),
                repr(limit.token_burst),
                returned.request_count,
                returned.token_count,
                *costs,
            ],
        )
        return Taken(int(count), int(late) / 1e6)

    async def close(self) -> None:
        """Closes the connections. Safe to repeat."""
        await self._redis.aclose()
