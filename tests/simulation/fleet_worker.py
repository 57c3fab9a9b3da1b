"""A worker of the fleet: its real parts, with a runner that stands in for the provider."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.contract import QUEUE_BY_CLASS
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2
from services.worker.calls.allowance import Allowance
from services.worker.calls.tenant_slots import open_tenant_slots
from services.worker.intake.consumer import QUEUE_PREFETCH
from services.worker.intake.heartbeat import Heartbeat, HeartbeatActions, Liveness, WorkerStatus
from services.worker.intake.lease_client import LeaseClient
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.capacity import Capacity
from services.worker.items.held_up_work import HeldUpWork
from services.worker.items.in_flight import ItemsInFlight
from services.worker.items.item_slots import ItemSlots
from services.worker.items.leased_work import LeasedWork
from services.worker.items.live_numbers import LiveNumbers
from services.worker.items.recorder import Recorder
from services.worker.items.reporting import Reporting
from services.worker.items.scheduler import ItemScheduler
from services.worker.items.store_connection import StoreConnection
from services.worker.items.tenant_work import TenantWork
from services.worker.items.waiting_items import WaitingItems
from tests.simulation.wire import PublishingEnd, Queues, StoreStub

_USAGE = jobs_pb2.Usage(call_count=1, input_tokens=200, output_tokens=20)


class CallRunner:
    """Makes attempts that take a random time and always succeed.

    Args:
        rng: Seeded random numbers.
        seconds: Mean duration of a call, which takes between half and three halves of it.
        started: Called with the job and the item of each attempt that starts.
    """

    limited_count = 0
    longest_cooldown_seconds = 0.0

    def __init__(self, rng: random.Random, seconds: float, started: Callable[[str, int], None]) -> None:
        self._rng = rng
        self._seconds = seconds
        self._started = started

    async def run(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, allowance: Allowance | None
    ) -> ItemOutcome:
        self._started(spec.job_id, item.item_index)
        await asyncio.sleep(self._seconds * self._rng.uniform(0.5, 1.5))
        return ItemOutcome(output='"done"', attempt_count=item.attempt_count + 1, usage=_USAGE)

    def cooldown_seconds(self, spec: results_pb2.JobSpec) -> float:
        return 0.0

    wait_seconds = cooldown_seconds

    def limited_count_of(self, job_id: str) -> int:
        return 0

    def claim_probe(self, spec: results_pb2.JobSpec) -> None:
        pass

    def outage(self, spec: results_pb2.JobSpec) -> None:
        pass

    def lasting_outage(self, spec: results_pb2.JobSpec) -> None:
        pass

    def makes_calls(self, spec: results_pb2.JobSpec) -> bool:
        return True

    def forget(self, job_id: str) -> None: ...


class FleetWorker:
    """Registers, consumes tasks, leases, works and records as a worker's process does.

    Args:
        name: Incarnation and host name.
        stub: Stub of results.
        queues: Queues to consume and to publish to.
        runner: Makes the attempts.
        limit: Maximum items in flight.
        seen: Called with the effects of each response.

    Attributes:
        leased: The leased work.
        in_flight: Its items in flight.
        dead: Whether it has died.
    """

    def __init__(
        self,
        name: str,
        stub: StoreStub,
        queues: Queues,
        runner: CallRunner,
        *,
        limit: int,
        seen: Callable[[results_pb2.Effects], None],
    ) -> None:
        self.address = f"{name}:50061"
        self._queues = queues
        self._seen = seen
        self._publisher = QueuePublisher(cast("Any", PublishingEnd(queues)))
        self._store = StoreConnection(cast("Any", stub), name, self._carry_out)
        self._liveness = Liveness()
        self.recorder = Recorder(self._store)
        self.leased, waiting = LeasedWork(), WaitingItems()
        held_up = HeldUpWork(self.leased, runner)
        item_slots = ItemSlots(limit, runner)
        tenant_work = TenantWork(
            self.leased,
            open_tenant_slots({}, "memory://", "", limit),
            runner.makes_calls,
            held_up=held_up,
            item_slots=item_slots,
            waiting=waiting,
        )
        capacity = Capacity(self.leased, limit, tenant_work.parked_count)
        live = LiveNumbers(self.leased, runner, tenant_work.is_waiting)
        self.in_flight = ItemsInFlight(
            runner, runner, tenant_work, live, slots=item_slots, may_start=self._may_start
        )
        reporting = Reporting(
            self.recorder,
            self.leased,
            waiting,
            capacity,
            forget=runner.forget,
            quarantine_left=self._lease_next_quarantined,
        )
        scheduler = ItemScheduler(
            self.in_flight,
            reporting,
            runner,
            leased=self.leased,
            waiting=waiting,
            capacity=capacity,
            tenant_work=tenant_work,
            held_up=held_up,
        )
        lease_clients = {
            job_class: LeaseClient(
                job_class,
                self._store,
                scheduler,
                leased=self.leased,
                capacity=capacity,
                tenant_work=tenant_work,
                held_up=held_up,
                clock=asyncio.get_running_loop().time,
            )
            for job_class in QUEUE_BY_CLASS
        }
        self._lease_loop = LeaseLoop(lease_clients, capacity, self._publisher)
        status = WorkerStatus(self.leased, live, limit, lambda: False)
        actions = HeartbeatActions(scheduler, capacity, self._lease_loop)
        self._heartbeat = Heartbeat(self._store, self._liveness, status, actions)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.dead = False

    def _may_start(self) -> bool:
        return self._liveness.counts_as_live() and not self.dead

    def _lease_next_quarantined(self, job_class: jobs_pb2.JobClass) -> None:
        self._lease_loop.wake(job_class)

    def _carry_out(self, effects: results_pb2.Effects) -> None:
        if not self.dead:
            self._publisher.publish(effects.tasks_to_publish)
            self._seen(effects)

    async def start(self) -> None:
        self.recorder.start()
        await self._heartbeat.start(self.address)
        for job_class in QUEUE_BY_CLASS:
            for _ in range(QUEUE_PREFETCH):
                self._tasks.add(asyncio.create_task(self._consume(job_class)))

    async def _consume(self, job_class: jobs_pb2.JobClass) -> None:
        while True:
            job_id, number = await self._queues.get(job_class)
            await self._lease_loop.run_task(job_id, cast("jobs_pb2.JobClass", number))

    async def die(self) -> None:
        """Sends nothing more, starts nothing, records nothing; a call under way may still reach the store."""
        self.dead = True
        self._lease_loop.drain()
        for task in self._tasks:
            task.cancel()
        await self._heartbeat.stop()
        await self.recorder.stop()
