"""Items on their way from one upload stream to the store, gathered into calls."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from headrace.gateway.v1 import gateway_pb2
from services.stubs.results.v1 import results_pb2

MAX_ITEMS_PER_CALL = 1000
MAX_BYTES_PER_CALL = 1024 * 1024
GATHER_SECONDS = 0.05


@dataclass
class GatheredCall:
    """A call to the store that may still grow.

    Attributes:
        request: To be sent.
        size: Bytes of the request.
        held_bytes: Bytes of the gateway's budget to give back once it is stored.
    """

    request: results_pb2.AppendItemsRequest
    size: int
    held_bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether nothing more is to be waited for."""
        return (
            len(self.request.items) >= MAX_ITEMS_PER_CALL
            or self.size >= MAX_BYTES_PER_CALL
            or self.request.HasField("finish_total_count")
        )

    def take_in(self, later: "GatheredCall") -> bool:
        """Returns whether a later call could become part of this one, and then is."""
        mine, its = self.request, later.request
        if its.HasField("finish_total_count"):  # where the store refuses it, what came before is stored
            return False
        if mine.items and its.items and not self._continues(later):
            return False
        if not mine.items:
            mine.first_item_index = its.first_item_index
        mine.items.extend(its.items)
        self.size += later.size
        self.held_bytes += later.held_bytes
        return True

    def _continues(self, later: "GatheredCall") -> bool:
        count = len(self.request.items)
        return (
            self.request.first_item_index + count == later.request.first_item_index
            and count + len(later.request.items) <= MAX_ITEMS_PER_CALL
            and self.size + later.size <= MAX_BYTES_PER_CALL
        )


class UploadBuffer:
    """What one stream's reader puts and its sender takes: at most one full call, and the next begun.

    A call is handed out when it is full, when it has been gathered for 50 ms, and when nothing more comes.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[GatheredCall, float]] = deque()
        self._closed = False
        self._filled = asyncio.Event()
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._update()

    async def put(self, call: GatheredCall) -> None:
        """Adds items that come after those before; waits while a full call is not taken."""
        await self._room.wait()
        if not self._calls or not self._calls[-1][0].take_in(call):
            self._calls.append((call, asyncio.get_running_loop().time()))
        self._update()

    def close(self) -> None:
        """Tells that nothing more comes; what is there is still taken."""
        self._closed = True
        self._update()

    async def take(self) -> GatheredCall | None:
        """Waits for the next call and returns it; None when there is nothing and nothing more comes."""
        await self._filled.wait()
        if self._calls and not self._ready.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._calls[0][1] + GATHER_SECONDS):
                    await self._ready.wait()
        if not self._calls:
            return None
        call, _ = self._calls.popleft()
        self._update()
        return call

    def _update(self) -> None:
        waiting = len(self._calls) > 1 or any(call.full for call, _ in self._calls)
        _set(self._filled, self._closed or bool(self._calls))
        _set(self._ready, self._closed or waiting)
        _set(self._room, not waiting)


def store_calls(batch: gateway_pb2.AppendItemsRequest, held_bytes: int) -> Iterator[GatheredCall]:
    """Yields a client's batch as calls of at most 1,000 items and 1 MB, unless it is one item.

    Args:
        batch: Checked. Without items it becomes one call, which asks for the stored count or closes.
        held_bytes: Given back with the last call: until then the batch is kept whole.
    """
    end = batch.first_item_index + len(batch.items)
    for call in _cut(batch) if batch.items else [_call(0, ())]:
        if call.request.first_item_index + len(call.request.items) == end or not batch.items:
            call.held_bytes = held_bytes
            if batch.HasField("finish"):
                call.request.finish_total_count = batch.finish.total_count
        yield call


def _cut(batch: gateway_pb2.AppendItemsRequest) -> Iterator[GatheredCall]:
    for start in range(0, len(batch.items), MAX_ITEMS_PER_CALL):
        items = batch.items[start : start + MAX_ITEMS_PER_CALL]
        yield from _halved(batch.first_item_index + start, items)


def _halved(first_item_index: int, items: Sequence[str]) -> Iterator[GatheredCall]:
    call = _call(first_item_index, items)
    if call.size <= MAX_BYTES_PER_CALL or len(items) == 1:
        yield call
        return
    half = len(items) // 2
    yield from _halved(first_item_index, items[:half])
    yield from _halved(first_item_index + half, items[half:])


def _call(first_item_index: int, items: Sequence[str]) -> GatheredCall:
    request = results_pb2.AppendItemsRequest(first_item_index=first_item_index, items=items)
    return GatheredCall(request, size=request.ByteSize())


def _set(event: asyncio.Event, is_set: bool) -> None:
    if is_set:
        event.set()
    else:
        event.clear()
