"""Opens Redis connections for services that work without Redis as well."""

from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# Time limit of one script call, in seconds.
SCRIPT_TIMEOUT_SECONDS = 0.25


def open_redis(url: str, timeout_seconds: float) -> Any:
    """Returns a client that connects when first used and fails rather than retrying.

    Args:
        url: ``redis://host:port/db``.
        timeout_seconds: Time limit for connecting and for each reply.
    """
    return redis.asyncio.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
