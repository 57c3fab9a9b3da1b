"""DeleteJob: deletes a job for its owner, with its items and results."""

from functools import partial

from headrace.errors import FailedPreconditionError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.transitions.job_events import job_cancelled, job_deleted
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
    if job.finish_time is None and not job.stopping_to:
        job.stopping_to = jobs_pb2.JOB_STATE_CANCELLED
        transition.history.add(job, jobs_pb2.JOB_CHANGE_CANCELLED, "to be deleted")
        tx.after_commit(partial(job_cancelled, job))
    if job.leased_chunk_count:
        transition.notify_workers(job.job_id)
    job.delete_wanted = True
    tx.after_commit(partial(job_deleted, job))
    effects = await transition.finish()
    gone = job.finish_time is not None and not job.leased_chunk_count
    return results_pb2.DeleteJobResponse(gone=gone, effects=effects)
