"""When the time of a job is up."""

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import Job


def begin_deadline(job: Job, now: int) -> None:
    """Gives a job that begins, or begins anew, the time that it may take; without a job_timeout all of it.

    Args:
        job: The job.
        now: The time, in microseconds; the deadline counts from the wanted start where that is later.
    """
    if job.job_timeout is not None:
        job.expire_time = max(now, job.schedule_time or 0) + job.job_timeout


def is_late(job: Job, now: int) -> bool:
    """Returns whether a job's deadline has passed, whatever has become of it."""
    return job.expire_time is not None and job.expire_time <= now


def expire_if_late(job: Job, now: int) -> None:
    """Begins to end a job whose deadline has passed, unless it is on its way to another end."""
    if not job.stopping_to and is_late(job, now):
        job.stopping_to = jobs_pb2.JOB_STATE_EXPIRED
        job.error_reason = "JOB_TIMED_OUT"
        job.error_message = (
            f"the job had not ended within its job_timeout of {_seconds(job.job_timeout or 0)} s"
        )


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1_000_000:,.6f}".rstrip("0").rstrip(".")
