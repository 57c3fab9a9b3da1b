"""Items that stay in the thread of their caller, while a call on another thread's loop sends them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable, Mapping
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeGuard

_BATCH_SIZE = 100
_BATCH_SECONDS = 0.01


class CallerItems:
    """An async iterator over what the calling thread reads from an iterable.

    A generator may hold what belongs to its thread, such as a database's cursor, and may block: so it never
    runs on the loop.

    Args:
        items: Read once, in ``serve``.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._iterator = iter(items)
        self._wanted: SimpleQueue[asyncio.Future[list[Any]] | None] = SimpleQueue()
        self._batch: deque[Any] = deque()

    def __aiter__(self) -> "CallerItems":
        return self

    async def __anext__(self) -> Any:
        if not self._batch:
            wanted: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            self._wanted.put(wanted)
            self._batch.extend(await wanted)
        if not self._batch:
            raise StopAsyncIteration
        return self._batch.popleft()

    def serve(self) -> None:
        """Reads items in this thread, as they are asked for, until ``end`` is called.

        Raises:
            BaseException: What reading them raised.
        """
        while (wanted := self._wanted.get()) is not None:
            batch = self._read()
            try:
                wanted.get_loop().call_soon_threadsafe(_hand_over, wanted, batch)
            except RuntimeError:  # the loop was closed: the call has ended
                return

    def end(self, _: object = None) -> None:
        """Lets ``serve`` return."""
        self._wanted.put(None)

    def _read(self) -> list[Any]:
        batch: list[Any] = []
        end = monotonic() + _BATCH_SECONDS
        for item in self._iterator:
            batch.append(item)
            if len(batch) >= _BATCH_SIZE or monotonic() >= end:
                break
        return batch


def is_read_by_caller(items: object) -> TypeGuard[Iterable[Any]]:
    """Returns whether items run code of the caller's as they are read: a generator, a cursor, a file."""
    harmless = (str, bytes, Mapping, list, tuple, AsyncIterable)
    return isinstance(items, Iterable) and not isinstance(items, harmless)


def _hand_over(wanted: asyncio.Future[list[Any]], batch: list[Any]) -> None:
    if not wanted.done():
        wanted.set_result(batch)
