"""The upload streams of this gateway, and what they share."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing

from headrace.gateway.v1 import gateway_pb2
from services.gateway.effects import EffectRunner
from services.gateway.stopping import gateway_stopping
from services.gateway.store import StoreClient
from services.gateway.uploads.byte_budget import ByteBudget
from services.gateway.uploads.stream import UploadStream

MAX_HELD_BYTES = 64 * 1024 * 1024


class Uploads:
    """Runs upload streams. Together they hold 64 MB that wait for the store; beyond it they wait to read.

    Args:
        store: Takes the items.
        effects: Carries out what follows.

    Attributes:
        budget: The bytes that all streams hold.
        running: The streams that are open.
    """

    def __init__(self, store: StoreClient, effects: EffectRunner) -> None:
        self._store = store
        self._effects = effects
        self.budget = ByteBudget(MAX_HELD_BYTES)
        self.running: set[UploadStream] = set()
        self._closed = False

    async def append_items(
        self, requests: AsyncIterable[gateway_pb2.AppendItemsRequest], owner: Callable[[], str]
    ) -> AsyncGenerator[gateway_pb2.AppendItemsResponse, None]:
        """Yields the answers of one stream; its errors are those of the proto, and those of ``owner``.

        Args:
            requests: As the client sends them.
            owner: Names the tenant.
        """
        if self._closed:
            raise gateway_stopping()
        stream = UploadStream(self._store, self._effects, self.budget, owner)
        self.running.add(stream)
        try:
            async with aclosing(stream.run(requests)) as answers:
                async for answer in answers:
                    yield answer
        finally:
            self.running.discard(stream)

    def close(self) -> None:
        """Ends every stream, those to come included, with GATEWAY_STOPPING; what was read is stored first."""
        self._closed = True
        for stream in self.running:
            stream.stop()
