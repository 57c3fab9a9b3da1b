"""LeaseChunks: the store chooses what a worker gets."""

from collections.abc import Sequence
from copy import copy
from functools import partial

from services.results.database.database import Database, Transaction
from services.results.metrics import QUEUE_WAIT_SECONDS
from services.results.rows import chunk_rows, job_rows
from services.results.rows.candidate_rows import Candidates, read_candidates, save_shares
from services.results.rows.worker_rows import SECOND
from services.results.rules.budgets import choose_allowance, may_lease
from services.results.rules.deadlines import is_late
from services.results.rules.facts import Chunk, Job
from services.results.rules.fairness import TURN_ITEMS, Candidate, Choice, ChunkSize, choose
from services.results.rules.settling import is_leasable_now
from services.results.rules.state import LEASABLE_STATES
from services.results.transitions.lease_response import answer, read_items
from services.results.transitions.transition import Transition
from services.shared.metrics import CLASS_LABELS
from services.stubs.results.v1 import results_pb2

MAX_LEASED_BYTES = 8 * 1024 * 1024
# More take the longer: meanwhile a job of another tenant waits for the next call.
MAX_LEASED_CHUNKS = 100
BUDGET_WAIT = SECOND // 2


async def lease_chunks(
    database: Database, request: results_pb2.LeaseChunksRequest
) -> results_pb2.LeaseChunksResponse:
    """Returns chunks of a class, leased to a worker: the fairest that fit in its capacity.

    A repeated call (same call id) returns what the first one leased, where it is still held.

    Raises:
        FailedPreconditionError: The store does not count this worker as live (WORKER_NOT_LIVE).
    """
    return await database.write(lambda tx: _lease_in(tx, request))


async def _lease_in(
    tx: Transaction, request: results_pb2.LeaseChunksRequest
) -> results_pb2.LeaseChunksResponse:
    found = await read_candidates(tx, request)
    response = results_pb2.LeaseChunksResponse(more_work=bool(found.candidates) or found.more)
    if request.capacity > 0 and found.candidates:
        # Jobs that another transaction has under lock are passed over, unless there is nothing else.
        response, passed_over = await _take(tx, request, found, only_free=True)
        if passed_over and not response.leases:
            response, _ = await _take(tx, request, found, only_free=False)
    return response if response.leases else await _answer_again(tx, request, response)


async def _take(
    tx: Transaction, request: results_pb2.LeaseChunksRequest, found: Candidates, *, only_free: bool
) -> tuple[results_pb2.LeaseChunksResponse, bool]:
    likely = choose(
        request.capacity,
        MAX_LEASED_BYTES,
        found.class_clock,
        found.shares,
        found.candidates,
        most_chunks=MAX_LEASED_CHUNKS,
        with_next=True,
    )
    transition = Transition(tx)
    await transition.lock(likely.counts, only_free=only_free)
    passed_over = len(transition.jobs) < len(likely.counts)
    # What was read without a lock may be old.
    jobs = {i: job for i, job in transition.jobs.items() if _allows_leasing(job, tx.now)}
    most = min(MAX_LEASED_CHUNKS, max(likely.counts.values(), default=0) + 1)
    free, repeated = await chunk_rows.read_due_chunks(tx, jobs, most, request, quarantined=not found.is_risky)
    if repeated:
        return results_pb2.LeaseChunksResponse(), False
    first_in_quarantine = next((c for i in likely.counts for c in free.get(i, []) if c.quarantined), None)
    chunks = {
        i: transition.watch_chunks(c for c in part if not c.quarantined or c is first_in_quarantine)
        for i, part in free.items()
    }
    chunks = {i: _affordable(jobs[i], part[: jobs[i].slot_count], tx.now) for i, part in chunks.items()}
    sizes = [_candidate(jobs[i], part) for i, part in chunks.items() if part]
    choice = choose(
        request.capacity,
        MAX_LEASED_BYTES,
        found.class_clock,
        found.shares,
        sizes,
        most_chunks=MAX_LEASED_CHUNKS,
    )
    leased = [c for i, count in choice.counts.items() for c in chunks[i][:count]]
    items = await read_items(tx, transition.jobs, leased)
    _mark(transition, request, leased, choice)
    effects = await transition.finish()
    save_shares(tx, request.job_class, choice)
    response = await answer(tx, request, transition.jobs, leased, items)
    response.effects.CopyFrom(effects)
    response.needed_capacity = choice.needed_capacity
    is_risky = found.is_risky or any(chunk.quarantined for chunk in leased)
    response.more_work = (
        found.more
        or passed_over
        or len(likely.counts) < len(found.candidates)
        or any(_has_more(job, is_risky) for job in transition.jobs.values())
    )
    return response, passed_over


