"""Whether and when a stream that broke is asked for again."""

from time import monotonic

from headrace._transport.backoff import Backoff
from headrace._transport.connection import GatewayConnection

STEADY_SECONDS = 2.0


class Resumption:
    """The patience of one chain of streams, each of which continues the one before.

    Args:
        connection: Whose resume_timeout holds for each outage.
    """

    def __init__(self, connection: GatewayConnection) -> None:
        self._connection = connection
        self._backoff = Backoff()
        self._open_time: float | None = None
        self._has_news = False

    def begin_stream(self) -> None:
        """Takes note that a stream was asked for."""
        self._open_time, self._has_news = None, False

    def open_stream(self) -> None:
        """Takes note that a gateway has answered and will send what there is to send."""
        self._connection.note_answer()
        self._open_time = monotonic()

    def expect_news(self) -> None:
        """Takes note that the stream owes an answer: that it stands shows nothing any more."""
        self._open_time = None

    def note_news(self) -> None:
        """Takes note that the stream brought something new."""
        self._has_news = True

    def was_steady(self) -> bool:
        """Returns whether the last stream worked, so that its break begins an outage.

        It did if it brought news, or stood for a while: a waiting job may have no news for hours.
        """
        stood = self._open_time is not None and monotonic() - self._open_time >= STEADY_SECONDS
        return self._has_news or stood

    async def wait(self) -> bool:
        """Waits before the next stream; returns False at once where it would come too late."""
        if self.was_steady():
            self._backoff = Backoff()
        return await self._backoff.wait(self._connection.patience(self._connection.resume_timeout))
