"""Limits of recorded texts, enforced before the database sees them."""

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.shared.failed_attempts import MAX_DETAIL_CHARACTERS
from services.stubs.results.v1 import results_pb2

MAX_OUTPUT_BYTES = 3 * 1024 * 1024
MAX_MESSAGE_CHARACTERS = 4_000
MAX_REASON_CHARACTERS = 100


def enforce_record_limits(record: results_pb2.JobRecord) -> None:
    """Turns outputs that cannot be stored into failures, and truncates errors.

    An output over 3 MB fails its item with OUTPUT_TOO_LARGE. An output with a NUL, which PostgreSQL cannot
    store as text, fails it with OUTPUT_REFUSED.
    """
    if record.HasField("job_error"):
        _truncate_error(record.job_error)
    if record.HasField("outage_error"):
        _truncate_error(record.outage_error)
    for deferral in record.deferrals:
        _truncate_error(deferral.error)
    for item in record.items:
        if item.HasField("error"):
            _truncate_error(item.error)
        elif len(item.output) * 4 > MAX_OUTPUT_BYTES and len(item.output.encode()) > MAX_OUTPUT_BYTES:
            fail_item(item, ErrorReason.OUTPUT_TOO_LARGE, "the output is over 3 MB")
        elif "\0" in item.output:
            fail_item(item, ErrorReason.OUTPUT_REFUSED, "the output contains a NUL and cannot be stored")


def fail_item(item: results_pb2.ItemRecord, reason: str, message: str) -> None:
    """Turns a success into a failure."""
    item.output = ""
    item.error.CopyFrom(jobs_pb2.Error(reason=reason, message=message))


def _truncate_error(error: jobs_pb2.Error) -> None:
    error.reason = error.reason.replace("\0", "")[:MAX_REASON_CHARACTERS]
    error.message = error.message.replace("\0", "\ufffd")[:MAX_MESSAGE_CHARACTERS]
    error.detail = error.detail.replace("\0", "\ufffd")[:MAX_DETAIL_CHARACTERS]
