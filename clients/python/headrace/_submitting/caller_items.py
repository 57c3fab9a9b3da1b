"""Items that stay in a thread of their own, while a call on another thread's loop sends them."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeGuard

_MAX_AHEAD = 100
_MAX_AHEAD_SECONDS = 0.01


class CallerItems:
    """An async iterator over what another thread reads from an iterable.

    A generator may hold what belongs to its thread, such as a database's cursor, and may block: so it never
    runs on the loop. Each item is handed over at once; after some the thread waits until more are asked for.

    Args:
        items: Read once, in ``serve``.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._iterator = iter(items)
        self._wishes: SimpleQueue[asyncio.AbstractEventLoop | None] = SimpleQueue()
        self._lock = threading.Lock()  # for all below
        self._items: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_asked = False
        self._is_over = False
        self._failure: Exception | None = None

    def __aiter__(self) -> "CallerItems":
        return self

    async def __anext__(self) -> Any:
        while True:
            with self._lock:
                if self._items:
                    return self._items.popleft()
                if self._is_over:
                    raise self._failure or StopAsyncIteration
                loop = asyncio.get_running_loop()
                self._waiter = waiter = loop.create_future()
                if not self._is_asked:
                    self._is_asked = True
                    self._wishes.put(loop)
            await waiter

    def serve(self) -> None:
        """Reads items in this thread, as they are asked for, until ``end`` is called.

        Raises:
            BaseException: What reading them raised, if it is no Exception, such as an interrupt; an Exception
                goes to who asks for items.
        """
        while (loop := self._wishes.get()) is not None:
            try:
                self._read(loop)
            except Exception as error:
                self._finish(loop, error)

    def end(self, _: object = None) -> None:
        """Lets ``serve`` return."""
        self._wishes.put(None)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        end = monotonic() + _MAX_AHEAD_SECONDS
        for item in self._iterator:
            with self._lock:
                self._items.append(item)
                self._wake(loop)
                if len(self._items) >= _MAX_AHEAD or monotonic() >= end:
                    self._is_asked = False
                    return
        self._finish(loop, None)

    def _finish(self, loop: asyncio.AbstractEventLoop, failure: Exception | None) -> None:
        with self._lock:
            self._is_over, self._failure = True, failure
            self._wake(loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            with suppress(RuntimeError):  # the loop was closed: the call has ended
                loop.call_soon_threadsafe(_let_go, waiter)


def is_read_by_caller(items: object) -> TypeGuard[Iterable[Any]]:
    """Returns whether items run code of the caller's as they are read: a generator, a cursor, a file."""
    harmless = (str, bytes, Mapping, list, tuple, AsyncIterable)
    return isinstance(items, Iterable) and not isinstance(items, harmless)


def _let_go(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
