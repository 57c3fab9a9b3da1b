"""What clients get to see: jobs, events, results, kinds, workers. Field names are those of the protos."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from headrace.options import JobOptions

JsonValue = Any  # None, bool, int, float, str, list or dict


class JobState(StrEnum):
    """Where a job stands."""

    UNSPECIFIED = "UNSPECIFIED"
    """A state that this version of the client does not know."""
    PENDING = "PENDING"
    """Accepted; no worker has taken items of it yet."""
    RUNNING = "RUNNING"
    """A worker took items of it."""
    UPLOADING = "UPLOADING"
    """Its upload is still open; items already stored are worked on meanwhile."""
    BLOCKED = "BLOCKED"
    """Waits for other jobs to end."""
    SCHEDULED = "SCHEDULED"
    """Waits for its schedule_time."""
    PAUSED = "PAUSED"
    """Nothing new is started."""
    CANCELLING = "CANCELLING"
    """Is being ended; a worker still holds some of its items."""
    SUCCEEDED = "SUCCEEDED"
    """Terminal: every item has a result, and not too many failed."""
    FAILED = "FAILED"
    """Terminal: too many items failed, or a fatal provider error."""
    CANCELLED = "CANCELLED"
    """Terminal: cancelled by its owner."""
    EXPIRED = "EXPIRED"
    """Terminal: its deadline passed, or its upload was not finished; see ``error``."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self in _TERMINAL_STATES


_TERMINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})


class JobClass(StrEnum):
    """The queue a job goes through."""

    UNSPECIFIED = "UNSPECIFIED"
    """Not chosen: taken as DEFAULT."""
    INTERACTIVE = "INTERACTIVE"
    """Somebody waits for it."""
    DEFAULT = "DEFAULT"
    """The usual class."""
    BULK = "BULK"
    """May wait; gets what the others leave."""


class PauseReason(StrEnum):
    """Why a job is PAUSED."""

    UNSPECIFIED = "UNSPECIFIED"
    """It is not paused."""
    USER = "USER"
    """Its owner paused it."""
    BUDGET = "BUDGET"
    """Its budget is spent."""


class ItemState(StrEnum):
    """How an item ended."""

    UNSPECIFIED = "UNSPECIFIED"
    """A state that this version of the client does not know."""
    SUCCEEDED = "SUCCEEDED"
    """It has an output."""
    FAILED = "FAILED"
    """It has an error."""


@dataclass(frozen=True)
class Progress:
    """Counts of a job's items; total = succeeded + failed + cancelled once the job is terminal."""

    total_count: int = 0
    succeeded_count: int = 0
    failed_count: int = 0
    cancelled_count: int = 0

    @property
    def done_count(self) -> int:
        """Items that have a result."""
        return self.succeeded_count + self.failed_count


@dataclass(frozen=True)
class Usage:
    """What calls to the provider have used; cost in millionths of a US dollar, 0 where no price is known."""

    call_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int = 0


@dataclass(frozen=True)
class Failure:
    """Why an item or a job failed: reason is UPPER_SNAKE_CASE for programs, message is for people."""

    reason: str
    message: str


@dataclass(frozen=True)
class Job:
    """A snapshot of a job. Of two snapshots of a job the one with the greater seq is the newer."""

    job_id: str
    kind: str
    state: JobState
    job_class: JobClass
    create_time: datetime | None
    schedule_time: datetime | None
    start_time: datetime | None
    finish_time: datetime | None
    progress: Progress
    usage: Usage
    error: Failure | None
    pause_reason: PauseReason
    seq: int
    tenant: str
    expire_time: datetime | None = None
    """When it ends as EXPIRED if it has not ended before; None: it has all the time."""
    budget_micros: int | None = None
    """Most that it may cost, in millionths of a US dollar; None: no limit."""
    options: JobOptions = field(default_factory=JobOptions, hash=False)
    """Options that are set, with their present values."""


@dataclass(frozen=True)
class JobEstimate:
    """What a job would take, as far as it can be known before: each call once, though some are made again.

    Attributes:
        call_count: Calls to the provider.
        input_tokens: Tokens of their chats, guessed from the lengths of their texts.
        output_tokens: Tokens of their answers: as many as the kind expects, or allows.
        cost_micros: Price of these, in millionths of a US dollar; None: the price of a model is not known, or
            the kind does not say which calls it makes.
    """

    call_count: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None


