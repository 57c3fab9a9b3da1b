"""The worker as a whole: what it is made of, and the order in which it starts and drains."""

import asyncio
import socket

import dramatiq
import grpc
import uuid_utils

from headrace.kinds import installed_kinds
from services.shared.logging import get_logger
from services.shared.prices import read_prices
from services.shared.queue.contract import QUEUE_BY_CLASS
from services.shared.queue.publisher import QueuePublisher
from services.shared.rpc_client import open_channel
from services.shared.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
from services.shared.setting_types import read_limits, read_tenant_concurrency
from services.stubs.results.v1 import results_pb2, results_pb2_grpc
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc
from services.worker.calls.breaker import Breaker
from services.worker.calls.cooldowns import open_cooldowns
from services.worker.calls.provider import open_provider
from services.worker.calls.rate_limits import open_rate_limits
from services.worker.calls.response_cache import open_response_cache
from services.worker.calls.tenant_slots import open_tenant_slots
from services.worker.intake.consumer import Consumer
from services.worker.intake.heartbeat import Heartbeat
from services.worker.intake.lease_client import LeaseClient
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.intake.progress_hub import ProgressHub
from services.worker.intake.servicer import WorkerServicer
from services.worker.items.item_runner import ItemRunner
from services.worker.items.leased_work import LeasedWork
from services.worker.items.quarantine import Quarantine
from services.worker.items.recorder import Recorder
from services.worker.items.scheduler import ItemScheduler
from services.worker.settings import WorkerSettings

log = get_logger(__name__)

LIVE_SECONDS = 1.0
END_CALL_SECONDS = 3.0
_WILDCARDS = {"0.0.0.0", "[::]"}  # noqa: S104 - compared with, not bound


