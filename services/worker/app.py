"""The worker as a whole: its parts, and the order in which they start and drain."""

import asyncio
import socket
from typing import Any

import grpc
import uuid_utils

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import installed_kinds
from services.shared.effects import EffectRunner
from services.shared.logging import get_logger
from services.shared.prices import read_prices
from services.shared.queue.brokers import EmbeddedBroker, TaskBroker
from services.shared.queue.contract import QUEUE_BY_CLASS
from services.shared.queue.publisher import QueuePublisher
from services.shared.serving.readiness import Readiness
from services.shared.serving.rpc_client import open_channel
from services.shared.serving.rpc_server import INTERNAL_MESSAGE_BYTES, RpcServer
from services.shared.validation.checked_servicer import CheckedServicer
from services.stubs.results.v1 import results_pb2, results_pb2_grpc
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc
from services.worker.calls.admission import CallAdmission
from services.worker.calls.opened_calls import open_calls
from services.worker.calls.outages import OutageBreaker
from services.worker.intake.consumer import Consumer
from services.worker.intake.heartbeat import Heartbeat, HeartbeatActions, Liveness, WorkerStatus
from services.worker.intake.lease_client import LeaseClient
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.intake.progress_hub import ProgressHub
from services.worker.intake.servicer import WorkerServicer
from services.worker.items.attempts.item_runner import ItemRunner
from services.worker.items.capacity import Capacity
from services.worker.items.held_up_work import HeldUpWork
from services.worker.items.in_flight import ItemsInFlight
from services.worker.items.item_slots import ItemSlots
from services.worker.items.leased_work import LeasedWork
from services.worker.items.live_numbers import LiveNumbers
from services.worker.items.quarantine import Quarantine
from services.worker.items.recorder import Recorder
from services.worker.items.reporting import Reporting
from services.worker.items.scheduler import ItemScheduler
from services.worker.items.store_connection import StoreConnection
from services.worker.items.tenant_work import TenantWork
from services.worker.items.waiting_items import WaitingItems
from services.worker.settings import WorkerSettings

log = get_logger(__name__)

LIVE_SECONDS = 1.0
END_CALL_SECONDS = 3.0
_WILDCARDS = {"0.0.0.0", "[::]"}  # noqa: S104 - compared with, not bound


