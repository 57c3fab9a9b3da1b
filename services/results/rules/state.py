"""The state of a job, computed from its facts."""

from typing import cast

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import JobFacts

LEASABLE_STATES = frozenset(
    {jobs_pb2.JOB_STATE_PENDING, jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_UPLOADING}
)

# Reasons of a pause whose cause is in the job's error.
PAUSES_WITH_ERROR = frozenset(
    {
        jobs_pb2.PAUSE_REASON_OUTAGE,
        jobs_pb2.PAUSE_REASON_REFUSALS,
        jobs_pb2.PAUSE_REASON_FAILURES,
    }
)


def compute_state(job: JobFacts, now: int) -> jobs_pb2.JobState:
    """Returns the state of a job at a time, in microseconds."""
    state: jobs_pb2.JobState = jobs_pb2.JOB_STATE_PENDING
    if job.finish_time is not None:
        state = cast("jobs_pb2.JobState", job.stopping_to or jobs_pb2.JOB_STATE_SUCCEEDED)
    elif job.stopping_to:
        state = jobs_pb2.JOB_STATE_CANCELLING
    elif job.pause_reason:
        state = jobs_pb2.JOB_STATE_PAUSED
    elif job.schedule_time is not None and job.schedule_time > now:
        state = jobs_pb2.JOB_STATE_SCHEDULED
    elif job.waiting_parent_count > 0:
        state = jobs_pb2.JOB_STATE_BLOCKED
    elif job.upload_open:
        state = jobs_pb2.JOB_STATE_UPLOADING
    elif job.start_time is not None:
        state = jobs_pb2.JOB_STATE_RUNNING
    return state


def forget_pause_error(job: JobFacts) -> None:
    """Removes the error of a job that was paused with one, unless another error has ended the job."""
    is_error_of_end = job.stopping_to not in (0, jobs_pb2.JOB_STATE_CANCELLED)
    if job.pause_reason in PAUSES_WITH_ERROR and not is_error_of_end:
        job.set_error("", "")


def has_failed(failed_count: int, total_count: int, max_failed_ratio: float) -> bool:
    """Returns whether more items failed than a job allows."""
    # The small tolerance absorbs binary fractions: 29 of 100 are not over 0.29.
    return failed_count > max_failed_ratio * total_count + 1e-6