def _allows_leasing(job: Job, now: int) -> bool:
    is_open = job.state in LEASABLE_STATES and not job.stopping_to and not is_late(job, now)
    return is_open and job.not_before <= now and job.slot_count > 0 and may_lease(job)


def _affordable(job: Job, chunks: list[Chunk], now: int) -> list[Chunk]:
    """Returns the chunks that a job's budget allows to lease together, in their order.

    Where it allows none of them, others hold what it has left: the job is let alone for a moment, or workers
    would ask on and on.
    """
    if job.budget_micros is None:
        return chunks
    trial = copy(job)
    found = [chunk for chunk in chunks if _reserve(trial, chunk) is not None]
    if chunks and not found:
        job.not_before = now + BUDGET_WAIT
    return found


def _reserve(job: Job, chunk: Chunk) -> int | None:
    """Returns the allowance that a job now has reserved for one lease more, None where it has not."""
    allowance = choose_allowance(job, chunk)
    if allowance is not None:
        job.reserved_micros += allowance
        job.leased_chunk_count += 1
    return allowance


def _has_more(job: Job, is_risky: bool) -> bool:
    if not is_leasable_now(job):
        return False
    return not is_risky or job.free_chunk_count > job.quarantined_chunk_count


def _candidate(job: Job, chunks: Sequence[Chunk]) -> Candidate:
    sizes = [ChunkSize(chunk.unfinished_count, chunk.input_bytes) for chunk in chunks]
    return Candidate(job.job_id, job.tenant, job.virtual_time, sizes)


def _mark(
    transition: Transition,
    request: results_pb2.LeaseChunksRequest,
    leased: Sequence[Chunk],
    choice: Choice,
) -> None:
    for chunk in leased:
        job = transition.jobs[chunk.job_id]
        _note_wait(transition, job, chunk)
        chunk.fence += 1
        chunk.lease_incarnation = request.incarnation
        chunk.lease_call_id = request.call_id
        chunk.lease_time = transition.now
        if job.budget_micros is None:
            job.leased_chunk_count += 1
        else:
            chunk.allowance_micros = _reserve(job, chunk) or 0
        if job.total_count > TURN_ITEMS:  # else it is one turn, and what is left of it comes next
            job.virtual_time = choice.job_times[job.job_id]
        if job.start_time is None:
            job.start_time = transition.now


def _note_wait(transition: Transition, job: Job, chunk: Chunk) -> None:
    """Notes how long a job waited for its first lease, or a chunk since its deferred items were due."""
    if chunk.due_time:
        ready_time = chunk.due_time
    elif job.start_time is None and not job.upload_open:  # an upload waits for its client
        ready_time = max(job.create_time, job.schedule_time or 0)
    else:
        return
    observe = QUEUE_WAIT_SECONDS.labels(CLASS_LABELS[job.job_class]).observe
    transition.tx.after_commit(partial(observe, (transition.now - ready_time) / SECOND))


async def _answer_again(
    tx: Transaction,
    request: results_pb2.LeaseChunksRequest,
    response: results_pb2.LeaseChunksResponse,
) -> results_pb2.LeaseChunksResponse:
    """Returns what the call has leased before, where it is still held; else the response."""
    held = await chunk_rows.read_chunks_of_call(tx, request.incarnation, request.call_id)
    if not held:
        return response
    jobs = await job_rows.lock_jobs(tx, {chunk.job_id for chunk in held})
    held = await chunk_rows.read_chunks_of_call(tx, request.incarnation, request.call_id)
    for chunk in held:
        chunk.lease_time = tx.now  # the worker hears of it only now: its heartbeats did not name it
    chunk_rows.save_chunks(tx, held)
    again = await answer(tx, request, jobs, held, await read_items(tx, jobs, held))
    again.more_work = True
    return again
