"""Choice of the chunks to lease: start-time fair queueing between tenants, and between jobs of a tenant.

A tenant and a job each have a virtual time that advances by the items leased. The one furthest behind comes
first. A newcomer, or one that returns, is served at once and continues from the present virtual time of the
others. So nobody saves up turns, and a large job never starves a small one.

Tenants take turns chunk by chunk. Jobs of a tenant take turns by several chunks if those are small: a job of
ten items, cut into ten chunks, is leased and recorded as a whole, instead of one item of each of ten jobs.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

FULL_CAPACITY = 100  # No chunk is larger: with this much capacity a first chunk always fits.
TURN_ITEMS = (
    16  # A job's turn ends after this many items. A job of up to this many items has a chunk for each.
)


@dataclass
class Share:
    """Progress of a tenant within a class.

    Attributes:
        virtual_time: Virtual time of the tenant.
        job_clock: Virtual time that the tenant's latest leased job had before its lease.
    """

    virtual_time: int
    job_clock: int


class ChunkSize(NamedTuple):
    """Size of a chunk.

    Attributes:
        items: Capacity that it needs.
        input_bytes: Size of its inputs.
    """

    items: int
    input_bytes: int = 0


class LeaseLimits(NamedTuple):
    """Maximum size of a choice.

    Attributes:
        items: Capacity for items. From 100 on, a first chunk always fits.
        input_bytes: Size of the inputs. A first chunk always fits.
        chunks: Number of chunks.
    """

    items: int
    input_bytes: int
    chunks: int


@dataclass
class Candidate:
    """A job with chunks to lease.

    Attributes:
        job_id: The job.
        tenant: Its owner.
        virtual_time: Virtual time of the job.
        chunks: Chunks that may be leased now, in order.
    """

    job_id: str
    tenant: str
    virtual_time: int
    chunks: Sequence[ChunkSize]


@dataclass
class Choice:
    """Chunks to lease, and the virtual times after it.

    Attributes:
        counts: Number of chunks to lease by job id, from the job's first chunk on.
        job_times: New virtual time of each chosen job.
        shares: (floor, taken) of each tenant of a chosen job. Its virtual time becomes
            ``max(virtual_time, floor) + taken``.
        job_clocks: New job clock of the same tenants.
        class_clock: New virtual time of the class.
        needed_capacity: Items of the smallest chunk that did not fit; 0 if all did.
    """

    counts: dict[str, int] = field(default_factory=dict)
    job_times: dict[str, int] = field(default_factory=dict)
    shares: dict[str, tuple[int, int]] = field(default_factory=dict)
    job_clocks: dict[str, int] = field(default_factory=dict)
    class_clock: int = 0
    needed_capacity: int = 0


def choose(
    limits: LeaseLimits,
    class_clock: int,
    shares: Mapping[str, Share],
    candidates: Sequence[Candidate],
    *,
    include_next: bool = False,
) -> Choice:
    """Chooses the chunks to lease, in the order of fairness.

    If a tenant's chunk does not fit, smaller chunks of others may go before it, as long as none of them gets
    further ahead of it than one full chunk. So a large chunk waits for capacity, but not for ever, and a
    small job does not wait for a worker with capacity for a large one's chunk.

    Args:
        limits: Maximum size of the choice.
        class_clock: Virtual time of the class.
        shares: Share of each tenant among the candidates.
        candidates: Jobs with chunks to lease.
        include_next: Whether to include the first chunk that did not fit.
    """
    choosing = _Choosing(
        limits=limits,
        class_clock=class_clock,
        shares=shares,
        candidates=candidates,
        include_next=include_next,
    )
    choosing.run()
    choice = choosing.choice
    choice.counts = {job_id: count for job_id, count in choice.counts.items() if count}
    return choice


class _Turn(NamedTuple):
    """Position of a job in its tenant's order: by its virtual time when its turn began, then by age."""

    turn_time: int
    job_id: str
    turn_items: int
    candidate: Candidate


