"""Gathers the items of one upload stream into calls to the store."""

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
        request: Request to send.
        size: Bytes of the request.
        reserved_bytes: Bytes of the gateway's budget to return once the call is stored.
    """

    request: results_pb2.AppendItemsRequest
    size: int
    reserved_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the call is sent without waiting for more items."""
        return (
            len(self.request.items) >= MAX_ITEMS_PER_CALL
            or self.size >= MAX_BYTES_PER_CALL
            or self.request.HasField("finish_total_count")
        )

    def merge(self, later: "GatheredCall") -> bool:
        """Appends a later call to this one if both fit into one call; returns whether it did."""
        mine, its = self.request, later.request
        # A finish goes alone: if the store refuses it, the items before it are still stored.
        if its.HasField("finish_total_count"):
            return False
        if mine.items and its.items and not self._is_continued_by(later):
            return False
        if not mine.items:
            mine.first_item_index = its.first_item_index
        mine.items.extend(its.items)
        mine.item_keys.extend(its.item_keys)
        self.size += later.size
        self.reserved_bytes += later.reserved_bytes
        return True

    def _is_continued_by(self, later: "GatheredCall") -> bool:
        count = len(self.request.items)
        return (
            self.request.first_item_index + count == later.request.first_item_index
            and count + len(later.request.items) <= MAX_ITEMS_PER_CALL
            and bool(self.request.item_keys) == bool(later.request.item_keys)
            and self.size + later.size <= MAX_BYTES_PER_CALL
        )


class UploadBuffer:
    """Queue between the reader and the sender of one stream: at most one full call and the next one.

    A call can be taken when it is full, 50 ms after its first item, or when the buffer is closed.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[GatheredCall, float]] = deque()
        self._closed = False
        self._not_empty = asyncio.Event()
        self._ready = asyncio.Event()
        self._not_full = asyncio.Event()
        self._update_events()

    async def put(self, call: GatheredCall) -> None:
        """Adds the items that follow; waits until the sender has taken a full call."""
        await self._not_full.wait()
        if not self._calls or not self._calls[-1][0].merge(call):
            self._calls.append((call, asyncio.get_running_loop().time()))
        self._update_events()

    def close(self) -> None:
        """Marks the end of the items; buffered calls can still be taken."""
        self._closed = True
        self._update_events()

    async def take(self) -> GatheredCall | None:
        """Waits for the next call and returns it; None once the buffer is closed and empty."""
        await self._not_empty.wait()
        if self._calls and not self._ready.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._calls[0][1] + GATHER_SECONDS):
                    await self._ready.wait()
        if not self._calls:
            return None
        call, _ = self._calls.popleft()
        self._update_events()
        return call

    def _update_events(self) -> None:
        has_full_call = len(self._calls) > 1 or any(call.is_full for call, _ in self._calls)
        _set(self._not_empty, self._closed or bool(self._calls))
        _set(self._ready, self._closed or has_full_call)
        _set(self._not_full, not has_full_call)


def store_calls(batch: gateway_pb2.AppendItemsRequest, reserved_bytes: int) -> Iterator[GatheredCall]:
    """Yields a client's batch as calls of at most 1,000 items and 1 MB; a larger item gets its own call.

    Args:
        batch: Checked batch. Without items it becomes one call, which reads the stored count or finishes.
        reserved_bytes: Bytes reserved for the batch. The last call returns them, because the batch stays
            in memory as a whole.
    """
    end = batch.first_item_index + len(batch.items)
    for call in _split(batch) if batch.items else [_call(0, (), ())]:
        if call.request.first_item_index + len(call.request.items) == end or not batch.items:
            call.reserved_bytes = reserved_bytes
            if batch.HasField("finish"):
                call.request.finish_total_count = batch.finish.total_count
        yield call


def _split(batch: gateway_pb2.AppendItemsRequest) -> Iterator[GatheredCall]:
    for start in range(0, len(batch.items), MAX_ITEMS_PER_CALL):
        part = slice(start, start + MAX_ITEMS_PER_CALL)
        yield from _halve_until_small(
            batch.first_item_index + start, batch.items[part], batch.item_keys[part]
        )


def _halve_until_small(
    first_item_index: int, items: Sequence[str], keys: Sequence[str]
) -> Iterator[GatheredCall]:
    call = _call(first_item_index, items, keys)
    if call.size <= MAX_BYTES_PER_CALL or len(items) == 1:
        yield call
        return
    half = len(items) // 2
    yield from _halve_until_small(first_item_index, items[:half], keys[:half])
    yield from _halve_until_small(first_item_index + half, items[half:], keys[half:])


def _call(first_item_index: int, items: Sequence[str], keys: Sequence[str]) -> GatheredCall:
    request = results_pb2.AppendItemsRequest(first_item_index=first_item_index, items=items, item_keys=keys)
    return GatheredCall(request, size=request.ByteSize())


def _set(event: asyncio.Event, is_set: bool) -> None:
    if is_set:
        event.set()
    else:
        event.clear()
