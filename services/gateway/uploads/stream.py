"""One upload stream: what a client sends goes to the store, and the client hears what is stored."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterable, Callable

from headrace.errors import UnavailableError
from headrace.gateway.v1 import gateway_pb2
from services.gateway.effects import EffectRunner
from services.gateway.stopping import gateway_stopping
from services.gateway.store import StoreClient
from services.gateway.uploads.buffer import UploadBuffer, store_calls
from services.gateway.uploads.byte_budget import ByteBudget
from services.gateway.uploads.requests import check_batch, named_job
from services.gateway.uploads.responses import UploadAnswers
from services.stubs.results.v1 import results_pb2

# How long to wait before a call that the store did not answer is made again, in seconds.
REPEAT_SECONDS = (0.1, 0.2, 0.4, 0.8)


class UploadStream:
    """Reads requests, gathers their items into calls, and makes one call at a time.

    Args:
        store: Takes the items.
        effects: Carries out what follows.
        budget: Bytes that all streams of the gateway may hold; who finds none free waits, and reads nothing.
        owner: Names the tenant whose job it must be, or raises. Asked when the first request was read: some
            clients lose an error that comes while they send (grpc/grpc#36066).
    """

    def __init__(
        self, store: StoreClient, effects: EffectRunner, budget: ByteBudget, owner: Callable[[], str]
    ) -> None:
        self._store = store
        self._effects = effects
        self._budget = budget
        self._owner = owner
        self._tenant = ""
        self._job_id = ""
        self._buffer = UploadBuffer()
        self._answers = UploadAnswers()
        self._held_bytes = 0
        self._finished = False
        self._reader: asyncio.Task[None] | None = None

    @property
    def reading_ended(self) -> bool:
        """Whether nothing more is read of the client's requests."""
        return self._reader is not None and self._reader.done()

    async def run(
        self, requests: AsyncIterable[gateway_pb2.AppendItemsRequest]
    ) -> AsyncGenerator[gateway_pb2.AppendItemsResponse, None]:
        """Yields answers until the upload is finished or the client ends its side; see the proto.

        An error is raised when all that came before it is stored and answered.
        """
        self._reader = asyncio.create_task(self._read(requests))
        sender = asyncio.create_task(self._send())
        try:
            while (answer := await self._answers.next()) is not None:
                yield answer
            await sender
            await self._end_reading(self._reader)
        finally:
            self._reader.cancel()
            sender.cancel()
            await asyncio.gather(self._reader, sender, return_exceptions=True)
            self._give_back(self._held_bytes)

    async def _end_reading(self, reader: asyncio.Task[None]) -> None:
        """Raises why nothing more was read; after finish nothing more needs to come."""
        if not self._finished:
            await asyncio.wait([reader])
            if reader.cancelled():
                raise gateway_stopping()
        if reader.done() and not reader.cancelled():
            reader.result()

    def stop(self) -> None:
        """Reads nothing more: the stream ends with GATEWAY_STOPPING when what was read is answered."""
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self, requests: AsyncIterable[gateway_pb2.AppendItemsRequest]) -> None:
        try:
            coming = aiter(requests)
            first = await anext(coming, None)
            self._tenant = self._owner()
            self._job_id = await named_job(first)
            response = await self._append(results_pb2.AppendItemsRequest())
            self._answers.put(
                gateway_pb2.AppendItemsResponse(stored_count=response.stored_count, job=response.job)
            )
            finished = False
            async for request in coming:
                await self._accept(request, finished)
                finished = finished or request.HasField("finish")
        finally:
            self._buffer.close()

    async def _accept(self, request: gateway_pb2.AppendItemsRequest, finished: bool) -> None:
        size = request.ByteSize()
        await self._budget.take(size)
        self._held_bytes += size
        await check_batch(request, finished)
        for call in store_calls(request, held_bytes=size):
            await self._buffer.put(call)

    async def _send(self) -> None:
        try:
            while (call := await self._buffer.take()) is not None:
                response = await self._append(call.request)
                self._give_back(call.held_bytes)
                self._finished = call.request.HasField("finish_total_count")
                answer = gateway_pb2.AppendItemsResponse(stored_count=response.stored_count)
                if self._finished:
                    answer.job.CopyFrom(response.job)
                self._answers.put(answer)
                if self._finished:
                    return
        finally:
            self._answers.close()

    async def _append(self, request: results_pb2.AppendItemsRequest) -> results_pb2.AppendItemsResponse:
        request.job_id, request.tenant = self._job_id, self._tenant
        response = await self._append_in_the_end(request)
        self._effects.carry_out(response.effects)
        return response

    async def _append_in_the_end(
        self, request: results_pb2.AppendItemsRequest
    ) -> results_pb2.AppendItemsResponse:
        for wait_seconds in REPEAT_SECONDS:
            try:
                return await self._store.append_items(request)
            except UnavailableError:  # whether it was stored is not known: what was is trimmed
                await asyncio.sleep(wait_seconds * random.uniform(0.5, 1.0))
        return await self._store.append_items(request)

    def _give_back(self, size: int) -> None:
        self._held_bytes -= size
        self._budget.give_back(size)
