"""Converts outcomes of attempts to and from the reports that a child process sends."""

from services.stubs.worker.v1 import worker_pb2
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.attempts.item_time import duration_of, seconds_of


def report_of(outcome: ItemOutcome) -> worker_pb2.ChildReport:
    """Returns the report of an outcome, with its number unset."""
    report = worker_pb2.ChildReport(
        output=outcome.output or "",
        error=outcome.error,
        job_failed=outcome.job_failed,
        attempt_count=outcome.attempt_count,
        usage=outcome.usage,
        failed_attempts=outcome.failed_attempts,
        work_time=duration_of(outcome.worked_seconds),
        needed_micros=outcome.needed_micros,
    )
    if outcome.retry_delay is not None:
        report.retry_delay.CopyFrom(duration_of(outcome.retry_delay))
    return report


def outcome_of(report: worker_pb2.ChildReport) -> ItemOutcome:
    """Returns the outcome in a report."""
    failed = report.HasField("error")
    return ItemOutcome(
        output=None if failed else report.output,
        error=report.error if failed else None,
        retry_delay=seconds_of(report.retry_delay) if report.HasField("retry_delay") else None,
        job_failed=report.job_failed,
        attempt_count=report.attempt_count,
        usage=report.usage,
        failed_attempts=report.failed_attempts,
        worked_seconds=seconds_of(report.work_time),
        needed_micros=report.needed_micros,
    )
