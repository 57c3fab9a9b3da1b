"""Decides whether and when to reopen a broken stream."""

from time import monotonic

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
