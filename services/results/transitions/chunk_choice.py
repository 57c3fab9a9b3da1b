"""Choice of the chunks for a call of LeaseChunks, under the locks of their jobs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headrace.jobs.v1 import jobs_pb2
from services.results.rows import chunk_rows
from services.results.rows.candidate_rows import Candidates
from services.results.rows.worker_rows import SECOND
from services.results.rules.budgets import may_lease, within_budget
from services.results.rules.deadlines import is_late
from services.results.rules.facts import ChunkFacts, JobFacts
from services.results.rules.fairness import Candidate, Choice, ChunkSize, LeaseLimits, choose
from services.results.rules.history import STORE, held_message
from services.results.rules.state import LEASABLE_STATES
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

MAX_LEASED_BYTES = 8 * 1024 * 1024
# More chunks take longer, and meanwhile a job of another tenant waits for the next call.
MAX_LEASED_CHUNKS = 100
# A job that waits for its budget asks every half second. Within a minute, its history shows that once.
BUDGET_HELD_AGAIN = 60 * SECOND

FreeChunks = Mapping[str, Sequence[ChunkFacts]]


class LeasableChunks(NamedTuple):
    """Chunks that may be leased now.

    Attributes:
        by_job: Free, due and affordable chunks by job id.
        repeated: Whether the call has leased chunks already. Then it gets no others.
    """

    by_job: FreeChunks
    repeated: bool


def choose_likely(request: results_pb2.LeaseChunksRequest, found: Candidates) -> Choice:
    """Returns the choice by what was read without a lock, with one chunk more than fits."""
    return choose(_limits(request), found.class_clock, found.shares, found.candidates, include_next=True)


def choose_exactly(
    request: results_pb2.LeaseChunksRequest, found: Candidates, transition: Transition, chunks: FreeChunks
) -> Choice:
    """Returns the choice among leasable chunks, whose jobs are locked."""
    candidates = [_candidate(transition.jobs[i], part) for i, part in chunks.items() if part]
    return choose(_limits(request), found.class_clock, found.shares, candidates)


async def read_leasable_chunks(
    transition: Transition, request: results_pb2.LeaseChunksRequest, found: Candidates, likely: Choice
) -> LeasableChunks:
    """Reads the chunks that the locked jobs of a likely choice may lease now, and tracks them.

    At most one of them is quarantined, and none if the worker is risky.
    """
    tx = transition.tx
    # Facts that were read without a lock may be outdated.
    jobs = {job_id: job for job_id, job in transition.jobs.items() if _allows_leasing(job, tx.now)}
    limit = min(MAX_LEASED_CHUNKS, max(likely.counts.values(), default=0) + 1)
    free, repeated = await chunk_rows.read_due_chunks(
        tx, jobs, limit, request, quarantined=not found.is_risky
    )
    if repeated:
        return LeasableChunks({}, repeated)
    first_in_quarantine = next((c for i in likely.counts for c in free.get(i, []) if c.quarantined), None)
    by_job = {}
    for job_id, part in free.items():
        job = jobs[job_id]
        tracked = transition.track_chunks(c for c in part if not c.quarantined or c is first_in_quarantine)
        wanted, waited_until = tracked[: job.leasable_chunk_count], job.not_before
        by_job[job_id] = within_budget(job, wanted, tx.now)
        if wanted and not by_job[job_id] and tx.now - waited_until > BUDGET_HELD_AGAIN:
            transition.history.add(job, jobs_pb2.JOB_CHANGE_BUDGET_HELD, held_message(job), actor=STORE)
    return LeasableChunks(by_job, repeated)


def _limits(request: results_pb2.LeaseChunksRequest) -> LeaseLimits:
    return LeaseLimits(request.capacity, MAX_LEASED_BYTES, MAX_LEASED_CHUNKS)


def _allows_leasing(job: JobFacts, now: int) -> bool:
    is_open = job.state in LEASABLE_STATES and not job.stopping_to and not is_late(job, now)
    return is_open and job.not_before <= now and job.leasable_chunk_count > 0 and may_lease(job)


def _candidate(job: JobFacts, chunks: Sequence[ChunkFacts]) -> Candidate:
    sizes = [ChunkSize(chunk.unfinished_count, chunk.input_bytes) for chunk in chunks]
    return Candidate(job.job_id, job.tenant, job.virtual_time, sizes)
