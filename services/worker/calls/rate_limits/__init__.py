"""Rate limits of the whole fleet: requests and tokens a minute, by provider key and model."""

import hashlib
import os
from collections.abc import Callable, Mapping

from services.shared.setting_types import MEMORY, ModelLimit
from services.worker.calls.rate_limits.breaker import Breaker
from services.worker.calls.rate_limits.limiter import Limiter, Reservation
from services.worker.calls.rate_limits.redis_buckets import RedisBuckets
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets

ANY_MODEL = "*"
MAX_MODELS = 1000  # clients name models: beyond so many the idle ones are forgotten


class RateLimits:
    """The limiters of a worker, made when a model is first called.

    Args:
        limits: By model; ``*`` for those without an own entry. Empty: nothing is limited, nobody is asked.
        buckets: Where requests and tokens are taken from.
        account: Tells apart keys of a provider; a hash, not the key itself.
    """

    def __init__(self, limits: Mapping[str, ModelLimit], buckets: SharedBuckets, account: str = "") -> None:
        self._limits = limits
        self._buckets = buckets
        self._account = account
        self._limiters: dict[str, Limiter] = {}

    @property
    def waiting_count(self) -> int:
        """Calls that wait for a limit."""
        return sum(limiter.waiting_count for limiter in self._limiters.values())

    def of(self, provider: str, model: str, free_slots: Callable[[], int]) -> Limiter | None:
        """Returns the limiter of a model, None where it has no limit.

        Args:
            provider: Its name.
            model: The provider's name of the model.
            free_slots: See Limiter.
        """
        limiter = self._limiters.get(model)
        limit = self._limits.get(model) or self._limits.get(ANY_MODEL)
        if limiter is None and limit is not None:
            if len(self._limiters) >= MAX_MODELS:
                self._limiters = {name: kept for name, kept in self._limiters.items() if not kept.is_idle}
            text = "\n".join((provider, self._account, model))
            key = hashlib.sha256(text.encode()).hexdigest()[:32]
            limiter = self._limiters[model] = Limiter(self._buckets, key, model, limit, free_slots)
        return limiter

    async def close(self) -> None:
        """Gives back what is left and lets go of connections. Safe to repeat."""
        for limiter in self._limiters.values():
            await limiter.close()
        await self._buckets.close()


def open_rate_limits(
    limits: Mapping[str, ModelLimit],
    redis_url: str,
    worker_count: Callable[[], int] = lambda: 1,
    breaker: Breaker | None = None,
) -> RateLimits:
    """Returns the limits of a worker; a connection is made when first needed.

    Args:
        limits: By model.
        redis_url: ``memory://`` (this process alone) or ``redis://...`` (shared).
        worker_count: Gives how many workers live: each takes its part where Redis cannot be asked.
        breaker: Knows whether Redis can be asked; None: one of its own.
    """
    shared = None if redis_url == MEMORY or not limits else RedisBuckets(redis_url)
    provider_key = os.environ.get("OPENAI_API_KEY", "")
    account = hashlib.sha256(b"headrace\n" + provider_key.encode()).hexdigest()
    return RateLimits(limits, SharedBuckets(shared, worker_count, breaker=breaker), account)


__all__ = ["Breaker", "Limiter", "RateLimits", "Reservation", "open_rate_limits"]
