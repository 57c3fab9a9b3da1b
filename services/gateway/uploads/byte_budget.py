"""Bounds the bytes of uploads that wait for the store."""

from functools import partial

from services.shared.waiting_queue import WaitingQueue


class ByteBudget:
    """A number of bytes that many uploads share.

    Requests are served in order of arrival, so that small ones cannot starve a large one. A request that is
    larger than the limit is served when no other holds any bytes.

    Attributes:
        limit: Maximum bytes held at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._queue: WaitingQueue[None] = WaitingQueue()

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    @property
    def waiting_count(self) -> int:
        """Number of waiting requests."""
        return len(self._queue)

    def try_take(self, size: int) -> bool:
        """Takes bytes if they are free and nobody waits. Returns whether they were taken."""
        if len(self._queue) or not self._fits(size):
            return False
        self._held += size
        return True

    async def take(self, size: int) -> None:
        """Takes bytes once they are free. A request that is cancelled while it waits holds none."""
        if self.try_take(size):
            return
        try:
            await self._queue.wait(cost=size, give_back=partial(self.give_back, size))
        except BaseException:
            self._grant()  # it may have stood in the way of smaller ones
            raise

    def give_back(self, size: int) -> None:
        """Frees bytes that were taken."""
        self._held -= size
        self._grant()

    def _fits(self, size: int) -> bool:
        return not self._held or self._held + size <= self.limit

    def _grant(self) -> None:
        while (waiter := self._queue.first) is not None and self._fits(waiter.cost):
            self._held += waiter.cost
            self._queue.grant(waiter, None)
