"""Responses that wait to be sent to the client of an upload stream."""

import asyncio
from collections import deque

from headrace.gateway.v1 import gateway_pb2


class UploadResponses:
    """Queue of responses in which a newer stored_count replaces an older one.

    A client that reads slowly therefore delays no call to the store. At most two responses wait: one with
    the job's snapshot is never replaced.
    """

    def __init__(self) -> None:
        self._waiting: deque[gateway_pb2.AppendItemsResponse] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, response: gateway_pb2.AppendItemsResponse) -> None:
        """Adds the newest response."""
        if self._waiting and not self._waiting[-1].HasField("job"):
            self._waiting.pop()
        self._waiting.append(response)
        self._changed.set()

    def close(self) -> None:
        """Marks the end of the responses; those that wait can still be read."""
        self._closed = True
        self._changed.set()

    async def next(self) -> gateway_pb2.AppendItemsResponse | None:
        """Waits for the next response and returns it; None once the queue is closed and empty."""
        while not self._waiting and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft() if self._waiting else None
