"""Log lines and counts of events of jobs, written after the commit."""

from collections.abc import Sequence
from typing import Any

from services.results.metrics import JOB_SECONDS, JOBS_ENDED
from services.results.rows.worker_rows import SECOND
from services.results.rules.facts import JobFacts
from services.results.rules.history import PAUSE_REASON_LABELS
from services.shared.logging import get_logger, job_fields
from services.shared.metrics import CLASS_LABELS, JOB_STATE_LABELS

log = get_logger(__name__)


def job_ended(job: JobFacts) -> None:
    """Counts and logs that a job became terminal, once per round."""
    state = JOB_STATE_LABELS[job.state]
    seconds = ((job.finish_time or 0) - job.create_time) / SECOND
    JOBS_ENDED.labels(state).inc()
    JOB_SECONDS.labels(CLASS_LABELS[job.job_class], state).observe(seconds)
    log.info(
        "job_ended",
        kind=job.kind,
        state=state,
        reason=job.error_reason,
        succeeded_count=job.succeeded_count,
        failed_count=job.failed_count,
        total_count=job.total_count,
        seconds=seconds,
        **_fields(job),
    )


def job_cancelled(job: JobFacts) -> None:
    """Logs that the owner of a job cancelled it."""
    log.info("job_cancelled", **_fields(job))


def job_deleted(job: JobFacts) -> None:
    """Logs that the owner of a job deletes it."""
    log.info("job_deleted", **_fields(job))


def job_paused(job: JobFacts) -> None:
    """Logs that a job is paused, with the reason."""
    log.info("job_paused", reason=PAUSE_REASON_LABELS[job.pause_reason], **_fields(job))


def job_resumed(job: JobFacts) -> None:
    """Logs that a paused job resumed."""
    log.info("job_resumed", **_fields(job))


def job_updated(job: JobFacts, names: Sequence[str]) -> None:
    """Logs that the owner of a job changed these fields of it."""
    log.info("job_updated", fields=sorted(names), **_fields(job))


def job_retried(job: JobFacts) -> None:
    """Logs that a new round of a job began."""
    log.info("job_retried", round=job.round, **_fields(job))


def _fields(job: JobFacts) -> dict[str, Any]:
    return job_fields(job.job_id, job.tenant, job.trace_id)
