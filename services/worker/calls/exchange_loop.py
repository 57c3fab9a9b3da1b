"""Exchanges state with Redis in the background, so that calls never wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from services.shared.degradation import Degradation

# Time between two exchanges, in seconds.
PERIOD_SECONDS = 0.25


class ExchangeLoop:
    """One task exchanges the keys in use every 250 ms. It ends once no key is in use.

    While Redis cannot be reached, it asks every 500 ms. Each change is logged once.

    Args:
        exchange: Exchanges the keys in use once. It may raise RedisError and OSError.
        degradation: State of Redis.
        idle_seconds: Time after which an unused key is dropped.
        is_busy: Returns whether something is to be exchanged although no key is in use.
        is_kept: Returns whether a key is kept although it has not been used.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        exchange: Callable[[], Awaitable[None]],
        degradation: Degradation,
        idle_seconds: float,
        *,
        is_busy: Callable[[], bool] = lambda: False,
        is_kept: Callable[[str], bool] = lambda key: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = exchange
        self._degradation = degradation
        self._idle_seconds = idle_seconds
        self._is_busy = is_busy
        self._is_kept = is_kept
        self._clock = clock
        self._last_use: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def keys(self) -> Sequence[str]:
        """The keys in use."""
        return list(self._last_use)

    def use(self, key: str) -> None:
        """Notes that a key is in use. A new one is exchanged at once."""
        if key not in self._last_use:
            self._wake.set()
        self._last_use[key] = self._clock()
        self._ensure_running()

    def wake(self) -> None:
        """Exchanges at once."""
        self._wake.set()
        self._ensure_running()

    async def close(self) -> None:
        """Ends the task. Safe to repeat."""
        self._closed = True
        self._wake.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def _ensure_running(self) -> None:
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._exchange_while_used())

    async def _exchange_while_used(self) -> None:
        while not self._closed and (self._last_use or self._is_busy()):
            self._wake.clear()
            try:
                await self._exchange()
            except (RedisError, OSError) as error:
                self._degradation.note_failure(error=type(error).__name__)
                await asyncio.sleep(PERIOD_SECONDS)
            else:
                self._degradation.note_success()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), PERIOD_SECONDS)
            oldest = self._clock() - self._idle_seconds
            self._last_use = {
                key: used for key, used in self._last_use.items() if used > oldest or self._is_kept(key)
            }
