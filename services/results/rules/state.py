"""The state of a job, from its facts."""

from typing import Protocol, cast

from headrace.jobs.v1 import jobs_pb2


class StateFacts(Protocol):
    """The facts that a state follows from."""

    @property
    def finish_time(self) -> int | None:
        """When it became terminal."""

    @property
    def stopping_to(self) -> int:
        """The terminal state it is on its way to, or 0."""

    @property
    def pause_reason(self) -> int:
        """Why it is paused, or 0."""

    @property
    def schedule_time(self) -> int | None:
        """The wanted start."""

    @property
    def waiting_parent_count(self) -> int:
        """Jobs it waits for."""

    @property
    def upload_open(self) -> bool:
        """Whether more items may come."""

    @property
    def start_time(self) -> int | None:
        """The first lease."""


def compute_state(facts: StateFacts, now: int) -> jobs_pb2.JobState:
    """Returns where a job stands at a time, in microseconds."""
    state: jobs_pb2.JobState = jobs_pb2.JOB_STATE_PENDING
    if facts.finish_time is not None:
        state = cast("jobs_pb2.JobState", facts.stopping_to or jobs_pb2.JOB_STATE_SUCCEEDED)
    elif facts.stopping_to:
        state = jobs_pb2.JOB_STATE_CANCELLING
    elif facts.pause_reason:
        state = jobs_pb2.JOB_STATE_PAUSED
    elif facts.schedule_time is not None and facts.schedule_time > now:
        state = jobs_pb2.JOB_STATE_SCHEDULED
    elif facts.waiting_parent_count > 0:
        state = jobs_pb2.JOB_STATE_BLOCKED
    elif facts.upload_open:
        state = jobs_pb2.JOB_STATE_UPLOADING
    elif facts.start_time is not None:
        state = jobs_pb2.JOB_STATE_RUNNING
    return state


LEASABLE_STATES = frozenset(
    {jobs_pb2.JOB_STATE_PENDING, jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_UPLOADING}
)


def has_failed(failed_count: int, total_count: int, max_failed_ratio: float) -> bool:
    """Returns whether more items failed than a job allows."""
    # A little more than nothing: 29 of 100 are not over 0.29, whatever binary fractions say.
    return failed_count > max_failed_ratio * total_count + 1e-6
