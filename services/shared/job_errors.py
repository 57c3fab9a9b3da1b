"""Errors about jobs that several services raise."""

from headrace.errors import NotFoundError
from headrace.reasons import ErrorReason


def job_not_found(job_id: str) -> NotFoundError:
    """Returns the error for a job that the tenant does not have."""
    return NotFoundError(
        f"there is no job {job_id}", reason=ErrorReason.JOB_NOT_FOUND, metadata={"job_id": job_id}
    )
