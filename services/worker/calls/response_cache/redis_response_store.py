"""Response store that all workers of a Redis share."""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from services.worker.calls.redis_client import open_redis
from services.worker.calls.response_cache.response_store import (
    Claim,
    Command,
    Drop,
    Put,
    Renew,
    StoreAwayError,
)

# Time limit of a connection for each reply, in seconds. The caller limits a whole exchange.
SOCKET_TIMEOUT_SECONDS = 0.25
_PREFIX = "headrace:response:1:"  # the number changes with the encoding of the values
_RENEW = """
local present = redis.call('GET', KEYS[1])
if not present or present == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
"""
_DROP = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
"""


class RedisResponseStore:
    """Values in Redis 7.0 or newer. Each exchange is one pipeline. It connects when first used.

    Args:
        url: ``redis://host:port/db``.
    """

    def __init__(self, url: str) -> None:
        self._redis = open_redis(url, SOCKET_TIMEOUT_SECONDS)

    async def run(self, commands: Sequence[Command]) -> list[bytes | None]:
        """Executes commands in order, in one pipeline. See ``ResponseStore``."""
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for command in commands:
                    _add(pipeline, command)
                replies = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreAwayError("Redis did not reply") from error
        return [
            reply if isinstance(command, Claim) else None
            for command, reply in zip(commands, replies, strict=True)
        ]

    async def close(self) -> None:
        """Closes the connections. Safe to repeat."""
        await self._redis.aclose()


def _add(pipeline: Any, command: Command) -> None:
    key = _PREFIX + command.key
    match command:
        case Claim(_, mark, seconds):
            pipeline.set(key, mark, px=_milliseconds(seconds), nx=True, get=True)
        case Renew(_, mark, seconds):
            pipeline.eval(_RENEW, 1, key, mark, _milliseconds(seconds))
        case Put(value=value, seconds=seconds):
            pipeline.set(key, value, px=_milliseconds(seconds))
        case Drop(_, value):
            pipeline.eval(_DROP, 1, key, value)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
