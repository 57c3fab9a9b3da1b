"""Pools in Redis, with this worker's own part of each while Redis is slow or away."""

from collections.abc import Callable
from functools import partial
from itertools import count

from services.worker.calls.breaker import Breaker
from services.worker.calls.shared_fallback import SharedFallback
from services.worker.calls.shared_slots.pools import EXPIRY_SECONDS, Granted, Pools, SlotRequest


class SharedPools:
    """Asks the shared pools. Once they have failed for 10 s, each live worker takes its own part.

    Args:
        shared: Asked first. None if there is no Redis: each worker then takes its part.
        breaker: Decides whether the shared pools can be asked.
        worker_count: Returns the number of live workers.
    """

    def __init__(self, shared: Pools | None, breaker: Breaker, worker_count: Callable[[], int]) -> None:
        self._fallback = SharedFallback(shared, breaker, worker_count)
        self._numbers = count(1)

    async def ask(self, key: str, holder: str, limit: int, *, used: int, wanted: int) -> Granted | None:
        """Returns the slots that a holder may use from now on. It never fails. See ``SlotRequest``.

        Returns:
            None if nothing is known. The last grant then stays valid until it expires. Only after that may
            others have its slots, and only after that does every worker take its part.
        """
        request = SlotRequest(
            key=key,
            holder=holder,
            limit=limit,
            part=self._part(limit, self._fallback.worker_count),
            used=used,
            wanted=wanted,
            number=next(self._numbers),
        )
        return await self._fallback.ask(lambda shared: shared.ask(request), partial(self._take_part, request))

    async def close(self) -> None:
        """Closes the connections. Safe to repeat."""
        await self._fallback.close()

    async def _take_part(self, request: SlotRequest, worker_count: int) -> Granted | None:
        if self._fallback.outage_seconds < EXPIRY_SECONDS:
            return None
        target = min(request.wanted, self._part(request.limit, worker_count))
        return Granted(max(request.used, target), target)

    @staticmethod
    def _part(limit: int, worker_count: int) -> int:
        return max(1, limit // worker_count)
