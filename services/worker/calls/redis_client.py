"""Connections to Redis, for what a worker can do without."""

from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def open_redis(url: str, seconds: float) -> Any:
    """Returns a client that connects when first used, and fails instead of trying again.

    Args:
        url: ``redis://host:port/db``.
        seconds: How long it waits for a connection, and for each answer.
    """
    return redis.asyncio.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
    )
