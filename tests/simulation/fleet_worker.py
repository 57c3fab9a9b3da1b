"""A worker of the fleet: the real parts of one, with a runner in the place of the provider."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.contract import QUEUE_BY_CLASS
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2
from services.worker.calls.allowance import Allowance
from services.worker.intake.consumer import QUEUE_PREFETCH
from services.worker.intake.heartbeat import Heartbeat
from services.worker.intake.lease_client import LeaseClient
from services.worker.intake.lease_loop import LeaseLoop
from services.worker.items.item_runner import ItemOutcome
from services.worker.items.leased_work import LeasedWork
from services.worker.items.recorder import Recorder
from services.worker.items.scheduler import ItemScheduler
from tests.simulation.wire import PublishingEnd, Queues, StoreStub

_USAGE = jobs_pb2.Usage(call_count=1, input_tokens=200, output_tokens=20)


class CallRunner:
    """Makes attempts that take a random time and always succeed.

    Args:
        rng: Seeded.
        seconds: How long a call takes on average; between half and three halves of it.
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
        return ItemOutcome('"done"', None, None, False, item.attempt_count + 1, _USAGE)

    def cooldown_seconds(self, spec: results_pb2.JobSpec) -> float:
        return 0.0

    wait_seconds = cooldown_seconds

    def limited_count_of(self, job_id: str) -> int:
        return 0

    def makes_calls(self, spec: results_pb2.JobSpec) -> bool:
        return True

    def forget(self, job_id: str) -> None: ...


class FleetWorker:
    """Registers, consumes wake-ups, leases, works and records as a worker's process does."""

    def __init__(
        self,
        name: str,
        stub: StoreStub,
        queues: Queues,
        runner: CallRunner,
        limit: int,
        seen: Callable[[results_pb2.Effects], None],
    ) -> None:
        self.incarnation = name
        self.address = f"{name}:50061"
        self._queues = queues
        self._seen = seen
        self._publisher = QueuePublisher(cast("Any", PublishingEnd(queues)))
        results = cast("Any", stub)
        self._heartbeat = Heartbeat(results, name, self._carry_out)
        self.recorder = Recorder(results, name, self._carry_out)
        self.scheduler = ItemScheduler(
            runner,
            runner,
            self.recorder,
            leased=LeasedWork(),
            limit=limit,
            may_start=lambda: self._heartbeat.counts_as_live() and not self.dead,
        )
        clock = asyncio.get_running_loop().time
        lease_clients = {
            c: LeaseClient(c, results, name, self.scheduler, self._carry_out, clock=clock)
            for c in QUEUE_BY_CLASS
        }
        self._lease_loop = LeaseLoop(lease_clients, self.scheduler.capacity, self._publisher)
        self.scheduler.returns.quarantine_left = self._lease_loop.wake
        self._tasks: set[asyncio.Task[Any]] = set()
        self.dead = False

    def _carry_out(self, effects: results_pb2.Effects) -> None:
        if not self.dead:
            self._publisher.publish(effects.tasks_to_publish)
            self._seen(effects)

    async def start(self) -> None:
        self.recorder.start()
        await self._heartbeat.start(self.address, self.scheduler, self._lease_loop)
        for job_class in QUEUE_BY_CLASS:
            for _ in range(QUEUE_PREFETCH):
                self._tasks.add(asyncio.create_task(self._consume(job_class)))

    async def _consume(self, job_class: jobs_pb2.JobClass) -> None:
        while True:
            job_id, number = await self._queues.get(job_class)
            await self._lease_loop.run_task(job_id, cast("jobs_pb2.JobClass", number))

    async def die(self) -> None:
        """Says nothing more, starts nothing, records nothing; a call to the store under way may arrive."""
        self.dead = True
        self._lease_loop.drain()
        for task in self._tasks:
            task.cancel()
        await self._heartbeat.stop()
        await self.recorder.stop()
