"""Settling a job: its end, state, leasability and next wake-up time follow from its facts."""

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.budgets import may_lease, pause_if_spent
from services.results.rules.deadlines import expire_if_late
from services.results.rules.facts import JobFacts
from services.results.rules.failures import judge_failures
from services.results.rules.state import LEASABLE_STATES, compute_state, forget_pause_error
from services.results.rules.trials import pause_if_tried
from services.results.rules.uploads import expire_if_idle

# Facts that only UpdateJob changes.
_DESCRIPTION_FACTS = (
    "name",
    "labels",
    "job_class",
    "max_parallelism",
    "job_timeout",
    "retention",
    "worker_options",
)
# Facts that a snapshot shows. A change of one of them raises seq.
_SNAPSHOT_FACTS = (
    "state",
    "total_count",
    "succeeded_count",
    "failed_count",
    "call_count",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_micros",
    "answered_models",
    "pause_reason",
    "error_reason",
    "error_message",
    "error_detail",
    "start_time",
    "finish_time",
    "expire_time",
    "budget_micros",
    *_DESCRIPTION_FACTS,
)
# Facts whose change must reach everyone who watches the jobs of a tenant. Others are progress.
_CHANGE_FACTS = ("state", "pause_reason", "expire_time", "budget_micros", "round", *_DESCRIPTION_FACTS)


def settle(job: JobFacts, now: int, first_due: int, latest_reason: str = "") -> None:
    """Ends a job that is due to end, and recomputes state, leasable and the wake-up times.

    Args:
        job: The job, with all other facts up to date.
        now: The time, in microseconds.
        first_due: Due time of the first of its free chunks.
        latest_reason: Error reason of the item that failed last.
    """
    if job.finish_time is None:
        expire_if_idle(job, now)
        _end_if_over(job, now, latest_reason)
        pause_if_spent(job)
        pause_if_tried(job, now)
    job.state = compute_state(job, now)
    if job.state != jobs_pb2.JOB_STATE_PAUSED:
        forget_pause_error(job)
    job.leasable = job.state in LEASABLE_STATES and job.leasable_chunk_count > 0 and may_lease(job)
    job.wake_time = None
    if not job.upload_open or job.stopping_to:
        job.upload_expire_time = None
    if job.state == jobs_pb2.JOB_STATE_SCHEDULED:
        job.wake_time = job.schedule_time
    elif job.leasable and max(job.not_before, first_due) > now:
        job.wake_time = max(job.not_before, first_due)


def _end_if_over(job: JobFacts, now: int, latest_reason: str) -> None:
    is_final = not job.upload_open and not job.next_round
    all_done = is_final and job.succeeded_count + job.failed_count >= job.total_count
    judge_failures(job, latest_reason, all_done=all_done)
    if not all_done:
        expire_if_late(job, now)
    if all_done or (job.stopping_to and job.leased_chunk_count == 0):
        job.finish_time = max(now, job.start_time or 0)
        job.next_round = 0  # The retry is given up. A later one gets another round.


def is_leasable_now(job: JobFacts) -> bool:
    """Returns whether a settled job has a chunk that can be leased without a wait."""
    return job.leasable and job.wake_time is None


def number_change(before: JobFacts, after: JobFacts) -> None:
    """Raises seq after a visible change, and sets change_seq after one that must not be missed."""
    is_change = has_change(before, after)
    if is_change or has_visible_change(before, after):
        after.seq = max(after.seq, before.seq + 1)
    if is_change:
        after.change_seq = after.seq


def has_change(before: JobFacts, after: JobFacts) -> bool:
    """Returns whether a job changed, rather than progressed: state, pause, round, name, labels or options.

    In a terminal job every visible difference is a change, such as a late success.
    """
    if any(getattr(before, name) != getattr(after, name) for name in _CHANGE_FACTS):
        return True
    return after.finish_time is not None and has_visible_change(before, after)


def has_visible_change(before: JobFacts, after: JobFacts) -> bool:
    """Returns whether the snapshots of a job before and after a change differ."""
    return any(getattr(before, name) != getattr(after, name) for name in _SNAPSHOT_FACTS)
