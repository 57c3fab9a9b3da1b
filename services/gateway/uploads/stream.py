"""One upload stream: stores the client's items and reports how many are stored."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterable, Callable

from headrace.errors import UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.reasons import ErrorReason
from services.gateway.stopping import gateway_stopping
from services.gateway.store import StoreClient
from services.gateway.uploads.buffer import GatheredCall, UploadBuffer, store_calls
from services.gateway.uploads.byte_budget import ByteBudget
from services.gateway.uploads.requests import check_batch, read_job_id
from services.gateway.uploads.responses import UploadResponses
from services.stubs.results.v1 import results_pb2

# Waits before a call without a response from the store is repeated, in seconds.
RETRY_SECONDS = (0.1, 0.2, 0.4, 0.8)


class UploadStream:
    """Reads requests, gathers their items into calls to the store, and makes one call at a time.

    Args:
        store: Stores the items.
        carry_out: Carries out the effects of each call.
        budget: Bytes that all streams of the gateway share. A stream that finds none free reads nothing
            more until some are returned.
        read_tenant: Returns the tenant that must own the job, or raises. Called after the first request was
            read: some clients lose an error that arrives while they send (grpc/grpc#36066).
    """

    def __init__(
        self,
        store: StoreClient,
        carry_out: Callable[[results_pb2.Effects], None],
        budget: ByteBudget,
        read_tenant: Callable[[], str],
    ) -> None:
        self._store = store
        self._carry_out = carry_out
        self._budget = budget
        self._read_tenant = read_tenant
        self._tenant = ""
        self._job_id = ""
        self._buffer = UploadBuffer()
        self._responses = UploadResponses()
        self._reserved_bytes = 0
        self._finished = False
        self._reader: asyncio.Task[None] | None = None

    @property
    def reading_ended(self) -> bool:
        """Whether the stream has stopped reading requests of the client."""
        return self._reader is not None and self._reader.done()

    async def run(
        self, requests: AsyncIterable[gateway_pb2.AppendItemsRequest]
    ) -> AsyncGenerator[gateway_pb2.AppendItemsResponse, None]:
        """Yields responses until the upload is finished or the client ends its side; see the proto.

        An error is raised after everything sent before it is stored and answered.
        """
        self._reader = asyncio.create_task(self._read(requests))
        sender = asyncio.create_task(self._send())
        try:
            while (response := await self._responses.next()) is not None:
                yield response
            await sender
            await self._raise_read_error(self._reader)
        finally:
            self._reader.cancel()
            sender.cancel()
            await asyncio.gather(self._reader, sender, return_exceptions=True)
            self._return_bytes(self._reserved_bytes)

    def stop(self) -> None:
        """Stops reading: the stream ends with GATEWAY_STOPPING once everything read is answered."""
        if self._reader is not None:
            self._reader.cancel()

    async def _raise_read_error(self, reader: asyncio.Task[None]) -> None:
        """Raises the error that ended the reading; after finish, it does not wait for the reader."""
        if not self._finished:
            await asyncio.wait([reader])
            if reader.cancelled():
                raise gateway_stopping()
        if reader.done() and not reader.cancelled():
            reader.result()

    async def _read(self, requests: AsyncIterable[gateway_pb2.AppendItemsRequest]) -> None:
        try:
            unread = aiter(requests)
            await self._open(await anext(unread, None))
            finished = False
            async for request in unread:
                await self._accept(request, finished)
                finished = finished or request.HasField("finish")
        finally:
            self._buffer.close()

    async def _open(self, first: gateway_pb2.AppendItemsRequest | None) -> None:
        self._tenant = self._read_tenant()
        self._job_id = await read_job_id(first)
        stored = await self._append(results_pb2.AppendItemsRequest())
        self._responses.put(gateway_pb2.AppendItemsResponse(stored_count=stored.stored_count, job=stored.job))

    async def _accept(self, request: gateway_pb2.AppendItemsRequest, finished: bool) -> None:
        size = request.ByteSize()
        await self._budget.take(size)
        self._reserved_bytes += size
        await check_batch(request, finished)
        for call in store_calls(request, reserved_bytes=size):
            await self._buffer.put(call)

    async def _send(self) -> None:
        try:
            while not self._finished and (call := await self._buffer.take()) is not None:
                await self._store_call(call)
        finally:
            self._responses.close()

    async def _store_call(self, call: GatheredCall) -> None:
        stored = await self._append(call.request)
        self._return_bytes(call.reserved_bytes)
        self._finished = call.request.HasField("finish_total_count")
        response = gateway_pb2.AppendItemsResponse(stored_count=stored.stored_count)
        if self._finished:
            response.job.CopyFrom(stored.job)
        self._responses.put(response)

    async def _append(self, request: results_pb2.AppendItemsRequest) -> results_pb2.AppendItemsResponse:
        request.job_id, request.tenant = self._job_id, self._tenant
        stored = await self._append_with_retries(request)
        self._carry_out(stored.effects)
        return stored

    async def _append_with_retries(
        self, request: results_pb2.AppendItemsRequest
    ) -> results_pb2.AppendItemsResponse:
        for wait_seconds in RETRY_SECONDS:
            try:
                return await self._store.append_items(request)
            except UnavailableError as error:  # the items may be stored: the store trims those it has
                if error.reason == ErrorReason.STORAGE_FAILED:
                    raise
                await asyncio.sleep(wait_seconds * random.uniform(0.5, 1.0))
        return await self._store.append_items(request)

    def _return_bytes(self, size: int) -> None:
        self._reserved_bytes -= size
        self._budget.give_back(size)
