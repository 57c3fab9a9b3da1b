"""Rows of job_events, read and written under the lock of their jobs."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.results.database.transaction import Transaction
from services.results.rules.history import plan_merges

_COLUMNS = {
    "job_id": "text",
    "number": "bigint",
    "event_time": "bigint",
    "last_time": "bigint",
    "change_count": "bigint",
    "change_type": "bigint",
    "actor": "text",
    "message": "text",
    "report_id": "text",
}
_NAMES = ", ".join(_COLUMNS)
_SPECS = ", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items())
_OF_JOB = "FROM job_events e WHERE e.job_id = :job_id"

_INSERT = f"INSERT INTO job_events ({_NAMES}) SELECT {_NAMES} FROM ROWS(events: {_SPECS})"
_READ = f"SELECT {_NAMES} {_OF_JOB} AND e.number <= :last_number ORDER BY e.number"
_FIND_END = (
    f"SELECT 1 AS found {_OF_JOB} AND e.change_type = :change_type AND e.last_time = :end_time LIMIT 1"
)
# Not a join: planned while the table is empty, it would read the events of all jobs.
_FIND_REPORTS = """
SELECT k.job_id, k.report_id FROM ROWS(k: job_id text, report_id text)
WHERE (SELECT 1 FROM job_events e WHERE e.job_id = k.job_id AND e.report_id = k.report_id LIMIT 1) = 1"""
_UPDATE = f"""
UPDATE job_events SET last_time = merged.last_time, change_count = merged.change_count,
    actor = merged.actor, message = merged.message, report_id = merged.report_id
FROM ROWS(merged: {_SPECS})
WHERE job_events.job_id = :job_id AND job_events.number = merged.number"""
_DELETE = """
DELETE FROM job_events WHERE job_id = :job_id AND number IN (
    SELECT absorbed.number FROM ROWS(absorbed: number bigint))"""


class Event(NamedTuple):
    """A row: one change of a job, or several of one type that were merged.

    Attributes:
        number: Position in the history of the job, from 1.
        event_time: Time of the first change, in microseconds.
        last_time: Time of the last change.
        change_count: Number of changes.
        change_type: A JobChange.
        actor: Who made the last change.
        message: Details of the last change.
        report_id: Id by which a change that several workers report is stored once. Empty for others.
    """

    job_id: str
    number: int
    event_time: int
    last_time: int
    change_count: int
    change_type: int
    actor: str
    message: str
    report_id: str = ""


def insert_events(tx: Transaction, events: Sequence[Event]) -> None:
    """Queues the insertion of new events."""
    if events:
        tx.later(_INSERT, events=events)


async def read_events(tx: Transaction, job_id: str, last_number: int) -> list[Event]:
    """Returns the stored events of a job up to a number, ascending: at most 1,000."""
    plain = {"job_id": job_id, "last_number": last_number}
    return [Event(*row) for row in await tx.run(_READ, plain)]


async def has_end(tx: Transaction, job_id: str, change_type: int, end_time: int) -> bool:
    """Returns whether the end of a job at a time has its event."""
    plain = {"job_id": job_id, "change_type": change_type, "end_time": end_time}
    return bool(await tx.run(_FIND_END, plain))


async def read_reports(tx: Transaction, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Returns those of the wanted reports (job id, report id) that are stored."""
    return {(row.job_id, row.report_id) for row in await tx.run(_FIND_REPORTS, k=sorted(wanted))}


async def merge_oldest(tx: Transaction, job_id: str, last_number: int) -> None:
    """Merges the oldest events of a job, so that new ones fit."""
    events = {event.number: event for event in await read_events(tx, job_id, last_number)}
    plan = plan_merges({number: event.change_type for number, event in events.items()})
    if plan:
        merged = [_merge([events[number] for number in numbers]) for numbers in plan]
        await tx.run(_UPDATE, {"job_id": job_id}, merged=merged)
        absorbed = [(number,) for numbers in plan for number in numbers[1:]]
        await tx.run(_DELETE, {"job_id": job_id}, absorbed=absorbed)


def _merge(events: Sequence[Event]) -> Event:
    """Returns events of one type as one: it has the place of the first, and the words of the last."""
    return events[-1]._replace(
        number=events[0].number,
        event_time=events[0].event_time,
        change_count=sum(event.change_count for event in events),
    )
