"""Ending the calls of a server that stops, each with an answer that has its caller go on elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import grpc

from headrace.errors import HeadraceError, UnavailableError
from services.shared.rpc_handlers import Context, Continuation, Stream, Unary, wrap_handler

# Health and reflection: answered to the end, and not waited for, since somebody may watch health for ever.
_OF_THE_SERVER = "/grpc."
# How long callers have to read what is sent to them, when nothing else is under way any more, in seconds.
READER_SECONDS = 1.0
# How long calls that are broken off have to end, in seconds.
BREAK_OFF_SECONDS = 1.0


def server_stopping() -> HeadraceError:
    """Returns the error that has a caller repeat its call, at another server or a little later."""
    return UnavailableError("this server stops; repeat the call", reason="SERVER_STOPPING")


class DrainInterceptor(grpc.aio.ServerInterceptor):
    """Knows the calls under way, and has each end as its handler ends it or as UNAVAILABLE.

    gRPC's own stop answers calls that have just come in, and those that outlast its grace, with CANCELLED,
    which callers take for a wish of their own. It belongs innermost, so that its errors become statuses.

    Args:
        stopping: Makes the error of refused and broken-off calls.
    """

    def __init__(self, stopping: Callable[[], HeadraceError] = server_stopping) -> None:
        self._stopping = stopping
        self._running: set[asyncio.Task[Any]] = set()
        self._sending: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()
        self._refuses = False
        self._breaks_off = False

    async def drain(self, grace_seconds: float) -> None:
        """Refuses new calls from now on, and returns when those under way have ended.

        Args:
            grace_seconds: What they have for that, before they are broken off. A stream that only waits for
                its caller to read has a second, and ends with the connection.
        """
        self._refuses = True
        await self._until_none(lambda: self._running - self._sending, grace_seconds)
        await self._until_none(lambda: self._running, min(grace_seconds, READER_SECONDS))
        self._breaks_off = True
        for task in self._running - self._sending:
            task.cancel()
        await self._until_none(lambda: self._running - self._sending, BREAK_OFF_SECONDS)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Returns the handler, wrapped."""
        handler = await continuation(handler_call_details)
        if handler_call_details.method.startswith(_OF_THE_SERVER):
            return handler
        return wrap_handler(handler, self._follow_unary, self._follow_stream)

    def _follow_unary(self, behaviour: Unary) -> Unary:
        async def followed(request: Any, context: Context) -> Any:
            self._enter()
            try:
                return await behaviour(request, context)
            except asyncio.CancelledError:
                raise self._why_cancelled() from None

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
                    if self._breaks_off:
                        raise self._stopping()
            except asyncio.CancelledError:
                raise self._why_cancelled() from None

        return followed

    def _enter(self) -> asyncio.Task[Any]:
        if self._refuses:
            raise self._stopping()
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        # Not when the handler ends: a stream whose caller went away ends by garbage collection.
        task.add_done_callback(self._forget)
        return task

    async def _until_none(self, tasks: Callable[[], set[asyncio.Task[Any]]], seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while tasks():
                    self._changed.clear()
                    await self._changed.wait()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._changed.set()
        self._running.discard(task)
        self._sending.discard(task)

    def _why_cancelled(self) -> BaseException:
        return self._stopping() if self._breaks_off else asyncio.CancelledError()
