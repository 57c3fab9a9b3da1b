"""Log lines about a leased job and its items. They never contain params, inputs or outputs."""

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import fault_fields, get_logger, job_fields
from services.stubs.results.v1 import results_pb2
from services.worker.metrics import ITEM_RETRIES, reason_label

log = get_logger(__name__)


def fields_of(spec: results_pb2.JobSpec) -> dict[str, str]:
    """Returns the fields that every line about a job has."""
    return job_fields(spec.job_id, spec.tenant, spec.trace_id)


def log_failed_attempt(
    spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, error: jobs_pb2.Error, delay: float | None
) -> None:
    """Logs a failed attempt with its reason, but without its message: a kind may repeat the item there.

    Args:
        spec: The job.
        item: The item.
        error: Error of the attempt.
        delay: Seconds until the next attempt. None: there is none.
    """
    fields = {"item_index": item.item_index, "reason": error.reason, **fields_of(spec)}
    if delay is None:
        log.info("item_failed", **fields)
    else:
        ITEM_RETRIES.labels(reason_label(error.reason)).inc()
        log.debug("item_retried", delay_seconds=round(delay, 3), **fields)


def log_handler_error(spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, error: BaseException) -> None:
    """Logs where a handler raised an unexpected error, but not its text: it may repeat the item."""
    log.error(
        "handler_failed",
        kind=spec.kind,
        item_index=item.item_index,
        **fault_fields(error),
        **fields_of(spec),
    )
