"""Passes snapshots and live events of jobs on to every listening gateway."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.shared.job_states import TERMINAL_STATES
from services.stubs.worker.v1 import worker_pb2

# Snapshots of a job within this time are merged, in seconds.
MERGE_SECONDS = 0.1
# Snapshots kept for a gateway that does not read. Beyond this its stream ends: it starts a new one and reads
# the jobs it watches from results.
JOB_LIMIT = 10_000
# Live events kept for a gateway that does not read; older ones are dropped.
LIVE_EVENT_LIMIT = 1_000


class _Subscriber:
    """Snapshots and live events that one gateway has not been sent yet."""

    def __init__(self) -> None:
        self.jobs: dict[str, jobs_pb2.Job] = {}
        self.live_events: list[worker_pb2.JobLiveEvent] = []
        self.urgent = False
        self.too_slow = False
        self.changed = asyncio.Event()

    def put(self, job: jobs_pb2.Job, urgent: bool) -> None:
        known = self.jobs.get(job.job_id)
        if known is None or known.seq < job.seq:
            self.jobs[job.job_id] = job
        if self.too_slow or len(self.jobs) > JOB_LIMIT:
            self.too_slow, self.jobs = True, {}
        self.urgent = self.urgent or urgent
        self.changed.set()

    def take(self, incarnation: str) -> worker_pb2.StreamProgressResponse:
        response = worker_pb2.StreamProgressResponse(
            incarnation=incarnation, jobs=self.jobs.values(), live_events=self.live_events
        )
        self.jobs, self.live_events, self.urgent = {}, [], False
        self.changed.clear()
        return response


class ProgressHub:
    """Passes snapshots and live events to all subscribers, merged.

    Args:
        incarnation: Incarnation of this worker.
    """

    def __init__(self, incarnation: str) -> None:
        self._incarnation = incarnation
        self._subscribers: set[_Subscriber] = set()
        self._states: dict[str, jobs_pb2.JobState] = {}
        self._closed = False

    def put_jobs(self, jobs: Iterable[jobs_pb2.Job]) -> None:
        """Adds snapshots; a change of state is sent at once."""
        for job in jobs:
            urgent = self._states.get(job.job_id) != job.state
            if job.state in TERMINAL_STATES:
                self._states.pop(job.job_id, None)
            else:
                self._states[job.job_id] = job.state
            for subscriber in self._subscribers:
                subscriber.put(job, urgent)

    def put_live_events(self, live_events: Iterable[worker_pb2.JobLiveEvent]) -> None:
        """Adds live events; they are sent with the next message."""
        events = list(live_events)
        for subscriber in self._subscribers if events else ():
            subscriber.live_events = [*subscriber.live_events, *events][-LIVE_EVENT_LIMIT:]
            subscriber.changed.set()

    def keep_only(self, leased_job_ids: Iterable[str]) -> None:
        """Forgets the states of jobs that are no longer leased."""
        leased = set(leased_job_ids)
        self._states = {job_id: state for job_id, state in self._states.items() if job_id in leased}

    def close(self) -> None:
        """Ends all streams."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.changed.set()

    async def subscribe(self) -> AsyncIterator[worker_pb2.StreamProgressResponse]:
        """Yields merged changes: an empty message at once, then the first change after each pause at once.

        Raises:
            UnavailableError: The hub was closed, or the reader fell too far behind.
        """
        subscriber = _Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield worker_pb2.StreamProgressResponse(incarnation=self._incarnation)
            loop = asyncio.get_running_loop()
            sent_time = float("-inf")
            while True:
                await subscriber.changed.wait()
                await self._merge(subscriber, sent_time + MERGE_SECONDS)
                if subscriber.too_slow:
                    raise UnavailableError(
                        "the reader is too slow; open a new stream", reason=ErrorReason.READER_TOO_SLOW
                    )
                if self._closed and not subscriber.jobs:
                    raise UnavailableError("the worker is stopping", reason=ErrorReason.WORKER_STOPPING)
                sent_time = loop.time()
                yield subscriber.take(self._incarnation)
                if self._closed:
                    subscriber.changed.set()
        finally:
            self._subscribers.discard(subscriber)

    async def _merge(self, subscriber: _Subscriber, until: float) -> None:
        loop = asyncio.get_running_loop()
        while not (subscriber.urgent or self._closed) and (left := until - loop.time()) > 0:
            subscriber.changed.clear()
            try:
                await asyncio.wait_for(subscriber.changed.wait(), left)
            except TimeoutError:
                return
