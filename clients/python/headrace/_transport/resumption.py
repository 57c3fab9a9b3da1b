"""Decides whether and when to reopen a broken stream."""

from collections.abc import AsyncGenerator
from time import monotonic
from typing import Any

from headrace._transport.backoff import Backoff
from headrace._transport.connection import GatewayConnection

STEADY_SECONDS = 2.0


class Resumption:
    """Waits between streams that continue each other, up to the resume_timeout for each outage.

    Args:
        connection: Connection of the streams, with the resume_timeout.
    """

    def __init__(self, connection: GatewayConnection) -> None:
        self._connection = connection
        self._backoff = Backoff()
        self._open_time: float | None = None
        self._has_news = False

    def begin_stream(self) -> None:
        """Records that a stream was requested."""
        self._open_time, self._has_news = None, False

    def open_stream(self) -> None:
        """Records that a gateway accepted the stream."""
        self._connection.note_answer()
        self._open_time = monotonic()

    def expect_news(self) -> None:
        """Records that a response is due: an open stream no longer counts as healthy without one."""
        self._open_time = None

    def note_news(self) -> None:
        """Records that the stream brought news."""
        self._has_news = True

    async def read(self, method: Any, request: Any) -> AsyncGenerator[Any, None]:
        """Yields the responses of the next stream. Close it: leaving the loop does not end the call.

        Args:
            method: Method of the stub.
            request: Its request.

        Raises:
            HeadraceError: The stream broke, or the gateway refused it.
        """
        self.begin_stream()
        call = method(request, metadata=self._connection.metadata)
        try:
            with self._connection.errors_of_calls():
                await call.initial_metadata()
                if not call.done():  # a failed call has (empty) metadata too
                    self.open_stream()
                async for response in call:
                    yield response
        finally:
            call.cancel()

    def was_steady(self) -> bool:
        """Returns whether the last stream worked, so that its break starts a new outage.

        A stream worked if it brought news, or stayed open for two seconds: a waiting job may have no news for
        hours.
        """
        stood = self._open_time is not None and monotonic() - self._open_time >= STEADY_SECONDS
        return self._has_news or stood

    async def wait(self) -> bool:
        """Waits before the next stream. Returns False at once if it would start too late."""
        if self.was_steady():
            self._backoff = Backoff()
        return await self._backoff.wait(self._connection.patience(self._connection.resume_timeout))
