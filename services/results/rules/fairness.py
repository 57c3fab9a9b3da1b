"""Which chunks are leased next: start-time fair queueing between tenants, and between jobs of a tenant.

A tenant and a job each have a virtual time that moves on by the items leased. The one behind comes first.
Whoever comes new, or comes back, is taken at once, and goes on from where the others stand: so nobody saves
up turns, and a large job never starves a small one.

Tenants take turns chunk by chunk, jobs of a tenant by several chunks where those are small: a job of ten
items, cut into ten chunks, is leased and recorded as a whole, not an item of it beside one of each other job.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

FULL_ROOM = 100  # no chunk is larger: from this much capacity on, a first chunk always fits
TURN_ITEMS = 16  # a job's turn ends once it got so many; up to so many items a job has a chunk for each


@dataclass
class Share:
    """How far a tenant is within a class.

    Attributes:
        tenant: Whose it is.
        virtual_time: Of the tenant.
        job_clock: The virtual time that the tenant's latest leased job had before.
    """

    tenant: str
    virtual_time: int
    job_clock: int


class ChunkSize(NamedTuple):
    """What a chunk takes.

    Attributes:
        items: Capacity it needs.
        input_bytes: Bytes of its inputs.
    """

    items: int
    input_bytes: int = 0


@dataclass
class Candidate:
    """A job with chunks to lease.

    Attributes:
        job_id: The job.
        tenant: Its owner.
        virtual_time: Of the job.
        chunks: The chunks that may be leased now, in order.
    """

    job_id: str
    tenant: str
    virtual_time: int
    chunks: Sequence[ChunkSize]


@dataclass
class Choice:
    """What is leased.

    Attributes:
        counts: Of each chosen job, how many of its chunks, from the first on.
        job_times: Of each chosen job, its new virtual time.
        shares: Of each tenant of a chosen job: floor, taken. Its virtual time becomes
            ``max(virtual_time, floor) + taken``.
        job_clocks: Of the same tenants, the new job clock.
        class_clock: The new virtual time of the class.
        more: Whether a candidate has chunks left.
        needed_capacity: Items of the smallest chunk that did not fit; 0: all did.
    """

    counts: dict[str, int] = field(default_factory=dict)
    job_times: dict[str, int] = field(default_factory=dict)
    shares: dict[str, tuple[int, int]] = field(default_factory=dict)
    job_clocks: dict[str, int] = field(default_factory=dict)
    class_clock: int = 0
    more: bool = False
    needed_capacity: int = 0


class _Place(NamedTuple):
    """Of a job in its tenant's order: by where it stood when its turn began, then by age."""

    turn_time: int
    job_id: str
    turn_items: int
    candidate: Candidate


def choose(
    capacity: int,
    max_bytes: int,
    class_clock: int,
    shares: Mapping[str, Share],
    candidates: Sequence[Candidate],
    *,
    most_chunks: int = 1_000,
    with_next: bool = False,
) -> Choice:
    """Returns the chunks to lease, in the order of fairness.

    Where a tenant's chunk does not fit, others with smaller ones may go before it, as long as none of them
    gets further ahead of it than one full chunk: so it waits for capacity, but not for ever, and a small job does
    not wait for a worker that has capacity for a large one's chunk.

    Args:
        capacity: Items there is capacity for. From 100 on, a first chunk always fits.
        max_bytes: Bytes of inputs in all; a first chunk always fits.
        class_clock: Virtual time of the class.
        shares: Of each tenant among the candidates.
        candidates: Jobs with chunks to lease.
        most_chunks: Chunks in all.
        with_next: Whether the first chunk that did not fit is taken too.
    """
    choice = Choice(class_clock=class_clock)
    jobs = _order_jobs(candidates)
    tenants = [(shares[tenant].virtual_time, tenant) for tenant in jobs]
    heapq.heapify(tenants)
    clocks = {tenant: shares[tenant].job_clock for tenant in jobs}
    used_items, used_bytes, used_chunks = 0, 0, 0
    passed_over: int | None = None  # the virtual time of the first tenant whose chunk did not fit
    while tenants and used_chunks < most_chunks:
        tenant_time, tenant = heapq.heappop(tenants)
        turn_time, job_id, turn_items, candidate = heapq.heappop(jobs[tenant])
        taken = choice.counts.get(job_id, 0)
        size = candidate.chunks[taken]
        first = not used_items
        fits = used_items + size.items <= capacity or (first and capacity >= FULL_ROOM)
        fits = fits and (first or used_bytes + size.input_bytes <= max_bytes)
        start = max(tenant_time, choice.class_clock)
        if passed_over is not None and start + size.items > passed_over + FULL_ROOM:
            continue
        if not fits:
            choice.needed_capacity = min(choice.needed_capacity or size.items, size.items)
            if passed_over is None:
                passed_over = start
                choice.counts[job_id] = taken + with_next
            continue
        used_items, used_bytes = used_items + size.items, used_bytes + size.input_bytes
        used_chunks += 1
        choice.counts[job_id] = taken + 1
        if passed_over is None:  # who was passed over keeps its place
            choice.class_clock = start
        floor, tenant_taken = choice.shares.get(tenant, (start, 0))
        choice.shares[tenant] = (floor, tenant_taken + size.items)
        turn_items += size.items
        turn_start = max(turn_time, clocks[tenant])
        choice.job_clocks[tenant] = clocks[tenant] = turn_start
        choice.job_times[job_id] = job_time = turn_start + turn_items
        if taken + 1 < len(candidate.chunks):
            if turn_items >= TURN_ITEMS:
                turn_time, turn_items = job_time, 0
            heapq.heappush(jobs[tenant], _Place(turn_time, job_id, turn_items, candidate))
        if jobs[tenant]:
            heapq.heappush(tenants, (start + size.items, tenant))
    choice.counts = {job_id: count for job_id, count in choice.counts.items() if count}
    choice.more = any(len(c.chunks) > choice.counts.get(c.job_id, 0) for c in candidates)
    return choice


def _order_jobs(candidates: Sequence[Candidate]) -> dict[str, list[_Place]]:
    jobs: dict[str, list[_Place]] = {}
    for candidate in candidates:
        if candidate.chunks:
            place = _Place(candidate.virtual_time, candidate.job_id, 0, candidate)
            jobs.setdefault(candidate.tenant, []).append(place)
    for heap in jobs.values():
        heapq.heapify(heap)
    return jobs
