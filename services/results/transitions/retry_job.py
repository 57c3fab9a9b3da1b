"""RetryJob: starts a new round of every item without a success, or of selected ones."""

from functools import partial

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows import carried_failures
from services.results.rows.carried_failures import (
    SEQ_GAP,
    Selection,
    carry_unselected,
    decode_selection,
    encode_selection,
    is_any_selected,
    selection_of,
)
from services.results.rows.job_rows import lock_preparing_job
from services.results.rows.key_rows import find_items
from services.results.rows.messages import job_message
from services.results.rules.deadlines import restart_deadline
from services.results.rules.facts import JobFacts
from services.results.rules.trials import HELD_DUE_TIME
from services.results.transitions.job_events import job_retried
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

# A round whose preparation was given up has rows: its number is not used again.
_BEGIN = """
INSERT INTO retry_requests (job_id, request_id, round, selection)
SELECT :job_id, :request_id, 1 + COALESCE(
    (SELECT max(r.round) FROM retry_requests r WHERE r.job_id = :job_id), CAST(:round AS bigint)), :selection
WHERE true ON CONFLICT DO NOTHING RETURNING round"""
_READ_PREPARED = """
SELECT r.selection, r.carry_index FROM retry_requests r WHERE r.job_id = :job_id AND r.round = :round"""
_SAVE_PREPARED = """
UPDATE retry_requests SET carry_index = :carry_index WHERE job_id = :job_id AND round = :round"""
# A quarantined chunk stays quarantined: the item that killed workers may do it again.
_REOPEN = """
UPDATE chunks SET due_time = CASE WHEN first_index >= :open_end
    THEN CAST(:held_due_time AS bigint) ELSE 0 END,
quarantine_loss_count = 0, unfinished_count = item_count - (
    SELECT count(*) FROM results e WHERE e.job_id = chunks.job_id AND e.round IN (0, :round)
    AND e.item_index >= chunks.first_index AND e.item_index < chunks.first_index + chunks.item_count)
WHERE job_id = :job_id"""
_COUNT_OPEN = """
SELECT count(*) AS open_count, count(CASE WHEN c.quarantined THEN 1 END) AS quarantined_count,
    count(CASE WHEN c.first_index >= :open_end THEN 1 END) AS held_count,
    CAST(COALESCE(sum(c.unfinished_count), 0) AS bigint) AS item_count
FROM chunks c WHERE c.job_id = :job_id AND c.unfinished_count > 0"""


async def retry_job(database: Database, request: results_pb2.RetryJobRequest) -> results_pb2.RetryJobResponse:
    """Returns the job, live again. A live job, or one with successes only, is returned unchanged.

    So is a job if the request selects none of its items without a success. An open upload is closed with its
    stored items. If all of them have a success, the job ends at once as SUCCEEDED. A second call with the
    same request_id starts nothing.

    A retry of selected items of a large job is prepared by later sweeps. Meanwhile the job is live, nothing
    of it is leased, and its counts and results are those of the round before.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.write(lambda tx: _retry_in(tx, request))


async def prepare_retry(database: Database) -> results_pb2.Effects | None:
    """Prepares a part of a retry that waits for it. Returns the effects; None if no retry waits."""
    return await database.write(_prepare_in)


async def _retry_in(tx: Transaction, request: results_pb2.RetryJobRequest) -> results_pb2.RetryJobResponse:
    transition = Transition(tx)
    job = await transition.lock_owned(request.job_id, request.tenant)
    is_large = job.total_count > carried_failures.MAX_CARRIED_ITEMS
    selection = await _select(tx, job, request, job.seq + (SEQ_GAP if is_large else 1))
    is_wanted = job.finish_time is not None and (job.upload_open or job.succeeded_count < job.total_count)
    if is_wanted and selection is not None:
        is_wanted = await is_any_selected(tx, job, selection)
    next_round = await _claim_round(tx, job, request, selection) if is_wanted else None
    if next_round is None:
        return results_pb2.RetryJobResponse(job=job_message(job, tx.retention))
    _revive(job, tx.now)
    if selection is not None and is_large:
        job.next_round = next_round
    else:
        if selection is not None:
            await carry_unselected(tx, job, selection, next_round, range(job.total_count))
        await _begin_round(tx, job, next_round)
    message = f"round {next_round}, {_words(selection)}"
    transition.history.add(job, jobs_pb2.JOB_CHANGE_RETRIED, message, actor=request.actor)
    tx.after_commit(partial(job_retried, job))
    effects = await transition.finish()
    return results_pb2.RetryJobResponse(job=job_message(job, tx.retention), effects=effects)


async def _select(
    tx: Transaction, job: JobFacts, request: results_pb2.RetryJobRequest, seq: int
) -> Selection | None:
    item_keys = request.item_keys if job.has_keys else ()
    return selection_of(request, await find_items(tx, job.job_id, item_keys), seq)


def _words(selection: Selection | None) -> str:
    if selection is None:
        return "every item without a success"
    return f"items selected by {len(selection.reasons)} reasons and {len(selection.item_indexes)} indexes"


async def _claim_round(
    tx: Transaction, job: JobFacts, request: results_pb2.RetryJobRequest, selection: Selection | None
) -> int | None:
    """Returns the number of a new round; None if the request has claimed one before."""
    names = {"job_id": job.job_id, "request_id": request.request_id, "round": job.round}
    claimed = await tx.run(_BEGIN, names | {"selection": encode_selection(selection)})
    return claimed[0].round if claimed else None


async def _prepare_in(tx: Transaction) -> results_pb2.Effects | None:
    transition = Transition(tx)
    transition.add_locked(await lock_preparing_job(tx))
    for job in transition.jobs.values():
        names = {"job_id": job.job_id, "round": job.next_round}
        prepared = (await tx.run(_READ_PREPARED, names))[0]
        selection = decode_selection(prepared.selection)
        end_index = min(job.total_count, prepared.carry_index + carried_failures.MAX_CARRIED_ITEMS)
        items = range(prepared.carry_index, end_index)
        await carry_unselected(tx, job, selection, job.next_round, items)
        if end_index < job.total_count:
            await tx.run(_SAVE_PREPARED, names | {"carry_index": end_index})
        else:
            job.seq = max(job.seq, selection.seq)
            await _begin_round(tx, job, job.next_round)
    return await transition.finish() if transition.jobs else None


def _revive(job: JobFacts, now: int) -> None:
    job.stopping_to = job.pause_reason = job.not_before = 0
    job.set_error("", "")
    job.upload_open = False
    job.finish_time = None
    restart_deadline(job, now)


async def _begin_round(tx: Transaction, job: JobFacts, next_round: int) -> None:
    """Reopens the chunks. Attempts of earlier rounds stay: nothing reads them."""
    job.round, job.next_round = next_round, 0
    job.has_deferrals = False
    names = {"job_id": job.job_id, "open_end": HELD_DUE_TIME if job.trial_end is None else job.trial_end}
    await tx.run(_REOPEN, names | {"round": job.round, "held_due_time": HELD_DUE_TIME})
    counts = (await tx.run(_COUNT_OPEN, names))[0]
    job.held_chunk_count = counts.held_count
    job.open_chunk_count, job.quarantined_chunk_count = counts.open_count, counts.quarantined_count
    # Items with a result before the round has begun, and without a success.
    job.failed_count = job.carried_count = job.total_count - job.succeeded_count - counts.item_count
