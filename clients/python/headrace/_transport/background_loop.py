"""An event loop in its own thread, for callers that have none."""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, TypeVar

from headrace._submitting.batch_reading import BatchReader
from headrace._submitting.caller_items import CallerItems
from headrace._transport.forks import forked
from headrace._transport.notebooks import in_cell
from headrace.errors import CancelledError, FailedPreconditionError
from headrace.reasons import ErrorReason

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines for threads that wait for them. Its thread starts with the first coroutine.

    Several threads can use it. Interrupting a waiting thread (KeyboardInterrupt) cancels its coroutine.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._process_id = os.getpid()
        self._lock = threading.RLock()  # the garbage collector may call end() during a call of this thread
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def run(self, coroutine: Coroutine[Any, Any, T], items: CallerItems | None = None) -> T:
        """Waits for a coroutine, and returns its value or raises its error.

        Args:
            coroutine: Coroutine to run on the loop.
            items: Items to read in the calling thread, at the request of the coroutine.

        Raises:
            CancelledError: The loop was closed before or during the call (CLIENT_CLOSED).
            FailedPreconditionError: The calling thread runs an event loop (EVENT_LOOP_RUNNING), or the
                process is a fork (CLIENT_FORKED).
        """
        try:
            self._check_caller()
            future = self._submit(coroutine)
        except BaseException:
            coroutine.close()
            raise
        try:
            if items is not None:
                future.add_done_callback(items.end)
                items.serve()
            return future.result()
        except BaseException:
            if future.cancelled():
                raise _closed() from None
            future.cancel()
            raise

    def iterate(
        self,
        owner: object,
        source: AsyncGenerator[T, None],
        batch_size: int,
        items: CallerItems | None = None,
    ) -> Generator[T, None, None]:
        """Yields the values of an async generator, and closes it when the caller leaves the loop.

        Args:
            owner: Owner of this loop, kept alive during the iteration.
            source: Generator to run on the loop.
            batch_size: Maximum ready values to hand over at once. With 1, nothing is read ahead.
            items: Items to read in the calling thread while it waits, at the request of the generator.

        Raises:
            HeadraceError: The errors of ``run`` and of the generator.
        """
        reader = BatchReader(source, batch_size)
        try:
            while batch := self.run(reader.read(), items):
                yield from batch
        finally:
            # Does not wait: the garbage collector may call this in any thread, including the loop's own.
            self._post(reader.close)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a last coroutine, cancels all others, and ends the thread. A second call does nothing."""
        thread = self._thread
        if self._process_id != os.getpid() or thread is threading.current_thread():
            self.end()
            return
        with self._lock:
            if self._is_closed or self._loop is None:
                ending = None
            else:
                ending = asyncio.run_coroutine_threadsafe(last(), self._loop)
        if ending is not None:
            concurrent.futures.wait([ending])
        self.end()
        if thread is not None:
            thread.join()

    def end(self) -> None:
        """Cancels all coroutines and ends the thread, without waiting for it. Safe in any thread."""
        if self._process_id != os.getpid():
            return  # another thread may have held the lock at the fork
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            if self._loop is not None and self._end is not None:
                self._loop.call_soon_threadsafe(self._end.set)

    def _check_caller(self) -> None:
        if self._process_id != os.getpid():
            if self._thread is not None:
                raise forked("the client was used before this process was forked")
            self._process_id, self._lock = os.getpid(), threading.RLock()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        if in_cell():  # a cell that does not await blocks the loop of its kernel anyway
            return
        raise FailedPreconditionError(
            "this thread runs an event loop, which a waiting call would stop: await headrace.Client instead",
            reason=ErrorReason.EVENT_LOOP_RUNNING,
        )

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._lock:
            if self._is_closed:
                raise _closed()
            return asyncio.run_coroutine_threadsafe(coroutine, self._start())

    def _post(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a coroutine without waiting for it. Does nothing after ``end``.

        A coroutine posted before ``end`` is spawned before the loop cancels its tasks for the last time. A
        later one would stay pending.
        """
        if self._process_id != os.getpid():
            return
        with self._lock:
            if self._loop is not None and not self._is_closed:
                self._loop.call_soon_threadsafe(self._spawn, make)

    def _spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.get_running_loop().create_task(make())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            started: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
            self._thread = threading.Thread(
                target=self._run_thread, args=(started,), name=self._name, daemon=True
            )
            self._thread.start()
            self._loop = started.result()
        return self._loop

    def _run_thread(self, started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        try:
            asyncio.run(self._serve(started))
        except Exception as error:  # for example, no file descriptor for a loop
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        self._end = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._end.wait()


def _closed() -> CancelledError:
    return CancelledError("the client was closed", reason=ErrorReason.CLIENT_CLOSED)