class WorkerApp:
    """A worker process: consumes wake-ups, leases chunks, works on items, streams progress.

    Args:
        settings: From the environment.
        broker: With all queues declared; closed with the worker.
    """

    def __init__(self, settings: WorkerSettings, broker: dramatiq.Broker) -> None:
        self._settings = settings
        self.incarnation = str(uuid_utils.uuid7())
        self._channel = open_channel(settings.results_target)
        self._results = results_pb2_grpc.ResultsServiceStub(self._channel)
        self._broker = broker
        self._publisher = QueuePublisher(broker)
        self._hub = ProgressHub(self.incarnation)
        self._cooldowns = open_cooldowns(settings.redis_url)
        self._provider = open_provider(settings.in_flight_limit)
        self._response_cache = open_response_cache(
            settings.redis_url, self.incarnation, self._provider.name, settings.cache_hours * 3600
        )
        breaker = Breaker(self._count_workers)
        self._limits = open_rate_limits(
            read_limits(settings.limits), settings.redis_url, self._count_workers, breaker
        )
        self._tenants = open_tenant_slots(
            read_tenant_concurrency(settings.tenant_concurrency),
            settings.redis_url,
            self.incarnation,
            settings.in_flight_limit,
            worker_count=self._count_workers,
            breaker=breaker,
        )
        self._heartbeat = Heartbeat(self._results, self.incarnation, self._carry_out, lambda: breaker.is_open)
        self._recorder = Recorder(self._results, self.incarnation, self._carry_out)
        self._quarantine = Quarantine(
            worker_pb2.ChildSetup(
                log_level=settings.log_level,
                model=settings.model,
                redis_url=settings.redis_url,
                prices_file=settings.prices_file or "",
                memory_bytes=settings.quarantine_memory_mb * 1024 * 1024,
                limits=settings.limits,
                tenant_concurrency=settings.tenant_concurrency,
            )
        )
        limit = settings.in_flight_limit  # of items, and of the calls they make
        self._scheduler = ItemScheduler(
            ItemRunner(
                installed_kinds(),
                self._provider,
                settings.model,
                self._cooldowns,
                call_limit=limit,
                may_start=self._heartbeat.counts_as_live,
                response_cache=self._response_cache,
                prices=read_prices(settings.prices_file),
                limits=self._limits,
                tenants=self._tenants,
            ),
            self._quarantine,
            self._recorder,
            leased=LeasedWork(),
            limit=limit,
            may_start=self._heartbeat.counts_as_live,
            tenants=self._tenants,
        )
        lease_clients = {
            job_class: LeaseClient(
                job_class, self._results, self.incarnation, self._scheduler, self._carry_out
            )
            for job_class in QUEUE_BY_CLASS
        }
        self._lease_loop = LeaseLoop(lease_clients, self._scheduler.capacity, self._publisher)
        self._scheduler.returns.quarantine_left = self._lease_loop.wake
        self._consumer = Consumer(broker, self._lease_loop)
        self._server = RpcServer(settings.listen, INTERNAL_MESSAGE_BYTES)
        self._live: asyncio.Task[None] | None = None

    @property
    def target(self) -> str:
        """Where its gRPC server listens."""
        return self._server.target

    @property
    def ended(self) -> asyncio.Event:
        """Set when a newer worker has taken its address: it should stop."""
        return self._heartbeat.ended

    async def start(self) -> None:
        """Serves, registers with results (waiting for it), then consumes."""
        servicer = WorkerServicer(self.incarnation, self._hub, self._scheduler)
        worker_pb2_grpc.add_WorkerServiceServicer_to_server(servicer, self._server.server)
        await self._server.start([worker_pb2.DESCRIPTOR.services_by_name["WorkerService"]])
        self._recorder.start()
        address = self._settings.worker_advertise or dialable_address(self.target)
        await self._heartbeat.start(address, self._scheduler, self._lease_loop)
        await self._consumer.start()
        self._live = asyncio.create_task(self._read_live_numbers(), name="live_numbers")
        log.info("worker_started", incarnation=self.incarnation, address=address)

    async def stop(self) -> None:
        """Drains: starts nothing, lets calls end, records, gives leases back, says goodbye."""
        grace = self._settings.drain_seconds
        await self._server.report_not_serving()
        self._lease_loop.drain()
        stopping = asyncio.create_task(self._consumer.stop())
        await self._scheduler.drain(grace)
        await self._quarantine.close()
        flushed = await self._recorder.flush(max(grace, END_CALL_SECONDS))
        await self._heartbeat.stop()
        await self._recorder.stop()
        if flushed and not self._heartbeat.ended.is_set():
            await self._say_goodbye()
        await stopping
        await self._publisher.close()
        # Not before: its connections must not be closed under the publisher's hands.
        await asyncio.to_thread(self._broker.close)
        if self._live is not None:
            self._live.cancel()
        self._hub.close()
        await self._server.stop(grace_seconds=1.0)
        await self._provider.close()
        await self._cooldowns.close()
        await self._response_cache.close()
        await self._limits.close()
        await self._tenants.close()
        await self._channel.close(None)
        log.info("worker_stopped", incarnation=self.incarnation, everything_recorded=flushed)

    def _count_workers(self) -> int:
        return self._heartbeat.live_worker_count

    async def _say_goodbye(self) -> None:
        request = results_pb2.EndWorkerRequest(
            incarnation=self.incarnation, cause=results_pb2.EndWorkerRequest.CAUSE_DRAINED
        )
        try:
            response = await self._results.EndWorker(request, timeout=END_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            log.warning("goodbye_failed", code=error.code().name)
        else:
            self._carry_out(response.effects)

    def _carry_out(self, effects: results_pb2.Effects) -> None:
        self._publisher.publish(effects.tasks_to_publish)
        self._hub.put_jobs(effects.changed_jobs)

    async def _read_live_numbers(self) -> None:
        while True:
            await asyncio.sleep(LIVE_SECONDS)
            self._hub.put_live_events(self._scheduler.live.read(self.incarnation, LIVE_SECONDS))
            self._hub.forget(self._scheduler.leased.jobs)


def dialable_address(target: str) -> str:
    """Returns ``host:port`` that another machine can dial: a wildcard becomes the name of this host.

    Args:
        target: Where the server listens, with the port that was bound.
    """
    host, _, port = target.rpartition(":")
    return f"{socket.gethostname()}:{port}" if host in _WILDCARDS else target
