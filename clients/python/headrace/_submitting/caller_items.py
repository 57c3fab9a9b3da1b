"""Reads items in the caller's thread, while a call on the loop of another thread sends them."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")

_MAX_AHEAD = 100
_MAX_AHEAD_SECONDS = 0.01
# Loop that waits for items, function to call, or None to return.
_Request = asyncio.AbstractEventLoop | Callable[[], object] | None


class CallerItems:
    """An async iterator over items that another thread reads from an iterable.

    A generator may block, and may hold objects of its thread, such as a database cursor. So it never runs on
    the loop. Each item is handed over at once. After a batch, the thread waits for the next request.

    Args:
        items: Items, read once in ``serve``.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._iterator = iter(items)
        self._requests: SimpleQueue[_Request] = SimpleQueue()
        self._lock = threading.Lock()  # guards the fields below
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
                    self._requests.put(loop)
            await waiter

    def serve(self) -> None:
        """Reads items and calls functions in this thread, on request, until ``end`` is called.

        Raises:
            BaseException: An error of a function, or one of the iteration that is not an Exception, such as
                an interrupt. An Exception of the iteration is raised to the reader of the items.
        """
        while (request := self._requests.get()) is not None:
            if not isinstance(request, asyncio.AbstractEventLoop):
                request()
                continue
            try:
                self._read(request)
            except Exception as error:
                self._finish(request, error)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Makes ``serve`` call a function, without waiting for it. Safe in any thread."""
        self._requests.put(function)

    def end(self, _: object = None) -> None:
        """Makes ``serve`` return."""
        self._requests.put(None)

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
            with suppress(RuntimeError):  # the loop is closed: the call has ended
                loop.call_soon_threadsafe(_wake_reader, waiter)


@contextmanager
def read_in_thread(items: Iterable[Any]) -> Iterator[CallerItems]:
    """Yields items that a thread of their own reads, so that waiting for a file does not block the loop."""
    read = CallerItems(items)
    # A daemon: a blocking read of stdin cannot be stopped, and nothing needs to wait for it.
    threading.Thread(target=read.serve, name="headrace-items", daemon=True).start()
    try:
        yield read
    finally:
        read.end()


def in_caller(caller: CallerItems, function: Callable[[T], object]) -> Callable[[T], None]:
    """Returns a function that makes the thread of ``caller.serve`` call another one, in order."""

    def call(value: T) -> None:
        caller.call_soon(lambda: function(value))

    return call


def is_read_by_caller(items: object) -> TypeGuard[Iterable[Any]]:
    """Returns whether reading the items runs code of the caller: a generator, a cursor, a file."""
    harmless = (str, bytes, Mapping, list, tuple, AsyncIterable)
    return isinstance(items, Iterable) and not isinstance(items, harmless)


def _wake_reader(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
