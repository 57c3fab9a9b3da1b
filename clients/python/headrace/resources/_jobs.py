"""Jobs: snapshots, states, counts and costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from headrace.options import JobOptions
from headrace.resources._plain_dicts import PlainDict

if TYPE_CHECKING:
    from headrace.resources._results import FailureGroup


class JobState(StrEnum):
    """State of a job."""

    UNSPECIFIED = "UNSPECIFIED"
    """A state that this version of the client does not know."""
    PENDING = "PENDING"
    """Accepted. No worker has leased items of it yet."""
    RUNNING = "RUNNING"
    """A worker has leased items of it."""
    UPLOADING = "UPLOADING"
    """Its upload is open. Stored items are already worked on."""
    BLOCKED = "BLOCKED"
    """Waits for other jobs to end."""
    SCHEDULED = "SCHEDULED"
    """Waits for its schedule_time."""
    PAUSED = "PAUSED"
    """No new calls start."""
    CANCELLING = "CANCELLING"
    """Being stopped. A worker still holds some of its items."""
    SUCCEEDED = "SUCCEEDED"
    """Terminal: every item has a result, and few enough failed."""
    FAILED = "FAILED"
    """Terminal: too many items failed, or the provider failed fatally."""
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
    """Queue of a job."""

    UNSPECIFIED = "UNSPECIFIED"
    """Not chosen: the same as DEFAULT."""
    INTERACTIVE = "INTERACTIVE"
    """For jobs that somebody waits for."""
    DEFAULT = "DEFAULT"
    """For most jobs."""
    BULK = "BULK"
    """For jobs that can wait: runs on the capacity that the other classes leave."""


class PauseReason(StrEnum):
    """Reason why a job is PAUSED."""

    UNSPECIFIED = "UNSPECIFIED"
    """The job is not paused."""
    USER = "USER"
    """Its owner paused it."""
    BUDGET = "BUDGET"
    """Its budget is spent."""
    OUTAGE = "OUTAGE"
    """Its model has been down for long; see ``error``. Resuming tries again."""
    REFUSALS = "REFUSALS"
    """The provider refused its first 20 items, all in the same way; see ``error`` and ``Client.failures``.
    Resuming runs the other items."""
    FAILURES = "FAILURES"
    """Too many items failed while more may be added, or while its trial ran; see ``Client.failures``."""
    TRIAL = "TRIAL"
    """Its trial is over; see ``Job.trial``. Resuming runs the other items."""


@dataclass(frozen=True)
class Progress(PlainDict):
    """Item counts of a job. Once it is terminal, total = succeeded + failed + cancelled."""

    total_count: int = 0
    succeeded_count: int = 0
    failed_count: int = 0
    cancelled_count: int = 0

    @property
    def done_count(self) -> int:
        """Items with a result."""
        return self.succeeded_count + self.failed_count


@dataclass(frozen=True)
class Usage(PlainDict):
    """Usage of the provider. The cost is in millionths of a US dollar, 0 if no price is known.

    Attributes:
        answered_models: Models that answered calls for another model, at most 4, by the provider's names.
    """

    call_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int = 0
    answered_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure(PlainDict):
    """Reason why an item or a job failed.

    Attributes:
        reason: Stable name in UPPER_SNAKE_CASE, for programs.
        message: Text for people.
        detail: The provider's own words, up to 500 characters. Empty if there are none.
    """

    reason: str
    message: str
    detail: str = ""


@dataclass(frozen=True)
class JobTrial(PlainDict):
    """Forecast of a job's cost from its trial, in millionths of a US dollar.

    Attributes:
        item_count: Items that ran.
        estimated_cost_micros: Mean cost of these items times all items. None if the price is not known, or
            the upload is still open.
        low_cost_micros: Lower end of its 95 % bootstrap interval.
        high_cost_micros: Upper end of its 95 % bootstrap interval.
    """

    item_count: int
    estimated_cost_micros: int | None = None
    low_cost_micros: int | None = None
    high_cost_micros: int | None = None


@dataclass(frozen=True)
class Job(PlainDict):
    """A snapshot of a job. Of two snapshots of one job, the one with the greater seq is newer.

    Attributes:
        job_id: UUID of the job.
        kind: Name of its kind of work.
        state: Current state.
        job_class: Class it is queued in.
        create_time: Time of its submission.
        schedule_time: Requested earliest start. None: at once.
        start_time: Time of the first lease of its items. None before.
        finish_time: Time at which it became terminal. None before.
        progress: Item counts.
        usage: Usage of the provider over all rounds, including attempts of items without a result.
        error: Reason why it FAILED or EXPIRED. If it is PAUSED, the provider's last fault for an OUTAGE, the
            refusal for REFUSALS, and TOO_MANY_FAILED_ITEMS for FAILURES. None otherwise.
        pause_reason: Reason why it is PAUSED. UNSPECIFIED otherwise.
        seq: Number that grows with every change of state, counts or usage, from 1.
        tenant: Owner of the job.
        expire_time: Time at which it will end as EXPIRED. None: no deadline.
        budget_micros: Most that it may cost, in millionths of a US dollar. None: no limit.
        options: Job options that are set, with their current values.
        name: Name for people. Empty if it has none.
        labels: Its labels.
        change_seq: Number that grows with every change of state, pause, name, labels or options, but not with
            results. ``Client.update`` compares it.
        trial: Forecast of its cost. Set while it is PAUSED for TRIAL.
        purge_time: Time at which it is deleted. None: it has not ended, or is kept for ever.
    """

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
    budget_micros: int | None = None
    options: JobOptions = field(default_factory=JobOptions, hash=False)
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    change_seq: int = 0
    trial: JobTrial | None = None
    purge_time: datetime | None = None


@dataclass(frozen=True)
class JobEstimate(PlainDict):
    """Estimated usage of a job before it is submitted. Counts each call once; retries come on top.

    Attributes:
        call_count: Calls to the provider.
        input_tokens: Tokens of the requests, estimated from the lengths of their texts.
        output_tokens: Tokens of the answers: the number that the kind expects or allows.
        cost_micros: Price in millionths of a US dollar. None if the price of a model is unknown, or the kind
            cannot estimate its calls.
        failing_item_count: Items that will fail before their first call, such as those that lack a field of
            the template. They count as no calls.
        failing_groups: The same items by reason, largest group first.
    """

    call_count: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    failing_item_count: int = 0
    failing_groups: "tuple[FailureGroup, ...]" = ()
