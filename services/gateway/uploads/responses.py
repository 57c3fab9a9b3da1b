"""What the client of an upload stream has still to be told."""

import asyncio
from collections import deque

from headrace.gateway.v1 import gateway_pb2


class UploadAnswers:
    """Answers that wait to be sent: a later stored_count takes the place of an earlier one.

    So a client that reads slowly holds up no call to the store, and only two answers wait at most: one with
    the job's snapshot is not replaced.
    """

    def __init__(self) -> None:
        self._waiting: deque[gateway_pb2.AppendItemsResponse] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def put(self, answer: gateway_pb2.AppendItemsResponse) -> None:
        """Adds the newest answer."""
        if self._waiting and not self._waiting[-1].HasField("job"):
            self._waiting.pop()
        self._waiting.append(answer)
        self._news.set()

    def close(self) -> None:
        """Tells that no answer follows."""
        self._closed = True
        self._news.set()

    async def next(self) -> gateway_pb2.AppendItemsResponse | None:
        """Waits for the next answer and returns it; None when there is none left and none follows."""
        while not self._waiting and not self._closed:
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft() if self._waiting else None
