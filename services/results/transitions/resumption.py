"""The end of a pause, and the budget that it needs."""

from functools import partial

from headrace.errors import FailedPreconditionError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.database.transaction import Transaction
from services.results.rows.chunk_rows import free_held_chunks
from services.results.rules.budgets import is_paused_for_budget, is_spent
from services.results.rules.deadlines import continue_deadline
from services.results.rules.facts import JobFacts
from services.results.rules.state import forget_pause_error
from services.results.rules.trials import is_paused_for_trial
from services.results.transitions.job_events import job_resumed


async def resume(tx: Transaction, job: JobFacts) -> None:
    """Ends the pause of a locked job that is neither ending nor terminal, if it is paused.

    The end of a pause for a trial ends the trial: all other items may run.
    """
    if not job.pause_reason:
        return
    if is_paused_for_trial(job):
        await free_held_chunks(tx, job.job_id)
        job.trial_end, job.held_chunk_count, job.trial_forecast = None, 0, ""
        continue_deadline(job, tx.now)
    forget_pause_error(job)
    job.pause_reason = jobs_pb2.PAUSE_REASON_UNSPECIFIED
    tx.after_commit(partial(job_resumed, job))


def change_budget(job: JobFacts, budget_micros: int | None) -> None:
    """Replaces the budget of a job; None for no limit.

    Raises:
        FailedPreconditionError: The new budget is not above what is spent (BUDGET_SPENT).
    """
    if is_spent(job, budget_micros):
        raise _spent_error(job, "the new budget_micros is not above that")
    job.budget_micros = budget_micros


def check_budget(job: JobFacts) -> None:
    """Checks that a job may resume with its present budget.

    Raises:
        FailedPreconditionError: The budget does not cover another call (BUDGET_SPENT).
    """
    if is_paused_for_budget(job) or (job.pause_reason and is_spent(job, job.budget_micros)):
        raise _spent_error(
            job, f"its budget of {job.budget_micros} is too small; resume it with a higher budget_micros"
        )


def _spent_error(job: JobFacts, problem: str) -> FailedPreconditionError:
    return FailedPreconditionError(
        f"the job has cost {job.cost_micros} millionths of a US dollar, and {problem}",
        reason=ErrorReason.BUDGET_SPENT,
        metadata={"cost_micros": str(job.cost_micros)},
    )
