"""RetryJob: starts a new round of every item without a success, or of selected ones."""

from functools import partial

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows import item_rows
from services.results.rows.carried_failures import carry_unselected, has_selection, is_any_selected
from services.results.rows.messages import job_message
from services.results.rules.deadlines import begin_deadline
from services.results.rules.facts import JobFacts
from services.results.transitions.job_events import job_retried
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

_BEGIN = """
INSERT INTO retry_requests (job_id, request_id, round) SELECT :job_id, :request_id, :round WHERE true
ON CONFLICT DO NOTHING RETURNING round"""
# A quarantined chunk stays quarantined: the item that killed workers may do it again.
_REOPEN = """
UPDATE chunks SET due_time = 0, quarantine_loss_count = 0, unfinished_count = item_count - (
    SELECT count(*) FROM results e WHERE e.job_id = chunks.job_id AND e.round IN (0, :round)
    AND e.item_index >= chunks.first_index AND e.item_index < chunks.first_index + chunks.item_count)
WHERE job_id = :job_id"""
_COUNT_OPEN = """
SELECT count(*) AS open_count, count(CASE WHEN c.quarantined THEN 1 END) AS quarantined_count,
    CAST(COALESCE(sum(c.unfinished_count), 0) AS bigint) AS item_count
FROM chunks c WHERE c.job_id = :job_id AND c.unfinished_count > 0"""


async def retry_job(database: Database, request: results_pb2.RetryJobRequest) -> results_pb2.RetryJobResponse:
    """Returns the job, live again. A live job, or one with successes only, is returned unchanged.

    So is a job if the request selects none of its items without a success. An open upload is closed with its
    stored items. If all of them have a success, the job ends at once as SUCCEEDED. A second call with the
    same request_id starts nothing.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.write(lambda tx: _retry_in(tx, request))


async def _retry_in(tx: Transaction, request: results_pb2.RetryJobRequest) -> results_pb2.RetryJobResponse:
    transition = Transition(tx)
    job = await transition.lock_owned(request.job_id, request.tenant)
    names = {"job_id": job.job_id, "request_id": request.request_id, "round": job.round + 1}
    is_wanted = job.finish_time is not None and (job.upload_open or job.succeeded_count < job.total_count)
    if is_wanted and has_selection(request):
        is_wanted = await is_any_selected(tx, job, request)
    if not is_wanted or not await tx.run(_BEGIN, names):
        return results_pb2.RetryJobResponse(job=job_message(job))
    if has_selection(request):
        await carry_unselected(tx, job, request)
    await _begin_round(tx, job)
    tx.after_commit(partial(job_retried, job))
    effects = await transition.finish()
    return results_pb2.RetryJobResponse(job=job_message(job), effects=effects)


async def _begin_round(tx: Transaction, job: JobFacts) -> None:
    job.round += 1
    job.stopping_to = job.pause_reason = job.not_before = 0
    job.set_error("", "")
    job.upload_open = job.has_deferrals = False
    job.finish_time = None
    begin_deadline(job, tx.now)
    await tx.run(_REOPEN, {"job_id": job.job_id, "round": job.round})
    counts = (await tx.run(_COUNT_OPEN, {"job_id": job.job_id}))[0]
    job.open_chunk_count, job.quarantined_chunk_count = counts.open_count, counts.quarantined_count
    # Items with a result before the round has begun, and without a success.
    job.failed_count = job.carried_count = job.total_count - job.succeeded_count - counts.item_count
    await item_rows.delete_attempts(tx, job.job_id)