class WorkerApp:
    """A worker process: consumes tasks, leases chunks, works on items, streams progress.

    Args:
        settings: Settings from the environment.
        broker: Broker with all queues declared; closed with the worker.
    """

    def __init__(self, settings: WorkerSettings, broker: EmbeddedBroker | TaskBroker) -> None:
        self._settings = settings
        self.incarnation = str(uuid_utils.uuid7())
        self._liveness = Liveness()
        self._channel = open_channel(settings.results_target)
        self._results = results_pb2_grpc.ResultsServiceStub(self._channel)
        self._broker = broker
        self._publisher = QueuePublisher(broker)
        self._hub = ProgressHub(self.incarnation)
        self._effects = EffectRunner(self._publisher, self._hub.put_jobs)
        self._store = StoreConnection(
            self._results, self.incarnation, self._effects.carry_out, settings.results_target
        )
        self._calls = open_calls(settings, self.incarnation, lambda: self._liveness.live_worker_count)
        self._recorder = Recorder(self._store)
        self._quarantine = Quarantine(_child_setup(settings))
        self._build_items()
        self._build_intake()
        self._server = RpcServer(settings.listen, INTERNAL_MESSAGE_BYTES)
        needs = [self._heartbeat.store_need, broker.consumers_need]
        self._readiness = Readiness(needs, self._server.report_ready)
        self._live_task: asyncio.Task[None] | None = None

    def _build_items(self) -> None:
        runner = self._make_runner()
        self._leased = LeasedWork()
        self._held_up = HeldUpWork(self._leased, runner)
        self._waiting = WaitingItems()
        self._item_slots = ItemSlots(self._settings.in_flight_limit, runner)
        self._tenant_work = TenantWork(
            self._leased,
            self._calls.tenant_slots,
            runner.makes_calls,
            held_up=self._held_up,
            item_slots=self._item_slots,
            waiting=self._waiting,
        )
        self._capacity = Capacity(
            self._leased, self._settings.in_flight_limit, self._tenant_work.parked_count
        )
        self._live = LiveNumbers(self._leased, runner, self._tenant_work.is_waiting)
        self._scheduler = self._make_scheduler(runner)

    def _make_scheduler(self, runner: ItemRunner) -> ItemScheduler:
        reporting = Reporting(
            self._recorder,
            self._leased,
            self._waiting,
            self._capacity,
            forget=runner.forget,
            quarantine_left=self._lease_next_quarantined,
        )
        in_flight = ItemsInFlight(
            runner,
            self._quarantine,
            self._tenant_work,
            self._live,
            slots=self._item_slots,
            may_start=self._liveness.counts_as_live,
        )
        return ItemScheduler(
            in_flight,
            reporting,
            runner,
            leased=self._leased,
            waiting=self._waiting,
            capacity=self._capacity,
            tenant_work=self._tenant_work,
            held_up=self._held_up,
        )

    def _make_runner(self) -> ItemRunner:
        calls = self._calls
        admission = CallAdmission(
            calls.provider,
            calls.cooldowns,
            self._settings.in_flight_limit,
            self._liveness.counts_as_live,
            calls.rate_limits,
            tenants=calls.tenant_slots,
            outages=OutageBreaker(calls.outages, self._settings.outage_seconds),
            model_slots=calls.model_slots,
            shared_limits=calls.shared_limits,
        )
        return ItemRunner(
            installed_kinds(),
            admission,
            self._settings.model,
            response_cache=calls.response_cache,
            prices=read_prices(self._settings.prices_file),
            form_of=calls.provider.form_of,
        )

    def _build_intake(self) -> None:
        lease_clients = {
            job_class: LeaseClient(
                job_class,
                self._store,
                self._scheduler,
                leased=self._leased,
                capacity=self._capacity,
                tenant_work=self._tenant_work,
                held_up=self._held_up,
            )
            for job_class in QUEUE_BY_CLASS
        }
        self._lease_loop = LeaseLoop(lease_clients, self._capacity, self._publisher)
        self._consumer = Consumer(self._broker, self._lease_loop)
        status = WorkerStatus(
            leased=self._leased,
            live=self._live,
            in_flight_limit=self._settings.in_flight_limit,
            limits_degraded=lambda: self._calls.breaker.is_open,
        )
        actions = HeartbeatActions(self._scheduler, self._capacity, self._lease_loop)
        self._heartbeat = Heartbeat(self._store, self._liveness, status, actions)

    @property
    def target(self) -> str:
        """Address that its gRPC server listens on."""
        return self._server.target

    @property
    def ended(self) -> asyncio.Event:
        """Set when a newer worker has taken its address: the process should stop."""
        return self._liveness.ended

    async def start(self) -> None:
        """Serves, registers with results (and waits for it), then consumes.

        Health reports SERVING while heartbeats are answered and all queues are consumed.
        """
        service = worker_pb2.DESCRIPTOR.services_by_name["WorkerService"]
        servicer = WorkerServicer(self.incarnation, self._hub, self._scheduler)
        checked: Any = CheckedServicer(servicer, service)
        worker_pb2_grpc.add_WorkerServiceServicer_to_server(checked, self._server.server)
        await self._server.start([service], ready=False)
        self._readiness.start()
        self._recorder.start()
        address = self._settings.worker_advertise or dialable_address(self.target)
        await self._heartbeat.start(address)
        await self._consumer.start()
        self._live_task = asyncio.create_task(self._publish_live_numbers(), name="live_numbers")
        log.info("worker_started", incarnation=self.incarnation, address=address)

    async def stop(self) -> None:
        """Drains: starts nothing more, lets calls end, records results, releases leases, says it ended."""
        grace = self._settings.drain_seconds
        await self._server.report_not_serving()
        await self._readiness.stop()
        self._lease_loop.drain()
        stopping = asyncio.create_task(self._consumer.stop())
        await self._scheduler.drain(grace)
        await self._quarantine.close()
        flushed = await self._recorder.flush(max(grace, END_CALL_SECONDS))
        await self._heartbeat.stop()
        await self._recorder.stop()
        if flushed and not self.ended.is_set():
            await self._end_worker()
        await stopping
        await self._publisher.close()
        # Only now: the publisher must not lose its connections while it publishes.
        await asyncio.to_thread(self._broker.close)
        if self._live_task is not None:
            self._live_task.cancel()
        self._hub.close()
        await self._server.stop(grace_seconds=1.0)
        await self._calls.close()
        await self._channel.close(None)
        log.info("worker_stopped", incarnation=self.incarnation, everything_recorded=flushed)

    async def _end_worker(self) -> None:
        request = results_pb2.EndWorkerRequest(
            incarnation=self.incarnation, cause=results_pb2.EndWorkerRequest.CAUSE_DRAINED
        )
        try:
            response = await self._results.EndWorker(request, timeout=END_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            log.warning("worker_end_not_reported", code=error.code().name)
        else:
            self._effects.carry_out(response.effects)

    def _lease_next_quarantined(self, job_class: jobs_pb2.JobClass) -> None:
        self._lease_loop.wake(job_class)

    async def _publish_live_numbers(self) -> None:
        while True:
            await asyncio.sleep(LIVE_SECONDS)
            self._hub.put_live_events(self._live.read(self.incarnation, LIVE_SECONDS))
            self._hub.keep_only(self._leased.jobs)


def _child_setup(settings: WorkerSettings) -> worker_pb2.ChildSetup:
    return worker_pb2.ChildSetup(
        log_level=settings.log_level,
        model=settings.model,
        redis_url=settings.redis_url,
        prices_file=settings.prices_file or "",
        memory_bytes=settings.quarantine_memory_mb * 1024 * 1024,
        limits=settings.limits,
        tenant_concurrency=settings.tenant_concurrency,
    )


def dialable_address(target: str) -> str:
    """Returns a ``host:port`` that other machines can dial: a wildcard becomes the name of this host.

    Args:
        target: Address that the server listens on, with the port that was bound.
    """
    host, _, port = target.rpartition(":")
    return f"{socket.gethostname()}:{port}" if host in _WILDCARDS else target
