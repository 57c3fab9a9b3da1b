"""Deadlines of jobs."""

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.rules.facts import JobFacts


def begin_deadline(job: JobFacts, now: int) -> None:
    """Sets the deadline of a job at its creation or at the start of a new round. None without job_timeout.

    Args:
        job: The job.
        now: The time, in microseconds. The deadline counts from schedule_time if that is later.
    """
    if job.job_timeout is not None:
        job.expire_time = max(now, job.schedule_time or 0) + job.job_timeout


def restart_deadline(job: JobFacts, now: int) -> None:
    """Starts the deadline of a job anew, for a new round."""
    job.trial_pause_time = None
    job.deadline_base = now
    begin_deadline(job, now)


def change_deadline(job: JobFacts, job_timeout: int | None) -> None:
    """Replaces job_timeout. The deadline counts from the same time as before."""
    job.job_timeout = job_timeout
    _set_deadline(job)


def stop_deadline(job: JobFacts) -> None:
    """Makes the deadline of a job stand still from trial_pause_time on."""
    job.expire_time = None


def continue_deadline(job: JobFacts, now: int) -> None:
    """Ends the stop of the deadline, which is later by its length."""
    stopped = now - job.trial_pause_time if job.trial_pause_time is not None else 0
    job.deadline_base = _base(job) + max(0, stopped)
    job.trial_pause_time = None
    _set_deadline(job)


def is_late(job: JobFacts, now: int) -> bool:
    """Returns whether the deadline of a job has passed, whatever its state."""
    return job.expire_time is not None and job.expire_time <= now


def expire_if_late(job: JobFacts, now: int) -> None:
    """Starts to expire a job whose deadline has passed, unless it is already stopping."""
    if not job.stopping_to and is_late(job, now):
        job.stopping_to = jobs_pb2.JOB_STATE_EXPIRED
        seconds = _seconds(job.job_timeout or 0)
        job.set_error(ErrorReason.JOB_TIMED_OUT, f"the job did not end within its job_timeout of {seconds} s")


def _set_deadline(job: JobFacts) -> None:
    is_stopped = job.job_timeout is None or job.trial_pause_time is not None
    job.expire_time = None if is_stopped else _base(job) + (job.job_timeout or 0)


def _base(job: JobFacts) -> int:
    if job.deadline_base is not None:
        return job.deadline_base
    return max(job.create_time, job.schedule_time or 0)


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1_000_000:,.6f}".rstrip("0").rstrip(".")
