"""UpdateJob: changes a job for its owner."""

from functools import partial
from typing import Any

from headrace.errors import AbortedError, FailedPreconditionError, InternalError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.failures import ContentRefusedError
from services.results.database.transaction import Transaction
from services.results.rows.job_labels import decode_labels, encode_labels, replace_name_and_labels
from services.results.rows.messages import duration_of, job_message
from services.results.rows.new_job_rows import insert_shares
from services.results.rules.budgets import is_paused_for_budget
from services.results.rules.deadlines import change_deadline
from services.results.rules.facts import JobFacts
from services.results.transitions.job_events import job_updated
from services.results.transitions.resumption import change_budget, check_budget, resume
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

# Fields that a terminal job takes too.
_OF_ALL_STATES = frozenset({"name", "labels", "retention"})


async def update_job(
    database: Database, request: results_pb2.UpdateJobRequest
) -> results_pb2.UpdateJobResponse:
    """Returns the changed job. A call that would change nothing returns it unchanged, whatever change_seq.

    Raises:
        NotFoundError: The tenant has no such job.
        AbortedError: The job has changed since if_change_seq (JOB_CHANGED, with metadata change_seq).
        FailedPreconditionError: The job is terminal and does not take all of the fields (JOB_ENDED), or the
            budget is not above what is spent (BUDGET_SPENT).
        InternalError: The database refuses the texts for good (STORE_REFUSED).
    """
    try:
        return await database.write(lambda tx: _update_in(tx, request))
    except ContentRefusedError as error:
        raise InternalError(
            f"the database refuses these changes: {error}", reason=ErrorReason.STORE_REFUSED
        ) from None


async def _update_in(tx: Transaction, request: results_pb2.UpdateJobRequest) -> results_pb2.UpdateJobResponse:
    transition = Transition(tx)
    transition.history.actor = request.actor
    job = await transition.lock_owned(request.job_id, request.tenant)
    changes = {
        name: value
        for name, value in _wanted(request).items()
        if name in request.fields and value != getattr(job, name)
    }
    is_live = job.finish_time is None and not job.stopping_to
    is_resumed = request.resume and is_live and is_paused_for_budget(job)
    if not changes and not is_resumed:
        return results_pb2.UpdateJobResponse(job=job_message(job, tx.retention))
    _check(job, request.if_change_seq, changes)
    await _apply(transition, job, changes)
    if changes:
        transition.history.add(job, jobs_pb2.JOB_CHANGE_UPDATED, ", ".join(changes))
    if is_resumed:
        if "budget_micros" not in changes:
            check_budget(job)
        await resume(tx, job)
    tx.after_commit(partial(job_updated, job, [*changes]))
    effects = await transition.finish()
    return results_pb2.UpdateJobResponse(job=job_message(job, tx.retention), effects=effects)


def _wanted(request: results_pb2.UpdateJobRequest) -> dict[str, Any]:
    """Returns the values of all fields, in the form of the facts."""
    return {
        "name": request.name,
        "labels": encode_labels(request.labels),
        "job_class": request.job_class or jobs_pb2.JOB_CLASS_DEFAULT,
        "max_parallelism": max(0, request.max_parallelism),
        "budget_micros": request.budget_micros if request.HasField("budget_micros") else None,
        "job_timeout": duration_of(request, "job_timeout"),
        "retention": duration_of(request, "retention"),
    }


def _check(job: JobFacts, if_change_seq: int, changes: dict[str, Any]) -> None:
    if if_change_seq and if_change_seq != job.change_seq:
        raise AbortedError(
            f"the job has changed: its change_seq is {job.change_seq}, not {if_change_seq}; "
            "read it and decide again",
            reason=ErrorReason.JOB_CHANGED,
            metadata={"change_seq": str(job.change_seq)},
        )
    refused = sorted(changes.keys() - _OF_ALL_STATES)
    if job.finish_time is not None and refused:
        raise FailedPreconditionError(
            f"the job has ended: {', '.join(refused)} cannot change any more; name, labels and retention can",
            reason=ErrorReason.JOB_ENDED,
        )


async def _apply(transition: Transition, job: JobFacts, changes: dict[str, Any]) -> None:
    if "name" in changes or "labels" in changes:
        name, labels = changes.get("name", job.name), changes.get("labels", job.labels)
        replace_name_and_labels(transition.tx, job, name, decode_labels(labels))
    if "job_class" in changes:
        job.job_class = changes["job_class"]
        job.virtual_time = 0  # A newcomer among the jobs of the class.
        insert_shares(transition.tx, [(job.job_class, ""), (job.job_class, job.tenant)])
        transition.wake_workers(job.job_id)
    if "max_parallelism" in changes:
        job.max_parallelism = changes["max_parallelism"]
        transition.wake_workers(job.job_id)
    if "budget_micros" in changes:
        change_budget(job, changes["budget_micros"])
    if "job_timeout" in changes:
        change_deadline(job, changes["job_timeout"])
    if "retention" in changes:
        job.retention = changes["retention"]
