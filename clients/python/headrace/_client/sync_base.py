"""The part of the waiting client that all groups of calls share."""

import weakref
from types import TracebackType
from typing import Self

from headrace._transport.background_loop import BackgroundLoop
from headrace.client import Client


class SyncClientBase:
    """Starts and ends the loop of a client that waits."""

    def __init__(
        self,
        target: str | None = None,
        tenant: str | None = None,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 30.0,
        resume_timeout: float = 300.0,
    ) -> None:
        self._client = Client(
            target, tenant, timeout=timeout, connect_timeout=connect_timeout, resume_timeout=resume_timeout
        )
        self.target = self._client.target
        self._loop = BackgroundLoop("headrace-client")
        weakref.finalize(self, self._loop.end)  # for one that was never closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancels the calls of all threads and closes the connection. A second call does nothing.

        A cancelled call raises CancelledError (CLIENT_CLOSED) in the thread that waits for it.
        """
        self._loop.close(self._client.close)
