"""PauseJob and ResumeJob: stop and continue the work on a job for its owner."""

from functools import partial

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows.messages import job_message
from services.results.transitions.job_events import job_paused
from services.results.transitions.resumption import change_budget, check_budget, resume
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


async def pause_job(database: Database, request: results_pb2.PauseJobRequest) -> results_pb2.PauseJobResponse:
    """Returns the job, PAUSED. A job that is paused, ending or terminal already is returned unchanged.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.write(lambda tx: _pause_in(tx, request))


async def resume_job(
    database: Database, request: results_pb2.ResumeJobRequest
) -> results_pb2.ResumeJobResponse:
    """Returns the resumed job, with its new budget if one is given. A job that is ending is unchanged.

    Raises:
        NotFoundError: The tenant has no such job.
        FailedPreconditionError: The job has spent its budget, or the new one (BUDGET_SPENT).
    """
    return await database.write(lambda tx: _resume_in(tx, request))


async def _pause_in(tx: Transaction, request: results_pb2.PauseJobRequest) -> results_pb2.PauseJobResponse:
    transition = Transition(tx)
    transition.history.actor = request.actor
    job = await transition.lock_owned(request.job_id, request.tenant)
    if job.finish_time is None and not job.stopping_to:
        if not job.pause_reason:
            job.pause_reason = jobs_pb2.PAUSE_REASON_USER
            tx.after_commit(partial(job_paused, job))
        if job.leased_chunk_count:  # Notifies them again: the first call may have reached nobody.
            transition.notify_workers(job.job_id)
    effects = await transition.finish()
    return results_pb2.PauseJobResponse(job=job_message(job, tx.retention), effects=effects)


async def _resume_in(tx: Transaction, request: results_pb2.ResumeJobRequest) -> results_pb2.ResumeJobResponse:
    transition = Transition(tx)
    transition.history.actor = request.actor
    job = await transition.lock_owned(request.job_id, request.tenant)
    if job.finish_time is None and not job.stopping_to:
        before = job.budget_micros
        if request.HasField("budget_micros"):
            change_budget(job, request.budget_micros)
        else:
            check_budget(job)
        if job.budget_micros != before:
            message = f"budget_micros {'unlimited' if before is None else before} to {job.budget_micros}"
            transition.history.add(job, jobs_pb2.JOB_CHANGE_UPDATED, message)
        await resume(tx, job)
    effects = await transition.finish()
    return results_pb2.ResumeJobResponse(job=job_message(job, tx.retention), effects=effects)
