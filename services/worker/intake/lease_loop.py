"""What a task does once it has woken the worker: it leases for a bounded time."""

import asyncio
from collections.abc import Mapping

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2
from services.worker.intake.lease_client import LeaseClient, LeaseOutcome
from services.worker.items.capacity import AHEAD_COUNT, Capacity
from services.worker.items.scheduler import RUN_SECONDS

log = get_logger(__name__)

# A task that found no capacity for so long is published again, in seconds.
NO_CAPACITY_SECONDS = 0.2
# How soon results is asked again when the next chunk did not fit, it is not known by how much, and the capacity
# has hardly grown, in seconds.
NO_FIT_SECONDS = 0.1
# For how long what a heartbeat said of a class counts, in seconds: until the next one, and a little.
TOLD_SECONDS = 2.5
# How soon a slice that waits for capacity asks what comes next by now, in seconds.
LOOK_AGAIN_SECONDS = 2.0
# How soon results is asked again when the next chunk was under lock, in seconds.
LOCKED_SECONDS = 0.02
# How soon results is asked again when nothing is left but jobs that are not wanted now, in seconds.
UNWANTED_SECONDS = 0.25


class LeaseLoop:
    """Runs lease_loop: at most one leasing loop for each task, and one for each class that a heartbeat woke.

    Args:
        lease_clients: By class.
        capacity: Of the worker.
        publisher: Publishes a task again where work is left.
    """

    def __init__(
        self,
        lease_clients: Mapping[jobs_pb2.JobClass, LeaseClient],
        capacity: Capacity,
        publisher: QueuePublisher,
    ) -> None:
        self._lease_clients = lease_clients
        self._capacity = capacity
        self._publisher = publisher
        self._woken: dict[jobs_pb2.JobClass, asyncio.Task[bool]] = {}
        self._told_time: dict[jobs_pb2.JobClass, float] = {}
        self._draining = False

    async def run_task(self, job_id: str, job_class: jobs_pb2.JobClass) -> None:
        """Runs a slice for a task; publishes the task again where it ended with work left."""
        if await self._lease_while_there_is_work(job_class) and not self._all_were_told(job_class):
            self._publisher.publish([results_pb2.TaskToPublish(job_id=job_id, job_class=job_class, count=1)])

    def wake(self, job_class: jobs_pb2.JobClass) -> None:
        """Starts a slice of a class that has work waiting, unless one like it runs; it waits for capacity."""
        self._told_time[job_class] = asyncio.get_running_loop().time()
        running = self._woken.get(job_class)
        if (running is None or running.done()) and not self._draining:
            self._woken[job_class] = asyncio.create_task(
                self._lease_while_there_is_work(job_class, patient=True)
            )

    def _all_were_told(self, job_class: jobs_pb2.JobClass) -> bool:
        """Whether every worker has heard lately that the class has work, and takes it when it has capacity.

        Then a task that found no capacity need not go on to look for it: with a backlog there would be one for
        each chunk, up to twice the workers, which go round five times a second.
        """
        told_time = self._told_time.get(job_class, float("-inf"))
        return asyncio.get_running_loop().time() - told_time < TOLD_SECONDS

    def drain(self) -> None:
        """Ends the running lease_loop at their next step; later ones end at once."""
        self._draining = True
        self._capacity.changed()

    async def _lease_while_there_is_work(
        self, job_class: jobs_pb2.JobClass, *, patient: bool = False
    ) -> bool:
        """Returns whether work was left when it ended.

        A task gives up where there is no capacity: another worker may have some. A patient slice stands for no
        task that could come again, so it waits.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + RUN_SECONDS
        last_leased = loop.time()
        while not self._draining and loop.time() < end:
            if await self._capacity.wait(job_class, 1, NO_CAPACITY_SECONDS) <= 0:
                if patient:
                    continue
                return True
            leased = await self._lease_clients[job_class].lease()
            if not leased.more_work and leased.answered:
                self._told_time.pop(job_class, None)
            if not leased.more_work and not leased.unwanted:
                return False
            if leased.chunk_count:
                last_leased = loop.time()
            if leased.needed_capacity > self._capacity.of(job_class):
                if not await self._wait_for_capacity(job_class, leased.needed_capacity, patient):
                    return True
            elif leased.chunk_count:
                continue
            elif leased.more_work and loop.time() - last_leased > NO_CAPACITY_SECONDS and not patient:
                return True
            else:
                await self._wait_for_better(job_class, leased)
        return True

    async def _wait_for_capacity(self, job_class: jobs_pb2.JobClass, wanted: int, patient: bool) -> bool:
        """Returns whether to go on: there is capacity for the next chunk, or it is time to look what is next now.

        Until then every slot is taken, for capacity is short by at most the chunk that is leased ahead. What
        comes new meanwhile has a task of its own, which asks.
        """
        seconds = LOOK_AGAIN_SECONDS if patient else NO_CAPACITY_SECONDS
        return await self._capacity.wait(job_class, wanted, seconds) >= wanted or patient

    async def _wait_for_better(self, job_class: jobs_pb2.JobClass, leased: LeaseOutcome) -> None:
        if not leased.more_work:
            await self._capacity.wait_until(self._lease_clients[job_class].wants_again, UNWANTED_SECONDS)
        elif self._capacity.of(job_class) >= AHEAD_COUNT:
            await asyncio.sleep(LOCKED_SECONDS)
        else:
            await self._capacity.wait(job_class, AHEAD_COUNT, NO_FIT_SECONDS)
