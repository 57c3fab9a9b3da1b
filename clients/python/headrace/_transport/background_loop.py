"""An event loop on a thread of its own, for callers that have none."""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, TypeVar

from headrace._submitting.batch_reading import BatchReader
from headrace._submitting.caller_items import CallerItems
from headrace._transport.connection import CLIENT_CLOSED
from headrace.errors import CancelledError, FailedPreconditionError

T = TypeVar("T")

CLIENT_FORKED = "CLIENT_FORKED"
EVENT_LOOP_RUNNING = "EVENT_LOOP_RUNNING"


class BackgroundLoop:
    """Runs coroutines for threads that wait for them. Its thread starts with the first one.

    Usable from several threads. A waiting thread that is interrupted (KeyboardInterrupt) cancels what it
    waits for.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._process_id = os.getpid()
        self._lock = threading.RLock()  # the garbage collector may end it within a call of this thread
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def run(self, coroutine: Coroutine[Any, Any, T], items: CallerItems | None = None) -> T:
        """Returns what a coroutine returns, or raises what it raises.

        Args:
            coroutine: Runs on the loop.
            items: Read meanwhile in the calling thread, as the coroutine asks for them.

        Raises:
            CancelledError: The loop was closed, before or meanwhile (CLIENT_CLOSED).
            FailedPreconditionError: The caller must not wait here (EVENT_LOOP_RUNNING), or is a process
                forked off (CLIENT_FORKED).
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
        self, owner: object, source: AsyncGenerator[T, None], batch_size: int
    ) -> Generator[T, None, None]:
        """Yields what an async generator yields, and closes it when the caller leaves the loop.

        Args:
            owner: Whose loop it is; kept alive meanwhile.
            source: Runs on the loop.
            batch_size: Values, already there, that are handed over at once. With 1 nothing is read ahead.

        Raises:
            HeadraceError: As ``run``, and what the generator raises.
        """
        reader = BatchReader(source, batch_size)
        try:
            while batch := self.run(reader.read()):
                yield from batch
        finally:
            # Without waiting: the garbage collector may call this in any thread, the loop's own included.
            self._post(reader.close)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a last coroutine, cancels all others, and ends the thread; a second call does nothing."""
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
        """Cancels what runs and lets the thread end, without waiting for it. Safe in any thread."""
        with self._lock:
            if self._is_closed or self._process_id != os.getpid():
                return
            self._is_closed = True
            if self._loop is not None and self._end is not None:
                self._loop.call_soon_threadsafe(self._end.set)

    def _check_caller(self) -> None:
        if self._process_id != os.getpid():
            raise FailedPreconditionError(
                "the client was made before this process was forked: make another one", reason=CLIENT_FORKED
            )
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise FailedPreconditionError(
            "this thread runs an event loop, which a waiting call would stop: await headrace.Client instead",
            reason=EVENT_LOOP_RUNNING,
        )

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._lock:
            if self._is_closed:
                raise _closed()
            return asyncio.run_coroutine_threadsafe(coroutine, self._start())

    def _post(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a coroutine and waits for nothing; where the loop ends anyway, there is nothing to do.

        What is posted before ``end`` is spawned before the loop cancels its tasks for the last time; what
        came later would be left pending.
        """
        with self._lock:
            if self._loop is not None and not self._is_closed and self._process_id == os.getpid():
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
        except Exception as error:  # such as no file descriptor for a loop
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        self._end = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._end.wait()


def _closed() -> CancelledError:
    return CancelledError("the client was closed", reason=CLIENT_CLOSED)