class _Choosing:
    """A choice in the making."""

    def __init__(
        self,
        limits: LeaseLimits,
        class_clock: int,
        shares: Mapping[str, Share],
        candidates: Sequence[Candidate],
        include_next: bool,
    ) -> None:
        self.choice = Choice(class_clock=class_clock)
        self._limits = limits
        self._include_next = include_next
        self._jobs = _order_jobs(candidates)
        self._tenants = [(shares[tenant].virtual_time, tenant) for tenant in self._jobs]
        heapq.heapify(self._tenants)
        self._job_clocks = {tenant: shares[tenant].job_clock for tenant in self._jobs}
        self._used_items = self._used_bytes = self._used_chunks = 0
        # Virtual time of the first tenant whose chunk did not fit.
        self._passed_over: int | None = None

    def run(self) -> None:
        """Chooses chunks until the limits are reached or no chunk is left."""
        while self._tenants and self._used_chunks < self._limits.chunks:
            tenant_time, tenant = heapq.heappop(self._tenants)
            turn = heapq.heappop(self._jobs[tenant])
            size = turn.candidate.chunks[self.choice.counts.get(turn.job_id, 0)]
            start = max(tenant_time, self.choice.class_clock)
            if self._passed_over is not None and start + size.items > self._passed_over + FULL_CAPACITY:
                continue
            if not self._fits(size):
                self._pass_over(turn.job_id, size, start)
                continue
            self._take(tenant, size, start)
            self._advance_job(tenant, turn, size)
            if self._jobs[tenant]:
                heapq.heappush(self._tenants, (start + size.items, tenant))

    def _fits(self, size: ChunkSize) -> bool:
        if not self._used_items:
            return size.items <= self._limits.items or self._limits.items >= FULL_CAPACITY
        if self._used_items + size.items > self._limits.items:
            return False
        return self._used_bytes + size.input_bytes <= self._limits.input_bytes

    def _pass_over(self, job_id: str, size: ChunkSize, start: int) -> None:
        self.choice.needed_capacity = min(self.choice.needed_capacity or size.items, size.items)
        if self._passed_over is None:
            self._passed_over = start
            self.choice.counts[job_id] = self.choice.counts.get(job_id, 0) + self._include_next

    def _take(self, tenant: str, size: ChunkSize, start: int) -> None:
        self._used_items += size.items
        self._used_bytes += size.input_bytes
        self._used_chunks += 1
        if self._passed_over is None:  # A tenant that was passed over keeps its place.
            self.choice.class_clock = start
        floor, taken = self.choice.shares.get(tenant, (start, 0))
        self.choice.shares[tenant] = (floor, taken + size.items)

    def _advance_job(self, tenant: str, turn: _Turn, size: ChunkSize) -> None:
        count = self.choice.counts.get(turn.job_id, 0) + 1
        self.choice.counts[turn.job_id] = count
        turn_items = turn.turn_items + size.items
        turn_start = max(turn.turn_time, self._job_clocks[tenant])
        self.choice.job_clocks[tenant] = self._job_clocks[tenant] = turn_start
        self.choice.job_times[turn.job_id] = job_time = turn_start + turn_items
        if count == len(turn.candidate.chunks):
            return
        if turn_items >= TURN_ITEMS:
            following = turn._replace(turn_time=job_time, turn_items=0)
        else:
            following = turn._replace(turn_items=turn_items)
        heapq.heappush(self._jobs[tenant], following)


def _order_jobs(candidates: Sequence[Candidate]) -> dict[str, list[_Turn]]:
    jobs: dict[str, list[_Turn]] = {}
    for candidate in candidates:
        if candidate.chunks:
            turn = _Turn(candidate.virtual_time, candidate.job_id, 0, candidate)
            jobs.setdefault(candidate.tenant, []).append(turn)
    for heap in jobs.values():
        heapq.heapify(heap)
    return jobs
