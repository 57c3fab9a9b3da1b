"""Ends the calls of a server that stops, each with a status that makes its caller repeat it elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import grpc

from headrace.errors import HeadraceError, UnavailableError
from headrace.reasons import ErrorReason
from services.shared.serving.rpc_handlers import Context, Continuation, Stream, Unary, wrap_handler

# Health and reflection. They are served to the end and not waited for, because a health watch may last
# forever.
_SERVER_METHODS = "/grpc."
# Time for callers to read their last messages once nothing else is in flight, in seconds.
READER_SECONDS = 1.0
# Time for cancelled calls to end, in seconds.
CANCEL_SECONDS = 1.0


def server_stopping() -> HeadraceError:
    """Returns the error that tells a caller to repeat its call, at another server or slightly later."""
    return UnavailableError("this server is stopping; repeat the call", reason=ErrorReason.SERVER_STOPPING)


class DrainInterceptor(grpc.aio.ServerInterceptor):
    """Tracks the calls in flight. Each ends as its handler ends it, or as UNAVAILABLE.

    gRPC's own stop answers calls that have just arrived, and those that outlast its grace period, with
    CANCELLED. Callers mistake that for a cancellation of their own. This interceptor belongs innermost, so
    that its errors become statuses.

    Args:
        stopping: Returns the error of refused and cancelled calls.
    """

    def __init__(self, stopping: Callable[[], HeadraceError] = server_stopping) -> None:
        self._stopping = stopping
        self._running: set[asyncio.Task[Any]] = set()
        self._sending: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()
        self._held: Callable[[], HeadraceError] | None = None
        self._refuses = False
        self._cancels = False

    def hold(self, error: Callable[[], HeadraceError] | None) -> None:
        """Answers new calls with an error from now on. None: accepts them."""
        self._held = error

    async def drain(self, grace_seconds: float) -> None:
        """Refuses new calls from now on, and returns once those in flight have ended.

        Args:
            grace_seconds: Time before calls in flight are cancelled. A stream that only waits for its caller
                to read has one second, and ends with the connection.
        """
        self._refuses = True
        await self._wait_until_none(lambda: self._running - self._sending, grace_seconds)
        await self._wait_until_none(lambda: self._running, min(grace_seconds, READER_SECONDS))
        self._cancels = True
        for task in self._running - self._sending:
            task.cancel()
        await self._wait_until_none(lambda: self._running - self._sending, CANCEL_SECONDS)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the handler, wrapped."""
        handler = await continuation(handler_call_details)
        if handler_call_details.method.startswith(_SERVER_METHODS):
            return handler
        return wrap_handler(handler, self._follow_unary, self._follow_stream)

    def _follow_unary(self, behaviour: Unary) -> Unary:
        async def followed(request: Any, context: Context) -> Any:
            self._enter()
            try:
                return await behaviour(request, context)
            except asyncio.CancelledError:
                raise self._cancel_error() from None

        return followed

    def _follow_stream(self, behaviour: Stream) -> Stream:
        async def followed(request: Any, context: Context) -> AsyncIterator[Any]:
            task = self._enter()
            try:
                async for response in behaviour(request, context):
                    self._sending.add(task)
                    self._changed.set()
                    yield response
                    self._sending.discard(task)
                    if self._cancels:
                        raise self._stopping()
            except asyncio.CancelledError:
                raise self._cancel_error() from None

        return followed

    def _enter(self) -> asyncio.Task[Any]:
        if self._refuses:
            raise self._stopping()
        if self._held is not None:
            raise self._held()
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        # Not when the handler ends: a stream whose caller is gone is ended by garbage collection.
        task.add_done_callback(self._forget)
        return task

    async def _wait_until_none(self, tasks: Callable[[], set[asyncio.Task[Any]]], seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while tasks():
                    self._changed.clear()
                    await self._changed.wait()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._changed.set()
        self._running.discard(task)
        self._sending.discard(task)

    def _cancel_error(self) -> BaseException:
        return self._stopping() if self._cancels else asyncio.CancelledError()
