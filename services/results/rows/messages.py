"""Conversions between rows and messages."""

import uuid
from functools import lru_cache
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from headrace.jobs.v1 import jobs_pb2
from services.results.rows.failed_attempts import decode_attempts
from services.results.rows.item_rows import Usage
from services.results.rows.job_labels import decode_labels
from services.results.rows.job_options import decode_worker_options
from services.results.rows.trial_costs import trial_message
from services.results.rules.facts import ChunkFacts, JobFacts
from services.shared.answered_models import merge_models
from services.shared.job_states import TERMINAL_STATES
from services.stubs.results.v1 import results_pb2

MAX_COUNT = 2**40
# Durations are capped here, at about 35 years: a longer one is a mistake.
MAX_MICROSECONDS = 2**50


@lru_cache(10_000)  # Each call of a worker names its running jobs.
def canonical_id(job_id: str) -> str:
    """Returns a job id in its stored form; an empty text, which no job has, if it is not a UUID."""
    try:
        return str(uuid.UUID(job_id))
    except ValueError:
        return ""


_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799


def timestamp(microseconds: int | None) -> Timestamp | None:
    """Returns an instant given in microseconds; None for None."""
    if microseconds is None:
        return None
    return Timestamp(seconds=microseconds // 1_000_000, nanos=microseconds % 1_000_000 * 1000)


def microseconds(instant: Timestamp) -> int:
    """Returns an instant in microseconds, within the years 1 to 9999 that a timestamp may have."""
    seconds = min(max(instant.seconds, _FIRST_SECOND), _LAST_SECOND)
    return seconds * 1_000_000 + instant.nanos // 1000


def duration(microseconds: int | None) -> Duration | None:
    """Returns a duration given in microseconds; None for None."""
    if microseconds is None:
        return None
    return Duration(seconds=microseconds // 1_000_000, nanos=microseconds % 1_000_000 * 1000)


def duration_of(message: Message, field: str) -> int | None:
    """Returns the duration in a field, in microseconds and never below 0; None if it is unset."""
    if not message.HasField(field):
        return None
    length: Duration = getattr(message, field)
    return min(max(0, length.ToMicroseconds()), MAX_MICROSECONDS)


def job_message(job: JobFacts, default_retention: int | None) -> jobs_pb2.Job:
    """Returns the snapshot of a job.

    Args:
        job: The job.
        default_retention: Retention of a job without one of its own, in microseconds. None: for ever.
    """
    return jobs_pb2.Job(
        job_id=job.job_id,
        kind=job.kind,
        state=cast("jobs_pb2.JobState", job.state),
        job_class=cast("jobs_pb2.JobClass", job.job_class),
        create_time=timestamp(job.create_time),
        schedule_time=timestamp(job.schedule_time),
        start_time=timestamp(job.start_time),
        finish_time=timestamp(job.finish_time),
        progress=_progress_message(job),
        usage=usage_message(job),
        error=_error_message(job) if job.error_reason else None,
        pause_reason=cast("jobs_pb2.PauseReason", job.pause_reason),
        seq=job.seq,
        tenant=job.tenant,
        expire_time=timestamp(job.expire_time),
        budget_micros=job.budget_micros,
        options=options_message(job),
        name=job.name,
        labels=decode_labels(job.labels) if job.labels else None,
        change_seq=job.change_seq,
        trial=trial_message(job) if job.pause_reason else None,
        purge_time=timestamp(_purge_time(job, default_retention)) if job.finish_time is not None else None,
    )


def _purge_time(job: JobFacts, default_retention: int | None) -> int | None:
    retention = default_retention if job.retention is None else job.retention
    return None if retention is None else (job.finish_time or 0) + retention


def _error_message(row: Any) -> jobs_pb2.Error:
    return jobs_pb2.Error(reason=row.error_reason, message=row.error_message, detail=row.error_detail)


def _progress_message(job: JobFacts) -> jobs_pb2.Progress:
    finished_count = job.succeeded_count + job.failed_count
    is_terminal = job.state in TERMINAL_STATES
    return jobs_pb2.Progress(
        total_count=job.total_count,
        succeeded_count=job.succeeded_count,
        failed_count=job.failed_count,
        cancelled_count=job.total_count - finished_count if is_terminal else 0,
    )


def options_message(job: JobFacts) -> jobs_pb2.JobOptions:
    """Returns all options of a job, with their current values."""
    options = decode_worker_options(job.worker_options)
    options.job_class = cast("jobs_pb2.JobClass", job.job_class)
    options.max_failed_ratio = job.max_failed_ratio
    if job.max_parallelism:
        options.max_parallelism = job.max_parallelism
    if job.schedule_time is not None:
        options.schedule_time.FromMicroseconds(job.schedule_time)
    if job.job_timeout is not None:
        options.job_timeout.FromMicroseconds(job.job_timeout)
    if job.budget_micros is not None:
        options.budget_micros = job.budget_micros
    if job.retention is not None:
        options.retention.FromMicroseconds(job.retention)
    return options


def usage_message(used: Any) -> jobs_pb2.Usage:
    """Returns the usage of a row, job or tuple with these counts and models."""
    return jobs_pb2.Usage(
        call_count=used.call_count,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_tokens=used.cached_tokens,
        cost_micros=used.cost_micros,
        answered_models=used.answered_models.split("\n") if used.answered_models else (),
    )


def usage_of(message: jobs_pb2.Usage) -> Usage:
    """Returns the usage of a message, each count at least 0 and small enough to be summed."""
    return Usage(**{name: max(0, min(getattr(message, name), MAX_COUNT)) for name in Usage._fields})


def models_of(message: jobs_pb2.Usage) -> str:
    """Returns the models that a usage shows, one on each line."""
    return "\n".join(merge_models(message.answered_models)) if message.answered_models else ""


def result_message(row: Row[Any]) -> jobs_pb2.Result:
    """Returns the message of a row of results."""
    failed = row.state == jobs_pb2.ITEM_STATE_FAILED
    return jobs_pb2.Result(
        item_index=row.item_index,
        state=cast("jobs_pb2.ItemState", row.state),
        output=row.output,
        error=_error_message(row) if failed else None,
        attempt_count=row.attempt_count,
        usage=usage_message(row),
        finish_time=timestamp(row.finish_time),
        failed_attempts=decode_attempts(row.failed_attempts),
    )


def worker_message(row: Row[Any]) -> jobs_pb2.Worker:
    """Returns the message of a row of workers."""
    return jobs_pb2.Worker(
        incarnation=row.incarnation,
        address=row.address,
        start_time=timestamp(row.start_time),
        heartbeat_time=timestamp(row.heartbeat_time),
        live=not row.ended and not row.dead,
        in_flight_count=row.in_flight_count,
        in_flight_limit=row.in_flight_limit,
        leased_item_count=row.leased_item_count,
        limits_degraded=row.limits_degraded,
        items_per_second=row.items_per_second,
        tokens_per_second=row.tokens_per_second,
        limited_count=row.limited_count,
        cooldown_seconds=row.cooldown_seconds,
    )


def lease_ref(chunk: ChunkFacts) -> results_pb2.LeaseRef:
    """Returns the reference of a chunk's lease."""
    return results_pb2.LeaseRef(job_id=chunk.job_id, chunk_index=chunk.chunk_index, fence=chunk.fence)


def merge_effects(parts: list[results_pb2.Effects]) -> results_pb2.Effects:
    """Merges the effects of several transactions, given in their order, into those of one."""
    merged = results_pb2.Effects()
    newest: dict[str, jobs_pb2.Job] = {}
    for part in parts:
        merged.tasks_to_publish.extend(part.tasks_to_publish)
        merged.workers_to_notify.extend(part.workers_to_notify)
        newest.update((job.job_id, job) for job in part.changed_jobs)
    merged.changed_jobs.extend(newest.values())
    return merged
