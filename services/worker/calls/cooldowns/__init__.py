"""Cool-downs: pauses that all workers keep for a model that has rejected calls."""

from services.shared.setting_types import MEMORY
from services.worker.calls.cooldowns.cooldowns import Cooldowns
from services.worker.calls.cooldowns.memory_cooldowns import MemoryCooldowns
from services.worker.calls.cooldowns.redis_cooldowns import RedisCooldowns


def open_cooldowns(url: str) -> Cooldowns:
    """Returns the cool-downs of a worker. They connect when first needed.

    Args:
        url: ``memory://`` for this process alone, or ``redis://...`` to share with other workers.
    """
    return MemoryCooldowns() if url == MEMORY else RedisCooldowns(url)


__all__ = ["Cooldowns", "MemoryCooldowns", "RedisCooldowns", "open_cooldowns"]
