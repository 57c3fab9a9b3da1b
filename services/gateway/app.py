"""A gateway, wired."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Any

import dramatiq

from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.kinds import Kind, installed_kinds
from services.gateway.creation import JobCreator
from services.gateway.dispatcher import Dispatcher
from services.gateway.effects import EffectRunner
from services.gateway.requests.job_prices import JobPrices
from services.gateway.servicer import GatewayServicer
from services.gateway.settings import GatewaySettings
from services.gateway.stopping import gateway_stopping
from services.gateway.store import StoreClient
from services.gateway.uploads.uploads import Uploads
from services.gateway.watching.hub import Hub
from services.gateway.watching.progress_streams import ProgressStreams
from services.gateway.watching.resync import Resync
from services.shared.logging import get_logger
from services.shared.prices import read_prices
from services.shared.queue.publisher import QueuePublisher
from services.shared.rpc_client import open_channel
from services.shared.rpc_server import PUBLIC_MESSAGE_BYTES, RpcServer

log = get_logger(__name__)

_SERVICE = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"]


class GatewayApp:
    """A gateway in this process: the public API, the dispatcher, and streams from all workers.

    Args:
        settings: Where to listen and where results is found.
        broker: With the queues of all classes declared; the caller closes it.
        kinds: Kinds that jobs can name; default: the built-in ones.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        broker: dramatiq.Broker,
        kinds: Mapping[str, Kind[Any]] | None = None,
    ) -> None:
        self._settings = settings
        self._broker = broker
        self._kinds = installed_kinds() if kinds is None else kinds
        self._server = RpcServer(
            settings.listen, PUBLIC_MESSAGE_BYTES, begins_traces=True, stopping=gateway_stopping
        )
        self._background: list[asyncio.Task[None]] = []

    @property
    def target(self) -> str:
        """``host:port`` of the public API, with the port that was bound."""
        return self._server.target

    async def start(self) -> None:
        """Starts serving; needs neither results nor the broker to be there yet.

        Raises:
            RuntimeError: The address cannot be bound.
        """
        self._channel = open_channel(self._settings.results_target)
        store = StoreClient(self._channel)
        self.hub = Hub()
        self._publisher = QueuePublisher(self._broker)
        resync = Resync(self.hub, store, self._settings.gateway_resync_seconds)
        name = f"{socket.gethostname()}:{os.getpid()}"
        self._streams = ProgressStreams(name, self.hub, resync.read_all_soon)
        effects = EffectRunner(self._publisher, self.hub, self._streams)
        self.creator = JobCreator(store, effects)
        self.uploads = Uploads(store, effects)
        prices = JobPrices(read_prices(self._settings.prices_file), self._settings.model)
        servicer = GatewayServicer(
            store, self.creator, self.uploads, effects, self.hub, kinds=self._kinds, prices=prices
        )
        gateway_pb2_grpc.add_GatewayServiceServicer_to_server(servicer, self._server.server)
        await self._server.start([_SERVICE])
        self._dispatcher = Dispatcher(store, effects, self._streams)
        runs = (resync.run(), self._dispatcher.run(), self.hub.notify_live_numbers())
        self._background = [asyncio.create_task(run) for run in runs]
        log.info("gateway_started", target=self.target)

    async def drain(self) -> None:
        """Ends everything but the connections: health says so first, new calls are refused, streams end.

        Clients go on elsewhere meanwhile; what running calls ask for is still published.
        """
        await self._server.report_not_serving()
        self.hub.close()
        self.uploads.close()
        await self._server.drain(self._settings.drain_seconds)
        await self._dispatcher.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._streams.close()
        await self._publisher.close()
        await self._channel.close(None)
        log.info("gateway_stopped")

    async def stop(self) -> None:
        """Drains and closes all connections."""
        await self.drain()
        await self._server.stop(0)
