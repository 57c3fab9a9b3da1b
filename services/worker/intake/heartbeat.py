"""The worker's sign of life, and what the store has to say in answer."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc

from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.items.scheduler import ItemScheduler
from services.worker.metrics import HEARTBEATS_FAILED

if TYPE_CHECKING:
    from services.stubs.results.v1.results_pb2_grpc import ResultsServiceAsyncStub

log = get_logger(__name__)

INTERVAL_SECONDS = 2.0
CALL_SECONDS = 3.0
# Nothing new is started so long after the last answered heartbeat was sent: the store may soon give the
# leases to others.
START_LIMIT_SECONDS = 25.0


class Heartbeat:
    """Sends a heartbeat every 2 s and does what its answer says.

    Args:
        results: Stub of results.
        incarnation: Of this worker.
        carry_out: Takes the effects of each reply.
        limits_degraded: Whether rate limits are kept by this worker's part of each.

    Attributes:
        live_worker_count: Of the last answer, this one included.
        ended: Set when a newer worker has taken the address.
    """

    def __init__(
        self,
        results: "ResultsServiceAsyncStub",
        incarnation: str,
        carry_out: Callable[[results_pb2.Effects], None],
        limits_degraded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._results = results
        self._incarnation = incarnation
        self._carry_out = carry_out
        self._limits_degraded = limits_degraded
        self.live_worker_count = 1
        self._answered_send_time = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()

    def counts_as_live(self) -> bool:
        """Whether the store is sure to count this worker as live, so that new items may start."""
        now = asyncio.get_running_loop().time()
        return now - self._answered_send_time < START_LIMIT_SECONDS and not self.ended.is_set()

    async def start(self, address: str, scheduler: ItemScheduler, lease_loop: LeaseLoop) -> None:
        """Registers the worker, however long results needs to answer, then goes on by itself.

        Args:
            address: What gateways dial.
            scheduler: Is told of lost leases and stopped jobs.
            lease_loop: Is told of classes with work.
        """
        attempt_count = 0
        while not await self._beat(address, scheduler, lease_loop):
            attempt_count += 1
            if attempt_count == 3:
                log.warning("waiting_for_results")
            await asyncio.sleep(0.5)
        self._task = asyncio.create_task(self._run(address, scheduler, lease_loop), name="heartbeat")

    async def stop(self) -> None:
        """Sends no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, address: str, scheduler: ItemScheduler, lease_loop: LeaseLoop) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self.ended.is_set():
            due = max(due + INTERVAL_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())
            try:
                await self._beat(address, scheduler, lease_loop)
            except Exception:  # without heartbeats the worker would lose all it holds
                log.exception("heartbeat_failed")

    async def _beat(self, address: str, scheduler: ItemScheduler, lease_loop: LeaseLoop) -> bool:
        send_time = asyncio.get_running_loop().time()
        request = results_pb2.HeartbeatRequest(
            incarnation=self._incarnation,
            address=address,
            leases=scheduler.leased.leases(),
            in_flight_limit=scheduler.limit,
            leased_item_count=scheduler.leased.unfinished_count(),
            limits_degraded=self._limits_degraded(),
        )
        scheduler.live.tell(request)
        try:
            response = await self._results.Heartbeat(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            HEARTBEATS_FAILED.inc()
            log.debug("heartbeat_not_answered", code=error.code().name)
            return False
        if response.ended:
            log.error("worker_replaced", address=address)
            self.ended.set()
            return True
        self._answered_send_time = send_time
        self.live_worker_count = max(1, response.live_worker_count)
        self._carry_out(response.effects)
        self._obey(response, scheduler, lease_loop)
        return True

    def _obey(
        self, response: results_pb2.HeartbeatResponse, scheduler: ItemScheduler, lease_loop: LeaseLoop
    ) -> None:
        scheduler.lose(response.lost_leases)
        for job_id in response.stop_job_ids:
            scheduler.stop_job(job_id)
        for job_id in response.pause_job_ids:
            scheduler.pause_job(job_id)
        for job_class in scheduler.capacity.classes:
            scheduler.capacity.set_with_work(job_class, job_class in response.classes_with_work)
        for job_class in response.classes_with_work:
            lease_loop.wake(job_class)
        scheduler.pump()
