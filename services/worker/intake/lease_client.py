"""Leasing chunks: one call under way for each class, shared by all tasks that want work of it."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.worker.items.capacity import AHEAD_COUNT
from services.worker.items.scheduler import ItemScheduler

if TYPE_CHECKING:
    from services.stubs.results.v1.results_pb2_grpc import ResultsServiceAsyncStub

log = get_logger(__name__)

# The store takes leases back that heartbeats sent 5 s after them do not list: a reply must not come later.
# One that waited in a socket while this process was frozen may do so all the same, and is not taken.
CALL_SECONDS = 5.0
# A chunk that did not fit is taken to be the next one still for so long, in seconds.
SAME_ANSWER_SECONDS = 0.1


@dataclass(frozen=True)
class LeaseOutcome:
    """What a lease call brought.

    Attributes:
        chunk_count: Chunks leased.
        more_work: Whether leasable chunks of the class are left.
        unwanted: Whether jobs or tenants were left out, such as those whose provider cools down.
        answered: False where results could not be asked.
        needed_capacity: Capacity that the next chunk needs, which did not fit; 0: not known.
    """

    chunk_count: int
    more_work: bool
    unwanted: bool = False
    answered: bool = True
    needed_capacity: int = 0


NOTHING = LeaseOutcome(0, False, answered=False)


class LeaseClient:
    """Leases chunks of one class into the scheduler.

    A caller that comes while a call is under way takes part in the next one, which starts after it: so a
    job that was stored a moment ago is always seen.

    Args:
        job_class: The class.
        results: Stub of results.
        incarnation: Of this worker.
        scheduler: Takes the chunks.
        carry_out: Takes the effects of each reply.
        clock: Gives seconds that never go back.
    """

    def __init__(
        self,
        job_class: jobs_pb2.JobClass,
        results: "ResultsServiceAsyncStub",
        incarnation: str,
        scheduler: ItemScheduler,
        carry_out: Callable[[results_pb2.Effects], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._job_class = job_class
        self._results = results
        self._incarnation = incarnation
        self._scheduler = scheduler
        self._carry_out = carry_out
        self._call_numbers = itertools.count(1)
        self._call_id = ""
        self._unwanted_tenants: list[str] = []
        self._needed_capacity = 0
        self._answer_time = float("-inf")
        self._current: asyncio.Task[LeaseOutcome] | None = None
        self._next: asyncio.Task[LeaseOutcome] | None = None

    async def lease(self) -> LeaseOutcome:
        """Leases what there is capacity for, together with whoever else asks at the same time."""
        if self._next is None:
            self._next = asyncio.create_task(self._lease_after(self._current))
        return await asyncio.shield(self._next)

    def wants_again(self) -> bool:
        """Returns whether a tenant is wanted that the last call left out."""
        if not self._unwanted_tenants:
            return False
        return not set(self._unwanted_tenants) <= set(self._scheduler.tenant_work.unwanted_tenants())

    async def _lease_after(self, running: asyncio.Task[LeaseOutcome] | None) -> LeaseOutcome:
        if running is not None:
            await asyncio.wait([running])
        self._current, self._next = self._next, None
        return await self._lease()

    async def _lease(self) -> LeaseOutcome:
        leased = self._scheduler.leased
        # A call that failed may have leased all the same: its repetition gets those leases.
        self._call_id = self._call_id or f"{self._job_class}-{next(self._call_numbers)}"
        capacity = self._scheduler.capacity.of(self._job_class)
        if capacity <= 0:
            return LeaseOutcome(0, more_work=True)
        if capacity < self._needed_capacity and self._clock() - self._answer_time < SAME_ANSWER_SECONDS:
            return LeaseOutcome(0, more_work=True, needed_capacity=self._needed_capacity)
        unwanted = self._scheduler.unwanted_job_ids(self._job_class)
        self._unwanted_tenants = self._scheduler.tenant_work.unwanted_tenants()
        known = {job_id: job.spec for job_id, job in leased.jobs.items()}
        request = results_pb2.LeaseChunksRequest(
            job_class=self._job_class,
            capacity=capacity,
            incarnation=self._incarnation,
            call_id=self._call_id,
            known_job_ids=known,
            excluded_job_ids=unwanted,
            excluded_tenants=self._unwanted_tenants,
        )
        send_time = self._clock()
        try:
            response = await self._results.LeaseChunks(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            log.warning("chunks_not_leased", code=error.code().name)
            return NOTHING
        self._carry_out(response.effects)
        if self._clock() - send_time > CALL_SECONDS:
            log.warning("chunks_leased_too_late", chunk_count=len(response.leases))
            return NOTHING
        self._call_id = ""
        self._answer_time, self._needed_capacity = self._clock(), min(response.needed_capacity, AHEAD_COUNT)
        self._scheduler.capacity.set_with_work(self._job_class, response.more_work)
        specs = known | {spec.job_id: spec for spec in response.jobs}
        self._scheduler.accept(specs, response.leases)
        return LeaseOutcome(
            len(response.leases),
            response.more_work,
            unwanted=bool(unwanted or self._unwanted_tenants),
            needed_capacity=self._needed_capacity,
        )
