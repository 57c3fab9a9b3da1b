"""Rate limits of the whole fleet: requests and tokens per minute, by provider key and model."""

import hashlib
import os
from collections.abc import Callable, Mapping

from services.shared.setting_types import MEMORY, ModelLimit
from services.worker.calls.breaker import Breaker
from services.worker.calls.rate_limits.limiter import ModelLimiter, Reservation
from services.worker.calls.rate_limits.redis_buckets import RedisBuckets
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets

ANY_MODEL = "*"
MAX_LIMITERS = 1000  # clients name models: beyond this number, idle limiters are dropped


class RateLimits:
    """The limiters of a worker. Each is created at the first call of its model.

    Args:
        limits: Limits by model. ``*`` applies to models without an entry. If empty, nothing is limited and
            the buckets are never asked.
        buckets: Source of requests and tokens.
        account: Distinguishes keys of a provider. It is a hash, not the key itself.
    """

    def __init__(self, limits: Mapping[str, ModelLimit], buckets: SharedBuckets, account: str = "") -> None:
        self._limits = limits
        self._buckets = buckets
        self._account = account
        self._limiters: dict[str, ModelLimiter] = {}

    @property
    def waiting_count(self) -> int:
        """Number of calls that wait for a rate limit."""
        return sum(limiter.waiting_count for limiter in self._limiters.values())

    def of(self, provider: str, model: str, free_slots: Callable[[], int]) -> ModelLimiter | None:
        """Returns the limiter of a model. None if it has no limit.

        Args:
            provider: Name of the provider.
            model: The provider's name of the model.
            free_slots: See ``ModelLimiter``.
        """
        limiter = self._limiters.get(model)
        limit = self._limits.get(model) or self._limits.get(ANY_MODEL)
        if limiter is None and limit is not None and limit.is_per_minute:
            if len(self._limiters) >= MAX_LIMITERS:
                self._limiters = {name: kept for name, kept in self._limiters.items() if not kept.is_idle}
            text = "\n".join((provider, self._account, model))
            key = hashlib.sha256(text.encode()).hexdigest()[:32]
            limiter = self._limiters[model] = ModelLimiter(self._buckets, key, model, limit, free_slots)
        return limiter

    async def close(self) -> None:
        """Puts unused requests and tokens back and closes the connections. Safe to repeat."""
        for limiter in self._limiters.values():
            await limiter.close()
        await self._buckets.close()


def open_rate_limits(
    limits: Mapping[str, ModelLimit],
    redis_url: str,
    worker_count: Callable[[], int] = lambda: 1,
    breaker: Breaker | None = None,
) -> RateLimits:
    """Returns the rate limits of a worker. It connects when first needed.

    Args:
        limits: Limits by model.
        redis_url: ``memory://`` for this process alone, or ``redis://...`` to share with other workers.
        worker_count: Returns the number of live workers. Each takes its part while Redis cannot be asked.
        breaker: Decides whether Redis can be asked. None for one of its own.
    """
    shared = None if redis_url == MEMORY or not limits else RedisBuckets(redis_url)
    return RateLimits(limits, SharedBuckets(shared, worker_count, breaker=breaker), provider_account())


def provider_account() -> str:
    """Returns a hash that stands for the key of the provider, to which limits belong."""
    provider_key = os.environ.get("OPENAI_API_KEY", "")
    return hashlib.sha256(b"headrace\n" + provider_key.encode()).hexdigest()


__all__ = ["ANY_MODEL", "ModelLimiter", "RateLimits", "Reservation", "open_rate_limits", "provider_account"]
