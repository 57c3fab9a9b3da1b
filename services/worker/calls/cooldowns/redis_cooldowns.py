"""Cool-downs that all workers of a Redis share."""

import time
from collections.abc import Callable

from services.shared.degradation import Degradation
from services.shared.logging import get_logger
from services.worker.calls.cooldowns.memory_cooldowns import MemoryCooldowns
from services.worker.calls.exchange_loop import ExchangeLoop
from services.worker.calls.redis_client import open_redis

log = get_logger(__name__)

# Time limit of each reply, and time after which an unused key is no longer read. In seconds.
_TIMEOUT_SECONDS = 1.0
_IDLE_SECONDS = 2.0
_PREFIX = "headrace:cooldown:"
_HOLD = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
"""


class RedisCooldowns:
    """Cool-downs in Redis. A new one is written at once, and other workers see it within 250 ms.

    Callers never wait for Redis. One task reads the keys in use every 250 ms, and ends once no key has been
    asked for in 2 s. While Redis cannot be reached, this process relies on the cool-downs that it knows. Each
    change is logged once.

    Args:
        url: ``redis://host:port/db``.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = open_redis(url, _TIMEOUT_SECONDS)
        self._known = MemoryCooldowns(clock)
        self._clock = clock
        self._unpublished: dict[str, float] = {}  # end of the cool-down, by key
        self._loop = ExchangeLoop(
            self._exchange,
            Degradation(log, "cooldowns"),
            _IDLE_SECONDS,
            is_busy=lambda: bool(self._unpublished),
            clock=clock,
        )

    def remaining(self, key: str) -> float:
        """Returns the rest of a cool-down known to this process, in seconds. 0 if there is none."""
        self._loop.use(key)
        return self._known.remaining(key)

    def longest(self) -> float:
        """Returns the rest of the longest cool-down known to this process, in seconds. 0 if there is none."""
        return self._known.longest()

    def hold(self, key: str, seconds: float) -> None:
        """Starts a cool-down, here at once and for the others soon. It never shortens a longer one."""
        self._known.hold(key, seconds)
        self._unpublished[key] = max(self._clock() + seconds, self._unpublished.get(key, 0.0))
        self._loop.wake()

    async def close(self) -> None:
        """Ends the task and closes the connections. Safe to repeat."""
        await self._loop.close()
        await self._redis.aclose()

    async def _exchange(self) -> None:
        now = self._clock()
        self._unpublished = {key: end for key, end in self._unpublished.items() if end > now}
        published, keys = dict(self._unpublished), self._loop.keys
        if not published and not keys:
            return
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, end in published.items():
                pipeline.eval(_HOLD, 1, _PREFIX + key, max(1, round((end - now) * 1000)))
            for key in keys:
                pipeline.pttl(_PREFIX + key)
            replies = await pipeline.execute()
        for key, left_ms in zip(keys, replies[len(published) :], strict=True):
            if left_ms > 0:
                self._known.hold(key, left_ms / 1000)
        for key, end in published.items():
            if self._unpublished.get(key) == end:  # not extended meanwhile
                del self._unpublished[key]
