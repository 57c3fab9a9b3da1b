"""CancelJob: ends a job for its owner."""

from functools import partial

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows.messages import job_message
from services.results.rules.facts import JobFacts
from services.results.transitions.job_events import job_cancelled
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


async def cancel_job(
    database: Database, request: results_pb2.CancelJobRequest
) -> results_pb2.CancelJobResponse:
    """Returns the job, CANCELLING while chunks of it are leased. A finished job is returned unchanged.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.write(lambda tx: _cancel_in(tx, request))


async def _cancel_in(tx: Transaction, request: results_pb2.CancelJobRequest) -> results_pb2.CancelJobResponse:
    transition = Transition(tx)
    transition.history.actor = request.actor
    job = await transition.lock_owned(request.job_id, request.tenant)
    begin_cancel(transition, job)
    if job.finish_time is None and job.leased_chunk_count:
        transition.notify_workers(job.job_id)
    effects = await transition.finish()
    return results_pb2.CancelJobResponse(job=job_message(job, tx.retention), effects=effects)


def begin_cancel(transition: Transition, job: JobFacts, message: str = "") -> None:
    """Cancels a locked job, unless it has ended or is ending.

    Args:
        transition: The transition that has locked it.
        job: The job.
        message: Message of the event in its history.
    """
    if job.finish_time is None and not job.stopping_to:
        job.stopping_to = jobs_pb2.JOB_STATE_CANCELLED
        transition.history.add(job, jobs_pb2.JOB_CHANGE_CANCELLED, message)
        transition.tx.after_commit(partial(job_cancelled, job))
