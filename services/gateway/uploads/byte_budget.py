"""How many bytes may wait for the store."""

import asyncio
from collections import deque


class ByteBudget:
    """A number of bytes, shared by many who hold some of them for a while.

    Who waits is served in the order of asking, so that a large wish is not overtaken for ever. A wish larger
    than the whole is granted alone.

    Attributes:
        limit: Bytes held at once at most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    @property
    def waiting_count(self) -> int:
        """How many wait for bytes."""
        return len(self._waiting)

    def try_take(self, size: int) -> bool:
        """Returns whether so many bytes were free, and then takes them."""
        if self._waiting or not self._fits(size):
            return False
        self._held += size
        return True

    async def take(self, size: int) -> None:
        """Takes so many bytes once they are free; one who is cancelled while it waits holds none."""
        if self.try_take(size):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wish = (size, granted)
        self._waiting.append(wish)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(size)  # granted and cancelled in the same turn
            else:
                self._waiting.remove(wish)
                self._grant()
            raise

    def give_back(self, size: int) -> None:
        """Frees bytes that were taken."""
        self._held -= size
        self._grant()

    def _fits(self, size: int) -> bool:
        return not self._held or self._held + size <= self.limit

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, granted = self._waiting.popleft()
            self._held += size
            granted.set_result(None)
