"""Answers of the provider that are used again by jobs that want it."""

from services.worker.calls.response_cache.response_cache import AnswerCache, CachedCalls
from services.worker.calls.response_cache.response_store import AnswerStore
from services.worker.calls.response_cache.exchange import Exchange
from services.worker.calls.response_cache.single_flight import Flights
from services.worker.calls.response_cache.memory_response_store import MemoryAnswerStore
from services.worker.calls.response_cache.redis_response_store import RedisAnswerStore

MEMORY_URL = "memory://"


def open_answer_store(url: str) -> AnswerStore:
    """Returns the store of answers that a URL names; a connection is made when first needed.

    Args:
        url: ``memory://`` (this process alone) or ``redis://...`` (shared).
    """
    return MemoryAnswerStore() if url == MEMORY_URL else RedisAnswerStore(url)


def open_answer_cache(url: str, owner: str, provider_name: str, lifetime_seconds: float) -> AnswerCache:
    """Returns a worker's cache of answers; it touches no server before a job wants it.

    Args:
        url: As ``open_answer_store`` takes it.
        owner: Names this process; no other has the same.
        provider_name: Where its calls go.
        lifetime_seconds: How long answers are kept.
    """
    exchange = Exchange(open_answer_store(url))
    return AnswerCache(exchange, Flights(exchange, owner), provider_name, lifetime_seconds)


__all__ = ["AnswerCache", "CachedCalls", "open_answer_cache", "open_answer_store"]
