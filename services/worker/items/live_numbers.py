"""Numbers of running jobs that are shown live and never stored."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.stubs.worker.v1 import worker_pb2
from services.worker.calls.outages import Outage
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.leased_work import LeasedJob, LeasedWork

# Heartbeats report rates over this many seconds.
RATE_SECONDS = 10.0


class ModelWaits(Protocol):
    """Waits that keep items of a job from starting or from making calls."""

    @property
    def longest_cooldown_seconds(self) -> float:
        """Longest remaining cool-down of a model, in seconds; 0.0: no model cools down."""

    def limited_count_of(self, job_id: str) -> int:
        """Returns the number of a job's calls waiting for a rate limit or for a slot of their tenant."""

    def cooldown_seconds(self, spec: results_pb2.JobSpec) -> float:
        """Returns the remaining cool-down of a job's model, in seconds; 0.0: it does not cool down."""

    def wait_seconds(self, spec: results_pb2.JobSpec) -> float:
        """Returns the seconds during which no item of a job should start; 0.0: one may start now."""

    def claim_probe(self, spec: results_pb2.JobSpec) -> None:
        """Notes that an item of a job starts: in an outage of its model no other one does."""

    def outage(self, spec: results_pb2.JobSpec) -> Outage | None:
        """Returns the outage of a job's model. None if there is none."""

    def lasting_outage(self, spec: results_pb2.JobSpec) -> Outage | None:
        """Returns the outage of a job's model if the job is to be paused for it."""


@dataclass
class _Numbers:
    in_flight_count: int = 0
    finished_count: int = 0
    token_count: int = 0


class _Totals(NamedTuple):
    """Totals of all jobs since this worker started, at one time."""

    time: float
    finished_count: int
    token_count: int


class LiveNumbers:
    """Counts the attempts of each job between two readings.

    Args:
        leased: The leased work.
        waits: Rate limits and cool-downs that make items wait.
        also_waiting: Returns whether items of a job wait for something else.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        leased: LeasedWork,
        waits: ModelWaits,
        also_waiting: Callable[[results_pb2.JobSpec], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leased = leased
        self._waits = waits
        self._also_waiting = also_waiting
        self._clock = clock
        self._jobs: dict[str, _Numbers] = {}
        self._finished_count = self._token_count = 0
        self._beats: list[_Totals] = []

    def started(self, job_id: str) -> None:
        """Counts the start of an attempt."""
        self._jobs.setdefault(job_id, _Numbers()).in_flight_count += 1

    def ended(self, job_id: str, outcome: ItemOutcome | None, before: jobs_pb2.Usage) -> None:
        """Counts the end of an attempt.

        Args:
            job_id: The job.
            outcome: None if the attempt was cancelled or lost.
            before: Usage of the item before this attempt.
        """
        numbers = self._jobs.setdefault(job_id, _Numbers(in_flight_count=1))
        numbers.in_flight_count -= 1
        if outcome is None:
            return
        is_finished = outcome.retry_delay is None
        tokens = outcome.usage.input_tokens - before.input_tokens
        tokens += outcome.usage.output_tokens - before.output_tokens
        numbers.finished_count += is_finished
        numbers.token_count += tokens
        self._finished_count += is_finished
        self._token_count += tokens

    def read(self, incarnation: str, seconds: float) -> list[worker_pb2.JobLiveEvent]:
        """Returns an event for each job that had attempts since the last reading or that waits.

        Counting starts again from zero.

        Args:
            incarnation: Incarnation of this worker.
            seconds: Time since the last reading.
        """
        waiting = self._waiting_jobs()
        for job_id in waiting:
            self._jobs.setdefault(job_id, _Numbers())
        common = jobs_pb2.LiveEvent(incarnation=incarnation)
        common.event_time.GetCurrentTime()
        events = []
        for job_id, numbers in self._jobs.items():
            event = worker_pb2.JobLiveEvent(job_id=job_id, live_event=common)
            self._fill(event.live_event, job_id, numbers, seconds)
            if job_id in waiting:
                self._fill_outage(event.live_event, waiting[job_id].spec)
                event.live_event.limited_count += _unstarted_count(waiting[job_id], numbers)
                event.live_event.cooldown_seconds = self._waits.cooldown_seconds(waiting[job_id].spec)
            events.append(event)
        self._jobs = {
            job_id: _Numbers(numbers.in_flight_count)
            for job_id, numbers in self._jobs.items()
            if numbers.in_flight_count
        }
        return events

    def fill(self, request: results_pb2.HeartbeatRequest) -> None:
        """Sets the totals of all jobs in a heartbeat; rates are those of the last ten seconds."""
        limited_count = in_flight_count = 0
        for job_id, numbers in self._jobs.items():
            limited_count += self._limited_count(job_id, numbers)
            in_flight_count += numbers.in_flight_count
        request.in_flight_count = in_flight_count - limited_count
        for job_id, job in self._waiting_jobs().items():
            limited_count += _unstarted_count(job, self._jobs.get(job_id, _Numbers()))
        request.limited_count = limited_count
        request.cooldown_seconds = self._waits.longest_cooldown_seconds
        request.items_per_second, request.tokens_per_second = self._rates_since_earlier_beats()

    def _rates_since_earlier_beats(self) -> tuple[float, float]:
        now = _Totals(self._clock(), self._finished_count, self._token_count)
        recent = [beat for beat in self._beats if now.time - beat.time <= RATE_SECONDS]
        base = (recent or self._beats[-1:] or [now])[0]
        self._beats = [*recent, now]
        seconds = now.time - base.time
        if seconds <= 0:
            return 0.0, 0.0
        finished_count = now.finished_count - base.finished_count
        return finished_count / seconds, (now.token_count - base.token_count) / seconds

    def _fill(self, event: jobs_pb2.LiveEvent, job_id: str, numbers: _Numbers, seconds: float) -> None:
        event.limited_count = self._limited_count(job_id, numbers)
        event.in_flight_count = numbers.in_flight_count - event.limited_count
        event.items_per_second = numbers.finished_count / seconds
        event.tokens_per_second = numbers.token_count / seconds

    def _limited_count(self, job_id: str, numbers: _Numbers) -> int:
        """Returns the items in flight that wait for a rate limit.

        It is an upper bound: an item counts once per waiting call, up to the number in flight.
        """
        return min(self._waits.limited_count_of(job_id), numbers.in_flight_count)

    def _waiting_jobs(self) -> dict[str, LeasedJob]:
        """Returns the leased jobs that should start nothing now."""
        return {
            job_id: job
            for job_id, job in self._leased.jobs.items()
            if not job.stopped and self._is_waiting(job.spec)
        }

    def _is_waiting(self, spec: results_pb2.JobSpec) -> bool:
        is_held_up = self._waits.wait_seconds(spec) > 0 or self._waits.outage(spec) is not None
        return is_held_up or self._also_waiting(spec)

    def _fill_outage(self, event: jobs_pb2.LiveEvent, spec: results_pb2.JobSpec) -> None:
        outage = self._waits.outage(spec)
        if outage is not None:
            age = self._clock() - outage.begin
            event.outage.begin_time.FromSeconds(round(event.event_time.ToMilliseconds() / 1000 - age))
            event.outage.reason, event.outage.message = outage.reason, outage.message


def _unstarted_count(job: LeasedJob, numbers: _Numbers) -> int:
    return max(0, job.unfinished_count - numbers.in_flight_count)
