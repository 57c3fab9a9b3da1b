"""State that all workers share through Redis, with a part of it for each worker while Redis is away."""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from services.worker.calls.breaker import Breaker

T = TypeVar("T")


class Closable(Protocol):
    """A connection to shared state."""

    async def close(self) -> None:
        """Closes the connection. Safe to repeat."""


S = TypeVar("S", bound=Closable)


class SharedFallback(Generic[S]):
    """Asks the shared state through the breaker. If that fails, this worker falls back to its own part.

    Args:
        shared: The state in Redis. None if this process shares with nobody.
        breaker: Decides whether Redis can be asked.
        worker_count: Returns the number of live workers that divide the whole among them.
    """

    def __init__(self, shared: S | None, breaker: Breaker, worker_count: Callable[[], int]) -> None:
        self._shared = shared
        self._breaker = breaker
        self._worker_count = worker_count

    @property
    def worker_count(self) -> int:
        """Number of parts that the whole has without the shared state, at least 1."""
        return max(1, self._worker_count())

    @property
    def outage_seconds(self) -> float:
        """Duration of the current outage, in seconds. Infinite if there is no shared state."""
        return float("inf") if self._shared is None else self._breaker.open_seconds

    async def ask(self, ask_shared: Callable[[S], Awaitable[T]], ask_own: Callable[[int], Awaitable[T]]) -> T:
        """Returns a reply of the shared state, or of this worker's own part. It never fails.

        Args:
            ask_shared: Asks the shared state.
            ask_own: Asks the own part, which is one of as many as its argument says.
        """
        if self._shared is not None:
            shared = self._shared
            reply = await self._breaker.call(lambda: ask_shared(shared))
            if reply is not None:
                return reply
        return await ask_own(self.worker_count)

    async def close(self) -> None:
        """Closes the connection. Safe to repeat."""
        if self._shared is not None:
            await self._shared.close()
