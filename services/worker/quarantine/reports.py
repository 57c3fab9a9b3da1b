"""Outcomes of tries, on their way from a child process to its worker."""

from datetime import timedelta

from headrace.worker.v1 import child_pb2
from services.worker.item_runner import ItemOutcome


def report_of(outcome: ItemOutcome) -> child_pb2.ChildReport:
    """Returns the report of an outcome, without a number."""
    report = child_pb2.ChildReport(
        output=outcome.output or "",
        error=outcome.error,
        job_failed=outcome.job_failed,
        try_count=outcome.try_count,
        usage=outcome.usage,
    )
    if outcome.retry_delay is not None:
        report.retry_delay.FromTimedelta(timedelta(seconds=outcome.retry_delay))
    return report


def outcome_of(report: child_pb2.ChildReport) -> ItemOutcome:
    """Returns the outcome that a report tells."""
    failed = report.HasField("error")
    return ItemOutcome(
        output=None if failed else report.output,
        error=report.error if failed else None,
        retry_delay=report.retry_delay.ToTimedelta().total_seconds()
        if report.HasField("retry_delay")
        else None,
        job_failed=report.job_failed,
        try_count=report.try_count,
        usage=report.usage,
    )