@dataclass(frozen=True)
class FailedAttempt:
    """An attempt of an item that failed: which one it was, from 1, and why."""

    attempt_number: int
    error: Failure


@dataclass(frozen=True)
class LiveEvent:
    """A live number of a running job; may be dropped, is never replayed. Rates are of the last second."""

    event_time: datetime | None
    incarnation: str
    in_flight_count: int
    items_per_second: float
    tokens_per_second: float
    limited_count: int = 0
    cooldown_seconds: float = 0.0


@dataclass(frozen=True)
class JobForecast:
    """How fast a running job moves, over all workers, and what is likely to come.

    Attributes:
        items_per_second: Items that got a result, over the last 10 s, or longer where results are rare; 0:
            none came lately, or too little was seen yet.
        tokens_per_second: Tokens, in and out, over the same time.
        in_flight_count: Items being worked on.
        limited_count: Items that wait for a rate limit or a cool-down.
        cooldown_seconds: How long the job's model is still left alone; 0: it is not.
        estimated_remaining: How long until every item has a result; None where nobody can tell: the job is
            uploaded, does not run, began a moment ago, gets no results, cools down, or its budget ends first.
        estimated_cost_micros: What the job will have cost in the end, in millionths of a US dollar; None
            where nobody can tell.
    """

    items_per_second: float
    tokens_per_second: float
    in_flight_count: int
    limited_count: int
    cooldown_seconds: float
    estimated_remaining: timedelta | None
    estimated_cost_micros: int | None


@dataclass(frozen=True)
class JobEvent:
    """One step of a watch.

    Attributes:
        job: The newest snapshot; that of the event before where only live numbers came.
        resume_token: Continues the watch after this event, at any gateway and in any process.
        live_events: Numbers that workers took since the last event, about once a second.
        forecast: How fast the job moves and when it is likely to end: the newest of this watch, taken about
            once a second; None before the first, once the job has ended, and from an older gateway.
    """

    job: Job
    resume_token: str
    live_events: tuple[LiveEvent, ...] = ()
    forecast: JobForecast | None = None

    @property
    def progress(self) -> Progress:
        """Counts of the job's items."""
        return self.job.progress

    @property
    def state(self) -> JobState:
        """Where the job stands."""
        return self.job.state


@dataclass(frozen=True)
class Result:
    """The result of one item.

    Attributes:
        item_index: The item's place in the submitted list, from 0.
        state: SUCCEEDED or FAILED.
        output: The output's JSON value; None unless SUCCEEDED.
        error: Why it failed; None unless FAILED.
        attempt_count: Attempts made; 1 when the first was enough.
        usage: What all its attempts together have used.
        finish_time: When it was recorded.
        output_text: The output's JSON text, exactly as the kind produced it; empty unless SUCCEEDED.
        failed_attempts: Those of its attempts that failed, by rising number: of more than ten the last ten. The
            last one of a FAILED item is the one that failed it for good.
    """

    item_index: int
    state: ItemState
    output: JsonValue
    error: Failure | None
    attempt_count: int
    usage: Usage
    finish_time: datetime | None
    output_text: str = field(default="", repr=False)
    failed_attempts: tuple[FailedAttempt, ...] = ()


@dataclass(frozen=True)
class KindInfo:
    """A kind of work that jobs can name; params_schema is a JSON Schema (draft 2020-12) of its params."""

    name: str
    description: str
    params_schema: JsonValue


@dataclass(frozen=True)
class WorkerInfo:
    """One start of a worker process, as its last heartbeat told.

    Attributes:
        in_flight_count: Items being worked on.
        in_flight_limit: So many at most.
        leased_item_count: Items under lease and unfinished, those in flight included.
        limits_degraded: Redis cannot be asked, so it takes its part of each rate limit, as one of the live
            workers.
        items_per_second: Items that it finished, over 10 s; 0 from a worker of an older release.
        tokens_per_second: Tokens, in and out, of the attempts that it ended, over the same time.
        limited_count: Items that wait on it for a rate limit or a cool-down.
        cooldown_seconds: How long a model is still left alone, the longest; 0: none is.
    """

    incarnation: str
    address: str
    start_time: datetime | None
    heartbeat_time: datetime | None
    live: bool
    in_flight_count: int
    in_flight_limit: int
    leased_item_count: int
    limits_degraded: bool = False
    items_per_second: float = 0.0
    tokens_per_second: float = 0.0
    limited_count: int = 0
    cooldown_seconds: float = 0.0
