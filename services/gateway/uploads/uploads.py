"""The upload streams of this gateway."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing

from headrace.gateway.v1 import gateway_pb2
from services.gateway.stopping import gateway_stopping
from services.gateway.store import StoreClient
from services.gateway.uploads.byte_budget import ByteBudget
from services.gateway.uploads.stream import UploadStream
from services.stubs.results.v1 import results_pb2

MAX_WAITING_BYTES = 64 * 1024 * 1024
# Requests that have arrived, and wait for others to be stored.
MAX_UNREAD_BYTES = 128 * 1024 * 1024


class Uploads:
    """Runs upload streams. Together they buffer at most 64 MB for the store, then they stop reading.

    Args:
        store: Stores the items.
        carry_out: Carries out the effects of each call to the store.

    Attributes:
        budget: Bytes that all streams share.
        running: Open streams.
    """

    def __init__(self, store: StoreClient, carry_out: Callable[[results_pb2.Effects], None]) -> None:
        self._store = store
        self._carry_out = carry_out
        self.budget = ByteBudget(MAX_WAITING_BYTES, MAX_UNREAD_BYTES)
        self.running: set[UploadStream] = set()
        self._closed = False

    async def append_items(
        self, requests: AsyncIterable[gateway_pb2.AppendItemsRequest], read_tenant: Callable[[], str]
    ) -> AsyncGenerator[gateway_pb2.AppendItemsResponse, None]:
        """Yields the responses of one stream; raises the errors of the proto, and those of ``read_tenant``.

        Args:
            requests: Requests of the client.
            read_tenant: Returns the tenant of the call.
        """
        if self._closed:
            raise gateway_stopping()
        stream = UploadStream(self._store, self._carry_out, self.budget, read_tenant)
        self.running.add(stream)
        try:
            async with aclosing(stream.run(requests)) as responses:
                async for response in responses:
                    yield response
        finally:
            self.running.discard(stream)

    def close(self) -> None:
        """Ends every stream, and refuses new ones, with GATEWAY_STOPPING; items already read are stored."""
        self._closed = True
        for stream in self.running:
            stream.stop()
