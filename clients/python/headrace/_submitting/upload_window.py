"""Items of an upload that are read and not yet stored, in bounded memory."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from headrace._data.limits import MAX_ITEM_COUNT
from headrace._submitting.item_reading import EncodedItem
from headrace.gateway.v1 import gateway_pb2

MAX_WINDOW_BYTES = 4 * 1024 * 1024
MAX_BATCH_BYTES = 256 * 1024
MAX_BATCH_ITEMS = 1000
LONGEST_GATHER_SECONDS = 0.05
_ITEM_OVERHEAD_BYTES = 32  # memory of an item in addition to its text


@dataclass
class _Batch:
    request: gateway_pb2.AppendItemsRequest = field(default_factory=gateway_pb2.AppendItemsRequest)
    size: int = 0

    @property
    def end_index(self) -> int:
        return self.request.first_item_index + len(self.request.items)


class UploadWindow:
    """Passes items from one reader to one writer at a time, on one event loop.

    Batches are taken in order. They are kept until acknowledged, and taken again after ``rewind``. So a
    broken stream needs no second read of the items.

    Attributes:
        stored_count: Items of the job that are known to be stored.
        read_count: Items read, and so the index of the next one.
        error: Error that ended the reading. None while it continues and after a normal end.
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
        self._has_news = asyncio.Event()
        self._has_capacity = asyncio.Event()

    @property
    def wants_next(self) -> bool:
        """Whether the next item must be sent. Otherwise it is stored already and only counted."""
        return not self._is_closed and self.read_count >= self.stored_count

    @property
    def is_full(self) -> bool:
        """Whether the reader should wait for capacity."""
        return self._size >= MAX_WINDOW_BYTES

    @property
    def has_sent(self) -> bool:
        """Whether a taken batch is not acknowledged yet."""
        return bool(self._sent)

    def skip(self) -> None:
        """Counts the next item, which is stored already."""
        self.read_count += 1

    def add(self, item: EncodedItem) -> None:
        """Adds the next item, which must be sent. Either all items have keys, or none."""
        size = item.size + _ITEM_OVERHEAD_BYTES
        if self._open.size + size > MAX_BATCH_BYTES:
            self._seal()
        batch = self._open
        if not batch.request.items:
            batch.request.first_item_index = self.read_count
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LONGEST_GATHER_SECONDS, self._seal)
        batch.request.items.append(item.text)
        if item.key:
            batch.request.item_keys.append(item.key)
        batch.size += size
        self._size += size
        self.read_count += 1
        if len(batch.request.items) >= MAX_BATCH_ITEMS:
            self._seal()

    async def wait_for_capacity(self) -> None:
        """Waits until the window is not full."""
        while self.is_full:
            self._has_capacity.clear()
            await self._has_capacity.wait()

    def end(self, error: BaseException | None = None) -> None:
        """Ends the reading, with its error if it failed."""
        self.error = error
        self._is_ended = True
        self._seal()

    def rewind(self, stored_count: int, is_closed: bool) -> bool:
        """Continues after the stored items. Returns False if items to be sent again are no longer kept.

        Args:
            stored_count: Number of stored items.
            is_closed: Whether the upload is closed, so that items are only counted.
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
        """Drops the batches that are stored."""
        self.stored_count = max(self.stored_count, stored_count)
        if self._open.request.items and self._open.request.first_item_index < self.stored_count:
            self._seal()  # another client stored its items
        for batches in (self._sent, self._unsent):
            self._drop(batches, self.stored_count)

    async def take(self) -> gateway_pb2.AppendItemsRequest | None:
        """Waits for the next batch and returns it. None: all batches are taken, and no more will come."""
        while not self._unsent:
            if self._is_ended:
                return None
            self._has_news.clear()
            await self._has_news.wait()
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
        self._has_news.set()

    def _drop(self, batches: deque[_Batch], end_index: int = MAX_ITEM_COUNT) -> None:
        while batches and batches[0].end_index <= end_index:
            self._size -= batches.popleft().size
        self._has_capacity.set()


def _trim(batch: _Batch, stored_count: int) -> None:
    request = batch.request
    stored = stored_count - request.first_item_index
    if stored > 0:
        del request.items[:stored]
        del request.item_keys[:stored]
        request.first_item_index = stored_count
