"""The history of a job, and the usage of a tenant's jobs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headrace.resources._jobs import Usage
from headrace.resources._plain_dicts import PlainDict


class JobChange(StrEnum):
    """Type of an event in a job's history."""

    UNSPECIFIED = "UNSPECIFIED"
    """A type that this version of the client does not know."""
    CREATED = "CREATED"
    """The store accepted the job."""
    STARTED = "STARTED"
    """A worker leased its first items."""
    ENDED = "ENDED"
    """It became terminal. A retry keeps the end of each earlier round."""
    PAUSED = "PAUSED"
    """It was paused. The message begins with the reason."""
    RESUMED = "RESUMED"
    """It was resumed."""
    OUTAGE = "OUTAGE"
    """Its model went down, or came back."""
    WORKER_LOST = "WORKER_LOST"
    """A worker that held items of it was lost. They are leased again."""
    QUARANTINED = "QUARANTINED"
    """Items are run alone, because workers died that ran them."""
    RETRIED = "RETRIED"
    """A new round was started."""
    UPDATED = "UPDATED"
    """Its budget or another option was changed."""
    CANCELLED = "CANCELLED"
    """Its owner cancelled it."""
    BUDGET_HELD = "BUDGET_HELD"
    """Nothing was leased, because other leases reserve the rest of its budget."""


@dataclass(frozen=True)
class JobHistoryEvent(PlainDict):
    """An event in a job's history.

    Attributes:
        number: Number of the event in the history. Grows.
        event_time: Time of the event. Of merged events, of the first one.
        change: Type of the event.
        actor: Who caused it, for people: a client by address and program, a worker, or the store. Empty if it
            is not known. Of merged events, of the last one.
        message: Details for people, on one line. Of merged events, of the last one.
        count: Number of events that it stands for. Above 1 if events of one type were merged because there
            were many.
        last_event_time: Time of the last of these.
    """

    number: int
    event_time: datetime | None
    change: JobChange
    actor: str = ""
    message: str = ""
    count: int = 1
    last_event_time: datetime | None = None


@dataclass(frozen=True)
class UsageGroup(PlainDict):
    """Usage of the jobs that share the properties by which they are grouped.

    Attributes:
        day: Day (UTC) on which the jobs were created, such as 2026-01-31. Empty unless grouped by day.
        model: Model that the jobs name. Empty unless grouped by model, or if they name none.
        kind: Kind of the jobs. Empty unless grouped by kind.
        label_value: Value of the label. Empty unless grouped by one, or if the jobs do not have it.
        job_count: Number of jobs.
        succeeded_count: Items of these jobs that succeeded.
        failed_count: Items of these jobs that failed.
        usage: Their usage. ``answered_models`` is empty.
    """

    day: str
    model: str
    kind: str
    label_value: str
    job_count: int
    succeeded_count: int
    failed_count: int
    usage: Usage


@dataclass(frozen=True)
class UsageReport(PlainDict):
    """Usage of a tenant's jobs.

    Attributes:
        groups: Groups by day, model, kind and label value: the first 10,000 if there are more.
        total: Sum of all groups, including those that are left out.
    """

    groups: tuple[UsageGroup, ...]
    total: UsageGroup
