"""Converts messages of the API into the client's own types."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headrace._messages.enum_names import class_name, name_of
from headrace._messages.job_options import to_options
from headrace._messages.json_text import decode
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.resources import (
    FailedAttempt,
    Failure,
    FailureGroup,
    Item,
    ItemState,
    Job,
    JobEstimate,
    JobForecast,
    JobOutage,
    JobState,
    JobTrial,
    KindInfo,
    LiveEvent,
    PauseReason,
    Progress,
    Result,
    Usage,
    WorkerInfo,
)


def to_job(message: jobs_pb2.Job) -> Job:
    """Returns the snapshot in a message."""
    return Job(
        job_id=message.job_id,
        kind=message.kind,
        state=name_of(JobState, jobs_pb2.JobState, "JOB_STATE_", message.state),
        job_class=class_name(message.job_class),
        create_time=_instant(message, "create_time"),
        schedule_time=_instant(message, "schedule_time"),
        start_time=_instant(message, "start_time"),
        finish_time=_instant(message, "finish_time"),
        progress=Progress(
            total_count=message.progress.total_count,
            succeeded_count=message.progress.succeeded_count,
            failed_count=message.progress.failed_count,
            cancelled_count=message.progress.cancelled_count,
        ),
        usage=to_usage(message.usage),
        error=_to_failure(message),
        pause_reason=name_of(PauseReason, jobs_pb2.PauseReason, "PAUSE_REASON_", message.pause_reason),
        seq=message.seq,
        tenant=message.tenant,
        expire_time=_instant(message, "expire_time"),
        budget_micros=message.budget_micros if message.HasField("budget_micros") else None,
        options=to_options(message.options),
        name=message.name,
        labels=dict(message.labels),
        change_seq=message.change_seq,
        trial=_to_trial(message),
        purge_time=_instant(message, "purge_time"),
    )


def _to_trial(message: jobs_pb2.Job) -> JobTrial | None:
    if not message.HasField("trial"):
        return None
    trial = message.trial
    if not trial.HasField("estimated_cost_micros"):
        return JobTrial(trial.item_count)
    return JobTrial(
        item_count=trial.item_count,
        estimated_cost_micros=trial.estimated_cost_micros,
        low_cost_micros=trial.low_cost_micros,
        high_cost_micros=trial.high_cost_micros,
    )


def to_estimate(message: gateway_pb2.JobEstimate) -> JobEstimate:
    """Returns the estimate in a message."""
    return JobEstimate(
        call_count=message.call_count,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        cost_micros=message.cost_micros if message.HasField("cost_micros") else None,
        failing_item_count=message.failing_item_count,
        failing_groups=tuple(to_failure_group(group) for group in message.failing_groups),
    )


def to_result(message: jobs_pb2.Result) -> Result[Any]:
    """Returns the result in a message, with its payloads decoded."""
    return Result(
        item_index=message.item_index,
        state=name_of(ItemState, jobs_pb2.ItemState, "ITEM_STATE_", message.state),
        output=decode(message.output) if message.output else None,
        error=_to_failure(message),
        attempt_count=message.attempt_count,
        usage=to_usage(message.usage),
        finish_time=_instant(message, "finish_time"),
        output_text=message.output,
        failed_attempts=tuple(
            FailedAttempt(each.attempt_number, _failure_of(each.error)) for each in message.failed_attempts
        ),
        item_key=message.item_key,
        input=decode(message.input) if message.input else None,
        input_text=message.input,
    )


def to_item(message: jobs_pb2.Item) -> Item:
    """Returns the item in a message, with its input decoded."""
    return Item(
        item_index=message.item_index,
        item_key=message.item_key,
        input=decode(message.input) if message.input else None,
        result=to_result(message.result) if message.HasField("result") else None,
        input_text=message.input,
    )


def to_failure_group(message: jobs_pb2.FailureGroup) -> FailureGroup:
    """Returns the group of failed items in a message."""
    return FailureGroup(
        reason=message.reason,
        item_count=message.item_count,
        first_item_index=message.first_item_index,
        first_message=message.first_message,
        first_detail=message.first_detail,
    )


def to_live_events(messages: Iterable[jobs_pb2.LiveEvent]) -> tuple[LiveEvent, ...]:
    """Returns the live events of a message, in order."""
    return tuple(
        LiveEvent(
            event_time=_instant(message, "event_time"),
            incarnation=message.incarnation,
            in_flight_count=message.in_flight_count,
            items_per_second=message.items_per_second,
            tokens_per_second=message.tokens_per_second,
            limited_count=message.limited_count,
            cooldown_seconds=message.cooldown_seconds,
            outage=_to_outage(message),
        )
        for message in messages
    )


def to_forecast(message: jobs_pb2.JobForecast) -> JobForecast:
    """Returns the forecast in a message."""
    has_end, has_cost = message.HasField("estimated_remaining"), message.HasField("estimated_cost_micros")
    return JobForecast(
        items_per_second=message.items_per_second,
        tokens_per_second=message.tokens_per_second,
        in_flight_count=message.in_flight_count,
        limited_count=message.limited_count,
        cooldown_seconds=message.cooldown_seconds,
        estimated_remaining=message.estimated_remaining.ToTimedelta() if has_end else None,
        estimated_cost_micros=message.estimated_cost_micros if has_cost else None,
        outage=_to_outage(message),
    )


def _to_outage(message: jobs_pb2.JobForecast | jobs_pb2.LiveEvent) -> JobOutage | None:
    if not message.HasField("outage"):
        return None
    outage = message.outage
    return JobOutage(begin_time=_instant(outage, "begin_time"), reason=outage.reason, message=outage.message)


def to_kind_info(message: jobs_pb2.Kind) -> KindInfo:
    """Returns the kind in a message, with its schema decoded."""
    schema = decode(message.params_schema) if message.params_schema else {}
    return KindInfo(name=message.name, description=message.description, params_schema=schema)


def to_worker_info(message: jobs_pb2.Worker) -> WorkerInfo:
    """Returns the worker in a message."""
    return WorkerInfo(
        incarnation=message.incarnation,
        address=message.address,
        start_time=_instant(message, "start_time"),
        heartbeat_time=_instant(message, "heartbeat_time"),
        live=message.live,
        in_flight_count=message.in_flight_count,
        in_flight_limit=message.in_flight_limit,
        leased_item_count=message.leased_item_count,
        limits_degraded=message.limits_degraded,
        items_per_second=message.items_per_second,
        tokens_per_second=message.tokens_per_second,
        limited_count=message.limited_count,
        cooldown_seconds=message.cooldown_seconds,
    )


def _instant(message: Message, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    timestamp: Timestamp = getattr(message, field)
    return timestamp.ToDatetime(tzinfo=UTC)


def to_usage(message: jobs_pb2.Usage) -> Usage:
    """Returns the consumption in a message."""
    return Usage(
        call_count=message.call_count,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        cached_tokens=message.cached_tokens,
        cost_micros=message.cost_micros,
        answered_models=tuple(message.answered_models),
    )


def _to_failure(message: jobs_pb2.Job | jobs_pb2.Result) -> Failure | None:
    if not message.HasField("error"):
        return None
    return _failure_of(message.error)


def _failure_of(error: jobs_pb2.Error) -> Failure:
    return Failure(reason=error.reason, message=error.message, detail=error.detail)
