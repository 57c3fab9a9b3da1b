"""Reads the state of a whole system: live jobs, workers, and what changed since the last time."""

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from headrace._cli.rate import RateMeter
from headrace.client import Client
from headrace.resources import Job, JobState, WorkerInfo

_LIVE_STATES = tuple(state for state in JobState if not state.is_terminal and state != "UNSPECIFIED")
JOB_LIMIT = 1000


@dataclass(frozen=True)
class SystemSnapshot:
    """A tenant's live jobs and all workers at one time.

    Attributes:
        time: Time of reading.
        jobs: Live jobs, newest first, up to 1,000.
        workers: Workers seen lately, live ones first.
        items_per_second: Speed of each job by its id, over the last seconds. Jobs seen once have none.
        cost_micros_per_second: Spending of the live jobs. None at the first reading.
    """

    time: datetime
    jobs: Sequence[Job]
    workers: Sequence[WorkerInfo]
    items_per_second: dict[str, float]
    cost_micros_per_second: float | None

    @property
    def live_workers(self) -> list[WorkerInfo]:
        """Workers that count as live."""
        return [worker for worker in self.workers if worker.live]


class SystemReader:
    """Reads snapshots, and measures speeds between them.

    Args:
        client: Client of a gateway.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._meters: dict[str, RateMeter] = {}
        self._costs: dict[str, int] = {}
        self._spent = 0
        self._spending = RateMeter(window=60.0)
        self._is_first = True

    async def read(self) -> SystemSnapshot:
        """Returns a new snapshot."""
        jobs = []
        async with aclosing(self._client.list(states=_LIVE_STATES, page_size=JOB_LIMIT)) as found:
            async for job in found:
                jobs.append(job)
                if len(jobs) == JOB_LIMIT:
                    break
        workers = await self._client.workers()
        now = self._clock()
        rates = self._rates(jobs, now)
        spending = self._cost_rate(jobs, now)
        self._is_first = False
        return SystemSnapshot(datetime.now(UTC), jobs, workers, rates, spending)

    def _rates(self, jobs: Sequence[Job], now: float) -> dict[str, float]:
        meters = {job.job_id: self._meters.get(job.job_id) or RateMeter() for job in jobs}
        for job in jobs:
            meters[job.job_id].add(now, job.progress.done_count)
        known = self._meters.keys()
        self._meters = meters
        return {job_id: meter.per_second(now) or 0.0 for job_id, meter in meters.items() if job_id in known}

    def _cost_rate(self, jobs: Sequence[Job], now: float) -> float | None:
        """Adds what jobs spent between two readings. A job seen for the first time spent that before."""
        costs = {job.job_id: job.usage.cost_micros for job in jobs}
        self._spent += sum(cost - self._costs.get(job_id, cost) for job_id, cost in costs.items())
        self._costs = costs
        self._spending.add(now, self._spent)
        return None if self._is_first else self._spending.per_second(now) or 0.0
