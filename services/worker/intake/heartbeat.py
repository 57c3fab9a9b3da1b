"""Sends heartbeats, and acts on the store's answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from services.shared.logging import get_logger
from services.shared.serving.readiness import Need
from services.stubs.results.v1 import results_pb2
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.items.capacity import Capacity
from services.worker.items.leased_work import LeasedWork
from services.worker.items.live_numbers import LiveNumbers
from services.worker.items.scheduler import ItemScheduler
from services.worker.items.store_connection import StoreConnection
from services.worker.metrics import HEARTBEATS_FAILED

log = get_logger(__name__)

INTERVAL_SECONDS = 2.0
CALL_SECONDS = 3.0
# Wait before the first heartbeat is sent again.
REGISTER_WAIT_SECONDS = 0.5
# Nothing new starts this long after the last answered heartbeat was sent, in seconds: the store may soon give
# the leases to other workers.
START_LIMIT_SECONDS = 25.0


class Liveness:
    """The store's view of this worker, as far as its answers show.

    Attributes:
        live_worker_count: Live workers in the last answer, this one included.
        ended: Set when a newer worker has taken the address.
    """

    def __init__(self) -> None:
        self.live_worker_count = 1
        self.ended = asyncio.Event()
        self._answered_send_time = float("-inf")

    def counts_as_live(self) -> bool:
        """Returns whether the store is sure to count this worker as live. Only then do new items start."""
        now = asyncio.get_running_loop().time()
        return now - self._answered_send_time < START_LIMIT_SECONDS and not self.ended.is_set()

    def answered(self, send_time: float, live_worker_count: int) -> None:
        """Notes the answer to a heartbeat.

        Args:
            send_time: Time at which the heartbeat was sent, by the loop's clock.
            live_worker_count: Live workers in the answer.
        """
        self._answered_send_time = send_time
        self.live_worker_count = max(1, live_worker_count)


@dataclass(frozen=True)
class WorkerStatus:
    """The status that a worker reports with each heartbeat.

    Attributes:
        leased: The leased work.
        live: Live numbers of its jobs.
        in_flight_limit: Maximum items in flight.
        limits_degraded: Returns whether the worker keeps its own part of each rate limit.
    """

    leased: LeasedWork
    live: LiveNumbers
    in_flight_limit: int
    limits_degraded: Callable[[], bool]

    def fill(self, request: results_pb2.HeartbeatRequest) -> None:
        """Sets the status in a heartbeat."""
        request.leases.extend(self.leased.leases())
        request.in_flight_limit = self.in_flight_limit
        request.leased_item_count = self.leased.unfinished_count()
        request.limits_degraded = self.limits_degraded()
        self.live.fill(request)


@dataclass(frozen=True)
class HeartbeatActions:
    """The parts of a worker that act on the answer to a heartbeat.

    Attributes:
        scheduler: Loses leases, and stops and pauses jobs.
        capacity: Learns which classes have work.
        lease_loop: Leases from classes that have work.
    """

    scheduler: ItemScheduler
    capacity: Capacity
    lease_loop: LeaseLoop

    def obey(self, response: results_pb2.HeartbeatResponse) -> None:
        """Does everything that an answer asks for."""
        self.scheduler.lose(response.lost_leases)
        for job_id in response.stop_job_ids:
            self.scheduler.stop_job(job_id)
        for job_id in response.pause_job_ids:
            self.scheduler.pause_job(job_id)
        for job_class in self.capacity.classes:
            self.capacity.set_with_work(job_class, job_class in response.classes_with_work)
        for job_class in response.classes_with_work:
            self.lease_loop.wake(job_class)
        self.scheduler.start_items()


class Heartbeat:
    """Sends a heartbeat every 2 s and obeys the answer.

    Args:
        store: Connection to the store.
        liveness: Notified of each answer.
        status: Status to report.
        actions: Parts that act on the answers.

    Attributes:
        store_need: Met while heartbeats are answered.
    """

    def __init__(
        self, store: StoreConnection, liveness: Liveness, status: WorkerStatus, actions: HeartbeatActions
    ) -> None:
        self._results = store.results
        self._incarnation = store.incarnation
        self._carry_out = store.carry_out
        self._liveness = liveness
        self._status = status
        self._actions = actions
        self._failure = ""
        self._task: asyncio.Task[None] | None = None
        self.store_need = Need("results", store.target)

    async def start(self, address: str) -> None:
        """Registers the worker, however long results takes to answer, then continues in the background.

        Args:
            address: Address that gateways dial.
        """
        failure_count = 0
        while not await self._beat(address):
            failure_count += 1
            if failure_count == 3:
                log.warning("waiting_for_results", error=self._failure)
            await asyncio.sleep(REGISTER_WAIT_SECONDS)
        self._task = asyncio.create_task(self._run(address), name="heartbeat")

    async def stop(self) -> None:
        """Stops sending."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._liveness.ended.is_set():
            due = max(due + INTERVAL_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())
            try:
                await self._beat(address)
            except Exception:  # without heartbeats the worker would lose all its leases
                log.exception("heartbeat_failed")

    async def _beat(self, address: str) -> bool:
        send_time = asyncio.get_running_loop().time()
        request = results_pb2.HeartbeatRequest(incarnation=self._incarnation, address=address)
        self._status.fill(request)
        try:
            response = await self._results.Heartbeat(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            HEARTBEATS_FAILED.inc()
            self._failure = f"{error.code().name}: {error.details()}"
            self.store_need.note_failure(self._failure)
            log.debug("heartbeat_not_answered", code=error.code().name)
            return False
        self.store_need.note_answer()
        if response.ended:
            log.error("worker_replaced", address=address)
            self._liveness.ended.set()
            return True
        self._liveness.answered(send_time, response.live_worker_count)
        self._carry_out(response.effects)
        self._actions.obey(response)
        return True
