"""ListJobEvents: the history of a job, with what its snapshot shows."""

from typing import Any, cast

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.pages.page_limits import count_fitting, page_size
from services.results.rows import event_rows, job_rows
from services.results.rows.event_rows import Event
from services.results.rows.messages import canonical_id, timestamp
from services.results.rules.facts import JobFacts
from services.results.rules.history import MAX_MESSAGE_CHARACTERS, end_message, one_line
from services.shared.job_errors import job_not_found
from services.stubs.results.v1 import results_pb2

# Stored events have even numbers, so that the start of the job, which has no row, gets one between them.
_STEP = 2


async def list_job_events(
    database: Database, request: results_pb2.ListJobEventsRequest
) -> results_pb2.ListJobEventsResponse:
    """Returns a page of a job's history after a number, within page_size and 1 MB; at least one event.

    The number of an event never changes, but merged events lose theirs. Each page reads the whole history.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    history = await database.read(lambda tx: _read(tx, request))
    rest = [event for event in history if event.number > request.after_number]
    page = rest[: page_size(request.page_size)]
    page = page[: count_fitting([event.ByteSize() for event in page])]
    return results_pb2.ListJobEventsResponse(events=page, has_more=len(rest) > len(page))


async def _read(tx: Transaction, request: results_pb2.ListJobEventsRequest) -> list[jobs_pb2.JobHistoryEvent]:
    found = await job_rows.read_newer(tx, [(canonical_id(request.job_id), 0)], request.tenant)
    if not found or found[0].tenant != request.tenant:
        raise job_not_found(request.job_id)
    job = found[0]
    # Events after this snapshot are left out: it does not show the end that may lie between them.
    stored = await event_rows.read_events(tx, job.job_id, job.event_count) if job.event_count else []
    return _history(job, stored)


def _history(job: JobFacts, stored: list[Event]) -> list[jobs_pb2.JobHistoryEvent]:
    history = [_unmerged(0, job.create_time, jobs_pb2.JOB_CHANGE_CREATED)]
    history += [_message(event) for event in stored]
    if job.start_time is not None:
        before = max((e.number for e in stored if e.event_time < job.start_time), default=0)
        number = before * _STEP + 1
        history.append(_unmerged(number, job.start_time, jobs_pb2.JOB_CHANGE_STARTED))
    if job.finish_time is not None and not any(_tells_end(event, job.finish_time) for event in stored):
        message = one_line(end_message(job), MAX_MESSAGE_CHARACTERS)
        number = (job.event_count + 1) * _STEP
        history.append(_unmerged(number, job.finish_time, jobs_pb2.JOB_CHANGE_ENDED, message=message))
    return sorted(history, key=lambda event: event.number)


def _tells_end(event: Event, finish_time: int) -> bool:
    return event.change_type == jobs_pb2.JOB_CHANGE_ENDED and event.last_time == finish_time


def _unmerged(number: int, time: int, change: jobs_pb2.JobChange, **fields: Any) -> jobs_pb2.JobHistoryEvent:
    return jobs_pb2.JobHistoryEvent(
        number=number,
        event_time=timestamp(time),
        last_event_time=timestamp(time),
        change=change,
        count=1,
        **fields,
    )


def _message(event: Event) -> jobs_pb2.JobHistoryEvent:
    return jobs_pb2.JobHistoryEvent(
        number=event.number * _STEP,
        event_time=timestamp(event.event_time),
        change=cast("jobs_pb2.JobChange", event.change_type),
        actor=event.actor,
        message=event.message,
        count=event.change_count,
        last_event_time=timestamp(event.last_time),
    )
