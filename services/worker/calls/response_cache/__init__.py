"""Response cache: responses of the provider that jobs may use again."""

from services.shared.setting_types import MEMORY
from services.worker.calls.provider import Provider
from services.worker.calls.response_cache.exchange import Exchange
from services.worker.calls.response_cache.memory_response_store import MemoryResponseStore
from services.worker.calls.response_cache.redis_response_store import RedisResponseStore
from services.worker.calls.response_cache.response_cache import CachedCalls, ResponseCache
from services.worker.calls.response_cache.response_store import ResponseStore
from services.worker.calls.response_cache.single_flight import SingleFlight


def open_response_store(url: str) -> ResponseStore:
    """Returns the response store at a URL. It connects when first needed.

    Args:
        url: ``memory://`` for this process alone, or ``redis://...`` to share with other workers.
    """
    return MemoryResponseStore() if url == MEMORY else RedisResponseStore(url)


def open_response_cache(url: str, owner: str, provider: Provider, lifetime_seconds: float) -> ResponseCache:
    """Returns the response cache of a worker. It contacts no server until a job uses it.

    Args:
        url: See ``open_response_store``.
        owner: Unique name of this process.
        provider: The provider.
        lifetime_seconds: Lifetime of a response.
    """
    exchange = Exchange(open_response_store(url))
    single_flight = SingleFlight(exchange, owner)
    return ResponseCache(exchange, single_flight, provider.name, lifetime_seconds, provider.form_of)


__all__ = ["CachedCalls", "ResponseCache", "open_response_cache", "open_response_store"]
