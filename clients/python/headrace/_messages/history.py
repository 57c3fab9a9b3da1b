"""Converts messages of histories and usage into the client's own types."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from headrace._messages.conversion import to_usage
from headrace._messages.enum_names import name_of
from headrace._messages.request_building import build_request
from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.resources import JobChange, JobHistoryEvent, UsageGroup, UsageReport

LABEL_PREFIX = "label:"
_GROUPINGS = ("day", "model", "kind")


def to_history_event(message: jobs_pb2.JobHistoryEvent) -> JobHistoryEvent:
    """Returns the event in a message."""
    return JobHistoryEvent(
        number=message.number,
        event_time=_instant(message.event_time),
        change=name_of(JobChange, jobs_pb2.JobChange, "JOB_CHANGE_", message.change),
        actor=message.actor,
        message=message.message,
        count=message.count,
        last_event_time=_instant(message.last_event_time),
    )


def usage_request(
    by: str | Iterable[str],
    first_day: date | str | None,
    last_day: date | str | None,
    *,
    kind: str,
    model: str,
    labels: Mapping[str, str] | None,
) -> gateway_pb2.GetUsageRequest:
    """Returns the request for a report of usage.

    Raises:
        InvalidArgumentError: A grouping is unknown, or a value has the wrong type.
    """
    groupings = [by] if isinstance(by, str) else list(by)
    for each in groupings:
        if each not in _GROUPINGS and not _label_key(each):
            raise _wrong_grouping(f"{each!r} is not one of day, model, kind and label:KEY")
    keys = {_label_key(each) for each in groupings if each not in _GROUPINGS}
    if len(keys) > 1:
        raise _wrong_grouping("usage can be grouped by one label only")
    return build_request(
        gateway_pb2.GetUsageRequest,
        first_day=_day(first_day),
        last_day=_day(last_day),
        by_day="day" in groupings,
        by_model="model" in groupings,
        by_kind="kind" in groupings,
        by_label=keys.pop() if keys else "",
        kind=kind,
        model=model,
        labels=labels or {},
    )


def to_usage_report(message: gateway_pb2.GetUsageResponse) -> UsageReport:
    """Returns the report in a message."""
    groups = tuple(_to_group(group) for group in message.groups)
    return UsageReport(groups=groups, total=_to_group(message.total))


def _to_group(message: jobs_pb2.UsageGroup) -> UsageGroup:
    return UsageGroup(
        day=message.day,
        model=message.model,
        kind=message.kind,
        label_value=message.label_value,
        job_count=message.job_count,
        succeeded_count=message.succeeded_count,
        failed_count=message.failed_count,
        usage=to_usage(message.usage),
    )


def _label_key(grouping: object) -> str:
    """Returns the key of a grouping by a label; empty for anything else."""
    is_label = isinstance(grouping, str) and grouping.startswith(LABEL_PREFIX)
    return str(grouping).removeprefix(LABEL_PREFIX) if is_label else ""


def _wrong_grouping(problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"by: {problem}", violations=[FieldViolation("by", problem)])


def _day(day: date | str | None) -> object:
    if isinstance(day, datetime):
        return day.astimezone(UTC).date().isoformat()
    return day.isoformat() if isinstance(day, date) else day or ""


def _instant(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
