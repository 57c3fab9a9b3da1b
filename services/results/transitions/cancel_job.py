"""CancelJob: ends a job at its owner's wish."""

from functools import partial

from headrace.errors import NotFoundError
from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database, Transaction
from services.results.rows.messages import canonical_id, job_message
from services.results.rules.facts import Job
from services.results.transitions.job_events import job_cancelled
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


async def cancel_job(
    database: Database, request: results_pb2.CancelJobRequest
) -> results_pb2.CancelJobResponse:
    """Returns the job, CANCELLING while a worker holds items of it; a finished one is returned unchanged.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.write(lambda tx: _cancel_in(tx, request))


async def _cancel_in(tx: Transaction, request: results_pb2.CancelJobRequest) -> results_pb2.CancelJobResponse:
    transition = Transition(tx)
    job = await lock_owned_job(transition, request.job_id, request.tenant)
    if job.finish_time is None:
        if not job.stopping_to:
            job.stopping_to = jobs_pb2.JOB_STATE_CANCELLED
            tx.after_commit(partial(job_cancelled, job))
        if job.leased_chunk_count:
            transition.notify_holders(job.job_id)
    effects = await transition.finish()
    return results_pb2.CancelJobResponse(job=job_message(job), effects=effects)


async def lock_owned_job(transition: Transition, job_id: str, tenant: str) -> Job:
    """Returns a job under lock.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    await transition.lock([canonical_id(job_id)])
    job = transition.jobs.get(canonical_id(job_id))
    if job is None or job.tenant != tenant:
        raise NotFoundError("there is no such job")
    return job
