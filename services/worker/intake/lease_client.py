"""Leases chunks of one class: one call under way, shared by all tasks that want its work."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.worker.items.capacity import AHEAD_COUNT, Capacity
from services.worker.items.held_up_work import HeldUpWork
from services.worker.items.leased_work import LeasedWork
from services.worker.items.store_connection import StoreConnection
from services.worker.items.tenant_work import TenantWork

log = get_logger(__name__)

# The store takes leases back that heartbeats sent 5 s after them do not list, so a response must not arrive
# later. A response that waited in a socket while this process was frozen may still be late; it is not
# accepted.
CALL_SECONDS = 5.0
# Delays before a call without an answer is repeated, in seconds: it may have leased chunks that nobody works
# on. The last delay applies to all further repeats.
REPEAT_SECONDS = (0.05, 0.25, 1.0, 2.0)
# Time for which a chunk that did not fit is assumed to be the next one still, in seconds.
SAME_CHUNK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class LeaseOutcome:
    """The outcome of a lease call.

    Attributes:
        chunk_count: Chunks leased.
        more_work: Whether leasable chunks of the class are left.
        unwanted: Whether jobs or tenants were excluded, such as jobs whose model cools down.
        answered: False if results could not be reached.
        needed_capacity: Capacity that the next chunk needs, if it did not fit; 0: not known.
    """

    chunk_count: int = 0
    more_work: bool = False
    unwanted: bool = False
    answered: bool = True
    needed_capacity: int = 0


NOTHING = LeaseOutcome(answered=False)
TOO_LATE = results_pb2.LeaseChunksResponse()


class ChunkScheduler(Protocol):
    """The part of the scheduler that accepts leased chunks."""

    def accept(self, specs: Mapping[str, results_pb2.JobSpec], leases: Iterable[results_pb2.Lease]) -> None:
        """Accepts leased chunks; specs hold every job that a lease names, by id."""

    def give_back(self, leases: Iterable[results_pb2.Lease]) -> None:
        """Releases leases that were not accepted, so that any worker can lease their chunks at once."""


class LeaseClient:
    """Leases chunks of one class for the scheduler.

    A caller that arrives while a call is under way joins the next call, which starts after it. So a job that
    was stored a moment ago is always seen.

    A call without an answer is repeated with the same id until it is answered, even if nothing asks for
    chunks any more: it may have leased some. An answer that arrives too late, or when there is no capacity
    left, is not accepted: its leases go back to the store at once.

    Args:
        job_class: The class.
        store: Connection to the store.
        scheduler: Accepts the chunks.
        leased: The leased work.
        capacity: Capacity for more items.
        tenant_work: Decides which tenants are not leased from.
        held_up: Decides which jobs are not leased from.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        job_class: jobs_pb2.JobClass,
        store: StoreConnection,
        scheduler: ChunkScheduler,
        *,
        leased: LeasedWork,
        capacity: Capacity,
        tenant_work: TenantWork,
        held_up: HeldUpWork,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job_class = job_class
        self._results = store.results
        self._incarnation = store.incarnation
        self._carry_out = store.carry_out
        self._scheduler = scheduler
        self._leased = leased
        self._capacity = capacity
        self._tenant_work = tenant_work
        self._held_up = held_up
        self._clock = clock
        self._call_numbers = itertools.count(1)
        self._call_id = ""
        self._unwanted_tenants: list[str] = []
        self._needed_capacity = 0
        self._response_time = float("-inf")
        self._current: asyncio.Task[LeaseOutcome] | None = None
        self._next: asyncio.Task[LeaseOutcome] | None = None
        self._repeats: asyncio.Task[None] | None = None
        self._is_closed = False

    def close(self) -> None:
        """Stops repeating calls. The store ends the leases of a worker that drains."""
        self._is_closed = True
        if self._repeats is not None:
            self._repeats.cancel()

    async def lease(self) -> LeaseOutcome:
        """Leases chunks that fit the capacity, in one call with all other callers at the same time."""
        if self._next is None:
            self._next = asyncio.create_task(self._lease_after(self._current))
        return await asyncio.shield(self._next)

    def wants_more(self) -> bool:
        """Returns whether a tenant that the last call excluded may be leased from again."""
        if not self._unwanted_tenants:
            return False
        return not set(self._unwanted_tenants) <= set(self._tenant_work.unwanted_tenants())

    async def _lease_after(self, running: asyncio.Task[LeaseOutcome] | None) -> LeaseOutcome:
        if running is not None:
            await asyncio.wait([running])
        self._current, self._next = self._next, None
        return await self._lease()

    async def _lease(self) -> LeaseOutcome:
        skipped = self._skip()
        if skipped is not None:
            return skipped
        unwanted_job_ids = self._held_up.unwanted_job_ids(self._job_class)
        capacity = self._capacity.of(self._job_class)  # an outage may just have ended
        if capacity <= 0 and not self._call_id:
            return LeaseOutcome(more_work=True)
        # A failed call may still have leased chunks: repeating it with the same id returns those leases.
        self._call_id = self._call_id or f"{self._job_class}-{next(self._call_numbers)}"
        request = self._request(max(capacity, 0), unwanted_job_ids)
        known = {job_id: self._leased.jobs[job_id].spec for job_id in request.known_job_ids}
        response = await self._call(request)
        if response is None:
            self._repeat_until_answered()
            return NOTHING
        self._call_id = ""
        if response is TOO_LATE:
            return NOTHING
        self._response_time, self._needed_capacity = self._clock(), min(response.needed_capacity, AHEAD_COUNT)
        self._capacity.set_with_work(self._job_class, response.more_work)
        if not request.capacity:
            self._scheduler.give_back(response.leases)
            return LeaseOutcome(more_work=True)
        self._scheduler.accept(known | {spec.job_id: spec for spec in response.jobs}, response.leases)
        return LeaseOutcome(
            chunk_count=len(response.leases),
            more_work=response.more_work,
            unwanted=bool(request.excluded_job_ids or request.excluded_tenants),
            needed_capacity=self._needed_capacity,
        )

    def _skip(self) -> LeaseOutcome | None:
        """Returns the outcome of a call that would be in vain. One without an answer is always repeated."""
        if self._call_id:
            return None
        capacity = self._capacity.of(self._job_class)
        if capacity <= 0:
            return LeaseOutcome(more_work=True)
        if capacity < self._needed_capacity and self._clock() - self._response_time < SAME_CHUNK_SECONDS:
            return LeaseOutcome(more_work=True, needed_capacity=self._needed_capacity)
        return None

    def _repeat_until_answered(self) -> None:
        if (self._repeats is None or self._repeats.done()) and not self._is_closed:
            self._repeats = asyncio.create_task(self._repeat())

    async def _repeat(self) -> None:
        for delay in itertools.chain(REPEAT_SECONDS, itertools.repeat(REPEAT_SECONDS[-1])):
            await asyncio.sleep(delay)
            if not self._call_id:
                return
            await self.lease()

    def _request(self, capacity: int, unwanted_job_ids: Sequence[str]) -> results_pb2.LeaseChunksRequest:
        self._unwanted_tenants = self._tenant_work.unwanted_tenants()
        return results_pb2.LeaseChunksRequest(
            job_class=self._job_class,
            capacity=capacity,
            incarnation=self._incarnation,
            call_id=self._call_id,
            known_job_ids=self._leased.jobs,
            excluded_job_ids=unwanted_job_ids,
            excluded_tenants=self._unwanted_tenants,
        )

    async def _call(self, request: results_pb2.LeaseChunksRequest) -> results_pb2.LeaseChunksResponse | None:
        """Returns the response, TOO_LATE if it arrived too late, or None if there is none."""
        send_time = self._clock()
        try:
            response = await self._results.LeaseChunks(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            log.warning("chunks_not_leased", code=error.code().name)
            return None
        self._carry_out(response.effects)
        if self._clock() - send_time > CALL_SECONDS:
            log.warning("chunks_leased_too_late", chunk_count=len(response.leases))
            self._scheduler.give_back(response.leases)
            return TOO_LATE
        return response
