"""Pools on Redis, with a worker's own part of each where Redis is slow or gone."""

from collections.abc import Callable
from itertools import count

from services.worker.calls.rate_limits.breaker import Breaker
from services.worker.calls.tenant_slots.pools import EXPIRY_SECONDS, Ask, Granted, Pools


class SharedPools:
    """Asks shared pools; where they fail for long, a worker takes its part, as one of the live workers.

    Args:
        shared: Asked first; None: there is nobody to share with, so each takes its part.
        breaker: Knows whether they can be asked.
        worker_count: Gives how many workers live.
    """

    def __init__(self, shared: Pools | None, breaker: Breaker, worker_count: Callable[[], int]) -> None:
        self._shared = shared
        self._breaker = breaker
        self._worker_count = worker_count
        self._numbers = count(1)

    async def ask(self, key: str, holder: str, limit: int, held: int, wanted: int) -> Granted | None:
        """Returns what a holder may use from now on; see Pools. It never fails.

        Returns:
            None: nothing is known. What was granted last stays so until it expires: only then others may
            have it, and only then everybody takes a part.
        """
        part = max(1, limit // max(1, self._worker_count()))
        if self._shared is not None:
            shared, ask = self._shared, Ask(key, holder, limit, part, held, wanted, next(self._numbers))
            granted = await self._breaker.call(lambda: shared.ask(ask))
            if granted is not None or self._breaker.open_seconds < EXPIRY_SECONDS:
                return granted
        target = min(wanted, part)
        return Granted(max(held, target), target)

    async def close(self) -> None:
        """Lets go of connections. Safe to repeat."""
        if self._shared is not None:
            await self._shared.close()
