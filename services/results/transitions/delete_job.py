"""DeleteJob: deletes a job for its owner, with its items and results."""

from functools import partial

from headrace.errors import FailedPreconditionError
from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.transitions.cancel_job import begin_cancel
from services.results.transitions.job_events import job_deleted
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


async def delete_job(
    database: Database, request: results_pb2.DeleteJobRequest
) -> results_pb2.DeleteJobResponse:
    """Deletes a terminal job. With force, cancels a live one, which is deleted once no lease of it is live.

    ``purge_deleted_job`` deletes the rows of a job that is gone.

    Raises:
        NotFoundError: The tenant has no such job.
        FailedPreconditionError: The job is not terminal, and force is not set (JOB_NOT_ENDED).
    """
    return await database.write(lambda tx: _delete_in(tx, request))


async def _delete_in(tx: Transaction, request: results_pb2.DeleteJobRequest) -> results_pb2.DeleteJobResponse:
    transition = Transition(tx)
    transition.history.actor = request.actor
    job = await transition.lock_owned(request.job_id, request.tenant)
    if job.finish_time is None and not request.force:
        raise FailedPreconditionError(
            "the job has not ended; cancel it and wait for its end, or set force",
            reason=ErrorReason.JOB_NOT_ENDED,
        )
    begin_cancel(transition, job, "to be deleted")
    if job.leased_chunk_count:
        transition.notify_workers(job.job_id)
    job.delete_wanted = True
    tx.after_commit(partial(job_deleted, job))
    effects = await transition.finish()
    gone = job.finish_time is not None and not job.leased_chunk_count
    return results_pb2.DeleteJobResponse(gone=gone, effects=effects)
