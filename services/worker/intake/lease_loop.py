"""Leases chunks for a bounded time after a task or a heartbeat has woken the worker."""

import asyncio
from collections.abc import Mapping

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2
from services.worker.intake.lease_client import LeaseClient, LeaseOutcome
from services.worker.items.capacity import AHEAD_COUNT, RUN_SECONDS, Capacity

log = get_logger(__name__)

# A task that finds no capacity for this time is published again, in seconds.
NO_CAPACITY_SECONDS = 0.2
# Delay before the next call when a chunk did not fit, its size is not known, and capacity has hardly grown,
# in seconds.
NO_FIT_SECONDS = 0.1
# Time for which a heartbeat's word that a class has work counts, in seconds: a little longer than until the
# next one.
WORK_KNOWN_SECONDS = 2.5
# Delay after which a patient run that waits for capacity asks again what the next chunk is, in seconds.
LOOK_AGAIN_SECONDS = 2.0
# Delay before the next call when the next chunk was locked, in seconds.
LOCKED_SECONDS = 0.02
# Delay before the next call when only jobs are left that are unwanted now, in seconds.
UNWANTED_SECONDS = 0.25


class LeaseLoop:
    """Runs one leasing loop per task, and at most one for each class that a heartbeat woke.

    Args:
        lease_clients: Lease clients by class.
        capacity: Capacity of the worker.
        publisher: Publishes a task again if its run ends with work left.
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
        self._work_known_time: dict[jobs_pb2.JobClass, float] = {}
        self._draining = False

    async def run_task(self, job_id: str, job_class: jobs_pb2.JobClass) -> None:
        """Runs the loop for a task, and publishes the task again if the run ended with work left."""
        if await self._run(job_class) and not self._work_is_known(job_class):
            self._publisher.publish([results_pb2.TaskToPublish(job_id=job_id, job_class=job_class, count=1)])

    def wake(self, job_class: jobs_pb2.JobClass) -> None:
        """Starts a patient run for a class that has work, unless one is under way."""
        self._work_known_time[job_class] = asyncio.get_running_loop().time()
        running = self._woken.get(job_class)
        if (running is None or running.done()) and not self._draining:
            self._woken[job_class] = asyncio.create_task(self._run(job_class, patient=True))

    def drain(self) -> None:
        """Ends every run at its next step; later runs end at once."""
        self._draining = True
        for client in self._lease_clients.values():
            client.close()
        self._capacity.changed()

    def _work_is_known(self, job_class: jobs_pb2.JobClass) -> bool:
        """Returns whether all workers recently heard that the class has work, and lease it when they can.

        Then a task that found no capacity need not be published again. With a backlog there would be one for
        each chunk, up to twice the number of workers, each going round five times a second.
        """
        known_time = self._work_known_time.get(job_class, float("-inf"))
        return asyncio.get_running_loop().time() - known_time < WORK_KNOWN_SECONDS

    async def _run(self, job_class: jobs_pb2.JobClass, *, patient: bool = False) -> bool:
        """Leases while there is work; returns whether work was left at the end.

        A task gives up if there is no capacity: another worker may have some. A patient run waits, because it
        stands for no task that could be published again.
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
                self._work_known_time.pop(job_class, None)
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
                await self._wait_for_change(job_class, leased)
        return True

    async def _wait_for_capacity(self, job_class: jobs_pb2.JobClass, wanted: int, patient: bool) -> bool:
        """Returns whether to continue: the next chunk fits, or it is time to ask again which chunk is next.

        Meanwhile every slot is in use, because the capacity is short by no more than the chunk leased ahead.
        New work that arrives meanwhile has a task of its own, which asks.
        """
        seconds = LOOK_AGAIN_SECONDS if patient else NO_CAPACITY_SECONDS
        return await self._capacity.wait(job_class, wanted, seconds) >= wanted or patient

    async def _wait_for_change(self, job_class: jobs_pb2.JobClass, leased: LeaseOutcome) -> None:
        if not leased.more_work:
            await self._capacity.wait_until(self._lease_clients[job_class].wants_more, UNWANTED_SECONDS)
        elif self._capacity.of(job_class) >= AHEAD_COUNT:
            await asyncio.sleep(LOCKED_SECONDS)
        else:
            await self._capacity.wait(job_class, AHEAD_COUNT, NO_FIT_SECONDS)
