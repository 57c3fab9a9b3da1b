"""The parts through which items of a worker make calls."""

from collections.abc import Callable
from dataclasses import dataclass

from services.shared.setting_types import read_limits, read_tenant_concurrency
from services.worker.calls.breaker import Breaker
from services.worker.calls.concurrency import SharedLimits, open_shared_limits
from services.worker.calls.cooldowns import Cooldowns, open_cooldowns
from services.worker.calls.model_slots import ModelSlots, open_model_slots
from services.worker.calls.outages import Outages, open_outages
from services.worker.calls.provider import open_provider
from services.worker.calls.provider.provider import Provider
from services.worker.calls.rate_limits import RateLimits, open_rate_limits
from services.worker.calls.response_cache import ResponseCache, open_response_cache
from services.worker.calls.shared_slots.slots import SlotHolder
from services.worker.calls.tenant_slots import TenantSlotRegistry, open_tenant_slots
from services.worker.settings import WorkerSettings


@dataclass(frozen=True, kw_only=True)
class OpenedCalls:
    """The parts through which items make calls."""

    provider: Provider
    cooldowns: Cooldowns
    outages: Outages
    response_cache: ResponseCache
    breaker: Breaker
    rate_limits: RateLimits
    tenant_slots: TenantSlotRegistry
    model_slots: ModelSlots
    shared_limits: SharedLimits | None

    async def close(self) -> None:
        """Closes all connections."""
        await self.provider.close()
        await self.cooldowns.close()
        await self.outages.close()
        await self.response_cache.close()
        await self.rate_limits.close()
        await self.tenant_slots.close()
        await self.model_slots.close()
        if self.shared_limits is not None:
            await self.shared_limits.close()


def open_calls(settings: WorkerSettings, incarnation: str, count_workers: Callable[[], int]) -> OpenedCalls:
    """Returns the parts of a worker. They connect when first needed.

    Args:
        settings: Settings of the worker.
        incarnation: Unique name of this process.
        count_workers: Returns the number of live workers.
    """
    provider = open_provider(settings.in_flight_limit, settings.provider_profiles)
    breaker = Breaker(count_workers)
    limits = read_limits(settings.limits)
    return OpenedCalls(
        provider=provider,
        cooldowns=open_cooldowns(settings.redis_url),
        outages=open_outages(settings.redis_url),
        response_cache=open_response_cache(
            settings.redis_url, incarnation, provider, settings.cache_hours * 3600
        ),
        breaker=breaker,
        rate_limits=open_rate_limits(limits, settings.redis_url, count_workers, breaker),
        tenant_slots=open_tenant_slots(
            read_tenant_concurrency(settings.tenant_concurrency),
            settings.redis_url,
            incarnation,
            settings.in_flight_limit,
            worker_count=count_workers,
            breaker=breaker,
        ),
        model_slots=open_model_slots(
            limits,
            settings.redis_url,
            SlotHolder(incarnation, settings.in_flight_limit),
            provider.name,
            worker_count=count_workers,
            breaker=breaker,
        ),
        shared_limits=open_shared_limits(settings.redis_url, incarnation, provider.name),
    )
