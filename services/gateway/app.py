"""The gateway, from start to stop."""

import asyncio
import os
import socket

import dramatiq

from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.kinds import installed_kinds
from headrace.kinds.noop import NOOP, noop_kind
from services.gateway.creation import JobCreator
from services.gateway.dispatcher import Dispatcher
from services.gateway.effects import EffectRunner
from services.gateway.requests.job_prices import JobPrices
from services.gateway.requests.submission import Submissions
from services.gateway.servicer import GatewayServicer
from services.gateway.settings import GatewaySettings
from services.gateway.stopping import gateway_stopping
from services.gateway.store import StoreClient
from services.gateway.uploads.uploads import Uploads
from services.gateway.watching.hub import Hub
from services.gateway.watching.many_jobs.change_feeds import ChangeFeeds
from services.gateway.watching.progress_streams import ProgressStreams
from services.gateway.watching.resync import Resync
from services.shared.logging import get_logger
from services.shared.prices import read_prices
from services.shared.queue.publisher import QueuePublisher
from services.shared.serving.readiness import Readiness
from services.shared.serving.rpc_client import open_channel
from services.shared.serving.rpc_server import PUBLIC_MESSAGE_BYTES, RpcServer

log = get_logger(__name__)


class GatewayApp:
    """A gateway in this process: the public API, the dispatcher, and a stream from every worker.

    Build it on the running event loop.

    Args:
        settings: Settings of the gateway.
        broker: Broker with all queues declared; the caller closes it.
    """

    def __init__(self, settings: GatewaySettings, broker: dramatiq.Broker) -> None:
        self._settings = settings
        self._channel = open_channel(settings.results_target)
        store = StoreClient(self._channel)
        self._publisher = QueuePublisher(broker)
        self.hub = Hub()
        self._feeds = ChangeFeeds(self.hub, store)
        self._resync = Resync(self.hub, store, settings.gateway_resync_seconds)
        name = f"{socket.gethostname()}:{os.getpid()}"
        self._streams = ProgressStreams(name, self.hub, self._resync.read_all_soon)
        effects = EffectRunner(self._publisher, self.hub, self._streams)
        self.creator = JobCreator(store, effects)
        self.uploads = Uploads(store, effects.carry_out)
        self._dispatcher = Dispatcher(store, effects, self._streams, settings.results_target)
        prices = JobPrices(read_prices(settings.prices_file), settings.model)
        submissions = Submissions(
            installed_kinds() | {NOOP.name: noop_kind(settings.noop_max_seconds)}, prices
        )
        self._servicer = GatewayServicer(
            store,
            self.creator,
            self.uploads,
            effects,
            hub=self.hub,
            feeds=self._feeds,
            submissions=submissions,
        )
        self._server = RpcServer(
            settings.listen, PUBLIC_MESSAGE_BYTES, begins_traces=True, stopping=gateway_stopping
        )
        self._readiness = Readiness([self._dispatcher.store_need], self._server.report_ready)
        self._background: list[asyncio.Task[None]] = []

    @property
    def target(self) -> str:
        """``host:port`` of the public API, once started."""
        return self._server.target

    async def start(self) -> None:
        """Serves the public API, then starts the dispatcher. Needs neither the store nor the broker yet.

        Health reports SERVING from the first answered sweep on.

        Raises:
            RuntimeError: The address cannot be bound.
        """
        gateway_pb2_grpc.add_GatewayServiceServicer_to_server(self._servicer, self._server.server)
        await self._server.start([gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"]], ready=False)
        loops = (self._resync.run(), self._dispatcher.run(), self.hub.notify_live_numbers())
        self._background = [asyncio.create_task(loop) for loop in loops]
        self._readiness.start()
        log.info("gateway_started", target=self.target)

    async def drain(self) -> None:
        """Ends everything except the connections.

        Health reports NOT_SERVING first, new calls are refused and streams end, so that clients continue at
        another gateway. Running calls end within the settings' drain_seconds, and their tasks are published.
        """
        await self._server.report_not_serving()
        await self._readiness.stop()
        self.hub.close()
        self._feeds.close()
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
