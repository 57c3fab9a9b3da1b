"""Answers of the provider that are used again by jobs that want it."""

from services.worker.calls.response_cache.exchange import Exchange
from services.worker.calls.response_cache.memory_response_store import MemoryResponseStore
from services.worker.calls.response_cache.redis_response_store import RedisResponseStore
from services.worker.calls.response_cache.response_cache import CachedCalls, ResponseCache
from services.worker.calls.response_cache.response_store import ResponseStore
from services.worker.calls.response_cache.single_flight import SingleFlight

MEMORY_URL = "memory://"


def open_response_store(url: str) -> ResponseStore:
    """Returns the store of answers that a URL names; a connection is made when first needed.

    Args:
        url: ``memory://`` (this process alone) or ``redis://...`` (shared).
    """
    return MemoryResponseStore() if url == MEMORY_URL else RedisResponseStore(url)


def open_response_cache(url: str, owner: str, provider_name: str, lifetime_seconds: float) -> ResponseCache:
    """Returns a worker's cache of answers; it touches no server before a job wants it.

    Args:
        url: As ``open_response_store`` takes it.
        owner: Names this process; no other has the same.
        provider_name: Where its calls go.
        lifetime_seconds: How long answers are kept.
    """
    exchange = Exchange(open_response_store(url))
    return ResponseCache(exchange, SingleFlight(exchange, owner), provider_name, lifetime_seconds)


__all__ = ["CachedCalls", "ResponseCache", "open_response_cache", "open_response_store"]
