"""Events of a watch: snapshots, live numbers and the forecast."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headrace.resources._jobs import Job, JobState, Progress
from headrace.resources._plain_dicts import PlainDict


@dataclass(frozen=True)
class WatchedJob(PlainDict):
    """A job in a watch of many jobs.

    Attributes:
        job: Its newest snapshot. If it was deleted, only ``job_id`` is known.
        resume_token: Token that continues a watch after this job, in this or another process. Store it once
            the job is dealt with.
        left: The job no longer fits the filters of the watch. It may come for a job that never did.
        deleted: The job was deleted.
    """

    job: Job
    resume_token: str
    left: bool = False
    deleted: bool = False


@dataclass(frozen=True)
class JobOutage(PlainDict):
    """Outage of a job's model: the provider is down. Items wait without using up attempts.

    Attributes:
        begin_time: Beginning of the outage.
        reason: Reason of the last failed call, such as ``PROVIDER_UNREACHABLE``.
        message: Message of the last failed call with the provider's own words, on one line.
    """

    begin_time: datetime | None
    reason: str
    message: str


@dataclass(frozen=True)
class LiveEvent(PlainDict):
    """Live numbers of one worker on a job. May be dropped and is never replayed.

    Attributes:
        event_time: Time of the measurement.
        incarnation: Worker process that measured.
        in_flight_count: Items being worked on.
        items_per_second: Items finished per second, over the last second.
        tokens_per_second: Tokens per second, in and out, over the last second.
        limited_count: Items that wait for a rate limit or a cool-down.
        cooldown_seconds: Seconds until the job's model may be called again. 0: no cool-down.
        outage: Outage of the job's model as this worker knows it. None if there is none.
    """

    event_time: datetime | None
    incarnation: str
    in_flight_count: int
    items_per_second: float
    tokens_per_second: float
    limited_count: int = 0
    cooldown_seconds: float = 0.0
    outage: JobOutage | None = None


@dataclass(frozen=True)
class JobForecast(PlainDict):
    """Speed of a running job over all workers, and its expected end and cost.

    Attributes:
        items_per_second: Items that got a result per second, over the last 10 s, or longer where results are
            rare. 0: none lately, or too few measurements yet.
        tokens_per_second: Tokens per second, in and out, over the same time.
        in_flight_count: Items being worked on.
        limited_count: Items that wait for a rate limit or a cool-down.
        cooldown_seconds: Seconds until the job's model may be called again. 0: no cool-down.
        estimated_remaining: Time until every item has a result. None if it cannot be estimated: the job is
            uploading, is not running, began a moment ago, gets no results or cools down, its provider is
            down, or its budget ends first.
        estimated_cost_micros: Total cost at the end, in millionths of a US dollar. None if it cannot be
            estimated.
        outage: Outage of the job's model. None if there is none, or once it has ended.
    """

    items_per_second: float
    tokens_per_second: float
    in_flight_count: int
    limited_count: int
    cooldown_seconds: float
    estimated_remaining: timedelta | None
    estimated_cost_micros: int | None
    outage: JobOutage | None = None


@dataclass(frozen=True)
class JobEvent(PlainDict):
    """One step of a watch.

    Attributes:
        job: Newest snapshot. The previous one if only live numbers came.
        resume_token: Token that continues the watch after this event, at any gateway and in any process.
        live_events: Live numbers of workers since the last event, about once a second.
        forecast: Newest forecast of this watch, updated about once a second. None before the first one, after
            the job has ended, and from an older gateway.
    """

    job: Job
    resume_token: str
    live_events: tuple[LiveEvent, ...] = ()
    forecast: JobForecast | None = None

    @property
    def progress(self) -> Progress:
        """Item counts of the job."""
        return self.job.progress

    @property
    def state(self) -> JobState:
        """State of the job."""
        return self.job.state
