"""Cool-downs: how long a model that turned calls away shall be left alone, by every worker."""

from services.worker.calls.cooldowns.cooldowns import Cooldowns
from services.worker.calls.cooldowns.memory_cooldowns import MemoryCooldowns
from services.worker.calls.cooldowns.redis_cooldowns import RedisCooldowns

MEMORY_URL = "memory://"


def open_cooldowns(url: str) -> Cooldowns:
    """Returns the cool-downs that a URL names; a connection is made when first needed.

    Args:
        url: ``memory://`` (this process alone) or ``redis://...`` (shared).
    """
    return MemoryCooldowns() if url == MEMORY_URL else RedisCooldowns(url)


__all__ = ["Cooldowns", "MemoryCooldowns", "RedisCooldowns", "open_cooldowns"]
