"""Items of an upload that are read and not yet stored: bounded, and kept until they are."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from headrace._submitting.item_reading import MAX_ITEM_COUNT
from headrace.gateway.v1 import gateway_pb2

MAX_WINDOW_BYTES = 4 * 1024 * 1024
MAX_BATCH_BYTES = 256 * 1024
MAX_BATCH_ITEMS = 1000
LONGEST_GATHER_SECONDS = 0.05
_BYTES_BESIDE_ITEM = 32  # what holds an item in memory, beside its text


@dataclass
class _Batch:
    request: gateway_pb2.AppendItemsRequest = field(default_factory=gateway_pb2.AppendItemsRequest)
    size: int = 0

    @property
    def end_index(self) -> int:
        return self.request.first_item_index + len(self.request.items)


class UploadWindow:
    """What one reader of items puts in, and one writer at a time takes to send. All on one event loop.

    Batches are taken in order. They are kept until acknowledged, and taken again after ``rewind``, so that a
    broken stream costs no second read of the items.

    Attributes:
        stored_count: Items of the job that are stored, as far as known.
        read_count: Items that the reader has met: the place of the next.
        error: What reading ended with; None where it ended well or goes on.
    """

    def __init__(self) -> None:
        self.stored_count = 0
        self.read_count = 0
        self.error: BaseException | None = None
        self._is_ended = False
        self._is_closed = False
        self._size = 0
        self._open = _Batch()
        self._timer: asyncio.TimerHandle | None = None
        self._unsent: deque[_Batch] = deque()
        self._sent: deque[_Batch] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def wants_next(self) -> bool:
        """Whether the next item has to be sent; else it is stored already, and is only counted."""
        return not self._is_closed and self.read_count >= self.stored_count

    @property
    def is_full(self) -> bool:
        """Whether the reader should wait for room."""
        return self._size >= MAX_WINDOW_BYTES

    @property
    def has_sent(self) -> bool:
        """Whether batches taken from here are not yet acknowledged."""
        return bool(self._sent)

    def skip(self) -> None:
        """Counts the next item, which is not wanted."""
        self.read_count += 1

    def add(self, text: str, size: int) -> None:
        """Takes the next item, which is wanted.

        Args:
            text: Its JSON text.
            size: Bytes that it takes in a message.
        """
        size += _BYTES_BESIDE_ITEM
        if self._open.size + size > MAX_BATCH_BYTES:
            self._seal()
        batch = self._open
        if not batch.request.items:
            batch.request.first_item_index = self.read_count
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LONGEST_GATHER_SECONDS, self._seal)
        batch.request.items.append(text)
        batch.size += size
        self._size += size
        self.read_count += 1
        if len(batch.request.items) >= MAX_BATCH_ITEMS:
            self._seal()

    async def wait_for_capacity(self) -> None:
        """Waits until the window is not full."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    def end(self, error: BaseException | None = None) -> None:
        """Takes note that no item comes any more, and why if that is an error."""
        self.error = error
        self._is_ended = True
        self._seal()

    def rewind(self, stored_count: int, is_closed: bool) -> bool:
        """Begins anew behind what is stored; returns False where items before it are not kept any more.

        Args:
            stored_count: Where to go on.
            is_closed: Nothing can be added to the upload: items are only counted.
        """
        if stored_count < self.stored_count:
            return False
        self._seal()
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self.acknowledge(stored_count)
        self._is_closed = is_closed
        if is_closed:
            self._drop(self._unsent)
        elif self._unsent:
            _trim(self._unsent[0], stored_count)
        return True

    def acknowledge(self, stored_count: int) -> None:
        """Forgets batches that are stored."""
        self.stored_count = max(self.stored_count, stored_count)
        if self._open.request.items and self._open.request.first_item_index < self.stored_count:
            self._seal()  # somebody else stored its items
        for batches in (self._sent, self._unsent):
            self._drop(batches, self.stored_count)

    async def take(self) -> gateway_pb2.AppendItemsRequest | None:
        """Returns the next batch, waiting for it; None: all have been taken, and no more will come."""
        while not self._unsent:
            if self._is_ended:
                return None
            self._news.clear()
            await self._news.wait()
        batch = self._unsent.popleft()
        self._sent.append(batch)
        return batch.request

    def _seal(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._open.request.items:
            self._unsent.append(self._open)
            self._open = _Batch()
        self._news.set()

    def _drop(self, batches: deque[_Batch], end_index: int = MAX_ITEM_COUNT) -> None:
        while batches and batches[0].end_index <= end_index:
            self._size -= batches.popleft().size
        self._room.set()


def _trim(batch: _Batch, stored_count: int) -> None:
    request = batch.request
    stored = stored_count - request.first_item_index
    if stored > 0:
        del request.items[:stored]
        request.first_item_index = stored_count
