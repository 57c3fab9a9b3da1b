"""Measures how fast a job's results arrive, from its snapshots, and how long the remaining items take."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from headrace.jobs.v1 import jobs_pb2

# Length of the measured window. It grows until it has enough results.
WINDOW_SECONDS = 10.0
# Minimum results, and minimum time, for an estimate.
MIN_RESULTS = 5
SETTLED_SECONDS = 2.0
# A job counts as stalled after this time without results, or 1.5 times the longest gap if that is longer.
STALL_SECONDS = 5.0
_STALL_GAPS = 1.5
# A longer estimate says nothing useful and is dropped.
MAX_REMAINING_SECONDS = 366 * 86_400.0
# If the start was not seen, it is unknown how long the first results took. Then more results are needed.
_UNSURE_FACTOR = 1.25
# Snapshots closer together become one sample. Above the maximum, every second sample is dropped.
_SAMPLE_SECONDS = 0.25
_MAX_SAMPLES = 120
# An older start_time belongs to an earlier round, or to another clock.
_RECENT_START_SECONDS = 60.0
_WORKING = frozenset({jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_UPLOADING})


class _Sample(NamedTuple):
    """Counts at a time when they changed, so that results arriving in waves have a throughput too."""

    time: float
    done_count: int
    token_count: int


class Throughput:
    """Samples of a job's counts over the measured window.

    Args:
        wall_clock: Wall-clock time in seconds, to compare with the job's start_time.
    """

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._samples: list[_Sample] = []
        self._base_is_sure = False
        self._job = jobs_pb2.Job()
        self._first = jobs_pb2.Job()  # costs are counted from this snapshot

    def put(self, job: jobs_pb2.Job, now: float) -> None:
        """Adds a snapshot that is newer than the one before, at a monotonic time in seconds."""
        known, self._job = self._job, job
        if not known.seq or done_count(job) < done_count(known):  # a retry reset the failed items
            self._first = job
            self._begin(job, now)
        elif known.state not in _WORKING:
            self._samples = [_sample(known, now)] if job.state in _WORKING else []
            self._base_is_sure = True
        if job.state in _WORKING and done_count(job) > done_count(known) and known.seq:
            self._add(_sample(job, now))

    def rates(self, now: float, in_flight_count: int) -> tuple[float, float]:
        """Returns items and tokens per second; 0 if there are too few samples or the job is stalled."""
        self._trim(now, in_flight_count)
        if len(self._samples) < 2 or self._is_stalled(now):
            return 0.0, 0.0
        base, last = self._samples[0], self._samples[-1]
        seconds = max(now - base.time, 1.0)
        return (last.done_count - base.done_count) / seconds, (last.token_count - base.token_count) / seconds

    def remaining_seconds(self, now: float, in_flight_count: int) -> float | None:
        """Returns the estimated time until every item has a result, above 0; None if unknown."""
        self._trim(now, in_flight_count)
        if self._job.state != jobs_pb2.JOB_STATE_RUNNING or not self._is_settled(in_flight_count):
            return None
        if self._is_stalled(now):
            return None
        base, last = self._samples[0], self._samples[-1]
        per_second = (last.done_count - base.done_count) / (last.time - base.time)
        remaining = (self._job.progress.total_count - last.done_count) / per_second - (now - last.time)
        return remaining if 0 < remaining <= MAX_REMAINING_SECONDS else None

    def final_cost_micros(self, in_flight_count: int) -> int | None:
        """Returns the estimated cost of the whole job, in millionths of a US dollar; None if unknown."""
        job, first = self._job, self._first
        done = done_count(job) - done_count(first)
        if not job.usage.cost_micros or job.state == jobs_pb2.JOB_STATE_UPLOADING:
            return None
        if done < _enough(in_flight_count):
            return None
        per_item = (job.usage.cost_micros - first.usage.cost_micros) / done
        unfinished_count = job.progress.total_count - done_count(job)
        return job.usage.cost_micros + round(unfinished_count * per_item)

    def _begin(self, job: jobs_pb2.Job, now: float) -> None:
        """Starts the samples when the work started if that is known, else at the next change."""
        self._samples = []
        self._base_is_sure = job.state in _WORKING and not done_count(job)
        if self._base_is_sure:
            age = self._wall_clock() - job.start_time.ToMicroseconds() / 1e6
            start = now - (age if 0 < age < _RECENT_START_SECONDS else 0.0)
            self._samples = [_sample(job, start)]

    def _add(self, sample: _Sample) -> None:
        samples = self._samples
        if len(samples) > 1 and sample.time - samples[-2].time < _SAMPLE_SECONDS:
            samples.pop()
        samples.append(sample)
        if len(samples) > _MAX_SAMPLES:
            del samples[1:-1:2]

    def _trim(self, now: float, in_flight_count: int) -> None:
        """Drops samples before the measured window."""
        samples, enough = self._samples, _enough(in_flight_count)
        while (
            len(samples) > 2
            and samples[1].time <= now - WINDOW_SECONDS
            and samples[-1].done_count - samples[1].done_count >= enough
        ):
            del samples[0]
            self._base_is_sure = True

    def _is_settled(self, in_flight_count: int) -> bool:
        """Returns whether every slot has produced a result, including the slow ones."""
        if len(self._samples) < 2:
            return False
        base, last = self._samples[0], self._samples[-1]
        enough = _enough(in_flight_count) * (1.0 if self._base_is_sure else _UNSURE_FACTOR)
        is_long = last.time - base.time >= SETTLED_SECONDS
        return is_long and last.done_count - base.done_count >= enough

    def _is_stalled(self, now: float) -> bool:
        times = [sample.time for sample in self._samples]
        longest = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
        return now - times[-1] > max(STALL_SECONDS, _STALL_GAPS * longest)


def done_count(job: jobs_pb2.Job) -> int:
    """Returns the number of items that have a result."""
    return job.progress.succeeded_count + job.progress.failed_count


def _enough(in_flight_count: int) -> int:
    return max(MIN_RESULTS, in_flight_count)


def _sample(job: jobs_pb2.Job, now: float) -> _Sample:
    return _Sample(now, done_count(job), job.usage.input_tokens + job.usage.output_tokens)
