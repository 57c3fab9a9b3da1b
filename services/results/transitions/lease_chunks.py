"""LeaseChunks: leases the fairest chunks to a worker."""

from collections.abc import Sequence
from functools import partial

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.metrics import LEASES_LOST, QUEUE_WAIT_SECONDS
from services.results.rows import chunk_rows, job_rows
from services.results.rows.candidate_rows import Candidates, read_candidates, save_shares
from services.results.rows.worker_rows import SECOND
from services.results.rules.budgets import reserve_allowance
from services.results.rules.facts import ChunkFacts, JobFacts
from services.results.rules.fairness import TURN_ITEMS, Choice
from services.results.rules.settling import is_leasable_now
from services.results.transitions.chunk_choice import choose_exactly, choose_likely, read_leasable_chunks
from services.results.transitions.lease_response import build_response, read_items
from services.results.transitions.transition import Transition
from services.shared.metrics import CLASS_LABELS
from services.stubs.results.v1 import results_pb2

Response = results_pb2.LeaseChunksResponse


async def lease_chunks(database: Database, request: results_pb2.LeaseChunksRequest) -> Response:
    """Leases chunks of a class to a worker: the fairest that fit its capacity.

    A repeated call (same call id) returns the leases of the first one that still exist. If the caller is gone
    before the commit, because its deadline has passed, the leases end at once.

    Raises:
        FailedPreconditionError: The worker is not live (WORKER_NOT_LIVE).
    """
    lease_time = 0

    async def lease(tx: Transaction) -> Response:
        nonlocal lease_time
        response = await _lease_in(tx, request)
        lease_time = tx.now
        return response

    async def undo(response: Response) -> None:
        if response.leases:
            await database.write(lambda tx: _end_unanswered(tx, request, response, lease_time))

    return await database.write(lease, undo=undo)


async def _end_unanswered(
    tx: Transaction, request: results_pb2.LeaseChunksRequest, response: Response, lease_time: int
) -> None:
    """Ends the leases of a response that nobody has read. This does not count as a loss.

    A repeat of the call may have returned them meanwhile. Their lease time is later then, and they stay.
    Nobody publishes the effects: heartbeats find the work within 2 s.
    """
    fences = {(lease.ref.job_id, lease.ref.chunk_index): lease.ref.fence for lease in response.leases}
    transition = Transition(tx)
    await transition.lock({job_id for job_id, _ in fences})
    for chunk in transition.track_chunks(await chunk_rows.read_chunks(tx, fences)):
        fence = fences[chunk.job_id, chunk.chunk_index]
        is_unread = chunk.lease_call_id == request.call_id and chunk.lease_time == lease_time
        if chunk.job_id in transition.jobs and chunk.is_leased_to(request.incarnation, fence) and is_unread:
            transition.end_lease(chunk)
            tx.after_commit(LEASES_LOST.labels("unlisted").inc)
    await transition.finish()


async def _lease_in(tx: Transaction, request: results_pb2.LeaseChunksRequest) -> Response:
    found = await read_candidates(tx, request)
    response = Response(more_work=bool(found.candidates) or found.more)
    if request.capacity > 0 and found.candidates:
        # Skips jobs that another transaction has locked, unless there is nothing else.
        response, skipped = await _lease_candidates(tx, request, found, only_free=True)
        if skipped and not response.leases:
            response, _ = await _lease_candidates(tx, request, found, only_free=False)
    return response if response.leases else await _repeat_leases(tx, request, response)


async def _lease_candidates(
    tx: Transaction, request: results_pb2.LeaseChunksRequest, found: Candidates, *, only_free: bool
) -> tuple[Response, bool]:
    """Returns the response and whether jobs were skipped because they were locked."""
    likely = choose_likely(request, found)
    transition = Transition(tx)
    await transition.lock(likely.counts, only_free=only_free)
    skipped = len(transition.jobs) < len(likely.counts)
    chunks, repeated = await read_leasable_chunks(transition, request, found, likely)
    if repeated:
        return Response(), False
    choice = choose_exactly(request, found, transition, chunks)
    leased = [chunk for job_id, count in choice.counts.items() for chunk in chunks[job_id][:count]]
    items = await read_items(transition, leased)
    _lease(transition, request, leased, choice)
    effects = await transition.finish()
    save_shares(tx, request.job_class, choice)
    response = await build_response(tx, request, transition.jobs, leased, items)
    response.effects.CopyFrom(effects)
    response.needed_capacity = choice.needed_capacity
    is_risky = found.is_risky or any(chunk.quarantined for chunk in leased)
    are_all_locked = not skipped and len(likely.counts) == len(found.candidates)
    has_more = any(_has_more(job, is_risky) for job in transition.jobs.values())
    response.more_work = found.more or not are_all_locked or has_more
    return response, skipped


def _has_more(job: JobFacts, is_risky: bool) -> bool:
    """Returns whether a worker can lease more of a job. A risky one gets no quarantined chunk."""
    if not is_leasable_now(job):
        return False
    return not is_risky or job.free_chunk_count > job.quarantined_chunk_count


def _lease(
    transition: Transition,
    request: results_pb2.LeaseChunksRequest,
    chunks: Sequence[ChunkFacts],
    choice: Choice,
) -> None:
    for chunk in chunks:
        job = transition.jobs[chunk.job_id]
        _observe_queue_wait(transition, job, chunk)
        chunk.fence += 1
        chunk.lease_incarnation = request.incarnation
        chunk.lease_call_id = request.call_id
        chunk.lease_time = transition.now
        if job.budget_micros is None:
            job.leased_chunk_count += 1
        else:
            chunk.allowance_micros = reserve_allowance(job, chunk) or 0
        if job.total_count > TURN_ITEMS:  # A smaller job is one turn, and the rest of it comes next.
            job.virtual_time = choice.job_times[job.job_id]
        if job.start_time is None:
            job.start_time = transition.now


def _observe_queue_wait(transition: Transition, job: JobFacts, chunk: ChunkFacts) -> None:
    """Observes the wait of a job for its first lease, or of a chunk since its deferred items were due."""
    if chunk.due_time:
        ready_time = chunk.due_time
    elif job.start_time is None and not job.upload_open:  # An open upload waits for its client.
        ready_time = max(job.create_time, job.schedule_time or 0)
    else:
        return
    observe = QUEUE_WAIT_SECONDS.labels(CLASS_LABELS[job.job_class]).observe
    transition.tx.after_commit(partial(observe, (transition.now - ready_time) / SECOND))


async def _repeat_leases(
    tx: Transaction, request: results_pb2.LeaseChunksRequest, response: Response
) -> Response:
    """Returns the leases that the call made before and that still exist; without any, the response."""
    leased = await chunk_rows.read_chunks_leased_by_call(tx, request.incarnation, request.call_id)
    if not leased:
        return response
    transition = Transition(tx)
    transition.add_locked(await job_rows.lock_jobs(tx, {chunk.job_id for chunk in leased}))
    leased = await chunk_rows.read_chunks_leased_by_call(tx, request.incarnation, request.call_id)
    for chunk in leased:
        chunk.lease_time = tx.now  # The worker learns of it only now: its heartbeats did not list it.
    chunk_rows.save_chunks(tx, leased)
    items = await read_items(transition, leased)
    repeated = await build_response(tx, request, transition.jobs, leased, items)
    repeated.more_work = True
    return repeated
