"""Outages of the provider: a circuit breaker for each model, which all workers share."""

from services.shared.setting_types import MEMORY
from services.worker.calls.outages.memory_outages import MemoryOutages
from services.worker.calls.outages.outage import Outage, SparedError, spared
from services.worker.calls.outages.outage_breaker import OutageBreaker
from services.worker.calls.outages.outages import Outages
from services.worker.calls.outages.redis_outages import RedisOutages


def open_outages(url: str) -> Outages:
    """Returns the outages of a worker. They connect when first needed.

    Args:
        url: ``memory://`` for this process alone, or ``redis://...`` to share with other workers.
    """
    return MemoryOutages() if url == MEMORY else RedisOutages(url)


__all__ = [
    "MemoryOutages",
    "Outage",
    "OutageBreaker",
    "Outages",
    "RedisOutages",
    "SparedError",
    "open_outages",
    "spared",
]
