"""The hub of watched jobs: receives each snapshot once and hands it to every watcher."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from headrace.errors import HeadraceError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.stopping import gateway_stopping
from services.gateway.watching.recent_jobs import RecentJobs
from services.gateway.watching.topic import Topic
from services.shared.job_errors import job_not_found
from services.stubs.results.v1 import results_pb2

# Interval at which overdue live numbers are looked for, in seconds.
LIVE_CHECK_SECONDS = 0.25
# A watched job not seen for this time, in seconds, may have been purged: it is re-read whatever its seq.
UNSEEN_SECONDS = 30.0
# Maximum unseen jobs in one call.
MAX_UNSEEN_JOBS = 200


class Watcher:
    """One watch of one job; its mailbox is the topic, which keeps the newest messages for all watchers.

    Attributes:
        seen_seq: Only snapshots with a greater seq are returned.
    """

    def __init__(self, topic: Topic, after_seq: int) -> None:
        self._topic = topic
        self.seen_seq = after_seq
        self._seen_live = topic.live_number
        self._changed = asyncio.Event()
        self._error: HeadraceError | None = None

    async def next(self) -> gateway_pb2.WatchJobResponse:
        """Waits for the next message and returns the newest one: a snapshot, live numbers, or both.

        Watchers that have seen the same get the same message object. Callers must not change it.

        Raises:
            UnavailableError: GATEWAY_STOPPING: watch at another gateway.
            NotFoundError: The job was purged.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            self.check()
            response = self._unread()
            if response is not None:
                return response

    def check(self) -> None:
        """Returns while the gateway runs and the job exists.

        Raises:
            UnavailableError: GATEWAY_STOPPING: watch at another gateway.
            NotFoundError: The job was purged.
        """
        if self._error is not None:
            raise self._error

    def wake(self) -> None:
        """Makes ``next`` look for a new message; for the hub."""
        self._changed.set()

    def end(self, error: HeadraceError) -> None:
        """Makes ``next`` and ``check`` raise an error from now on; for the hub."""
        self._error = error
        self._changed.set()

    def _unread(self) -> gateway_pb2.WatchJobResponse | None:
        response = self._topic.unread_after(self.seen_seq, self._seen_live)
        self._seen_live = self._topic.live_number
        if response is not None and response.HasField("job"):
            self.seen_seq = response.job.seq
        return response


class Hub:
    """The watched jobs of this gateway. Snapshots of other jobs are dropped, except for recent jobs.

    Build and call it on the event loop. Every method except notify_live_numbers returns at once.

    Attributes:
        recent: Jobs created here a moment ago, which are likely to be watched next.
    """

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._watchers: dict[str, set[Watcher]] = {}
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._listeners: dict[str, Callable[[jobs_pb2.Job], None]] = {}
        self.recent = RecentJobs(self._loop.time)

    @property
    def watched_job_count(self) -> int:
        """Number of jobs that have watchers."""
        return len(self._topics)

    @contextmanager
    def watch(self, job_id: str, after_seq: int) -> Iterator[Watcher]:
        """Yields a watcher of the snapshots with a greater seq; removes it from the hub at the end."""
        topic = self._topics.setdefault(job_id, Topic(job_id, self._loop.time()))
        watchers = self._watchers.setdefault(job_id, set())
        watcher = Watcher(topic, after_seq)
        if self._closed:
            watcher.end(gateway_stopping())
        elif topic.seq > after_seq:
            watcher.wake()
        watchers.add(watcher)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if not watchers:
                del self._topics[job_id], self._watchers[job_id]

    @contextmanager
    def listen(self, tenant: str, put_job: Callable[[jobs_pb2.Job], None]) -> Iterator[None]:
        """Hands every snapshot of a tenant's jobs to a listener. A tenant has one: the last."""
        self._listeners[tenant] = put_job
        try:
            yield
        finally:
            if self._listeners.get(tenant) == put_job:
                del self._listeners[tenant]

    def put_jobs(self, jobs: Iterable[jobs_pb2.Job]) -> None:
        """Adds snapshots; ignores those that are not newer than the newest known one."""
        for job in jobs:
            self.recent.update(job)
            if self._listeners and (put_job := self._listeners.get(job.tenant)):
                put_job(job)
            topic = self._topics.get(job.job_id)
            if topic is None:
                continue
            topic.updated_at = topic.seen_at = self._loop.time()
            if job.seq > topic.seq:
                topic.put_job(job, self._loop.time())
                self._wake(job.job_id)

    def put_live_event(self, job_id: str, live_event: jobs_pb2.LiveEvent) -> None:
        """Adds a live event of a job; it goes out with the next live numbers."""
        topic = self._topics.get(job_id)
        if topic is not None:
            topic.put_live_event(live_event, self._loop.time())

    async def notify_live_numbers(self) -> None:
        """Sends live numbers that no snapshot has taken along, until cancelled."""
        while True:
            await asyncio.sleep(LIVE_CHECK_SECONDS)
            self.check_live_numbers()

    def check_live_numbers(self) -> None:
        """Sends the live numbers that are overdue."""
        now = self._loop.time()
        for job_id, topic in self._topics.items():
            if topic.renew_overdue_live_numbers(now):
                self._wake(job_id)

    def take_quiet_jobs(self, quiet_seconds: float) -> list[results_pb2.KnownJob]:
        """Returns the watched jobs that got no snapshot for this time, and restarts their time.

        If there is one, jobs that have been quiet for half the time are returned too. All jobs soon fall
        quiet together that way, and are read in one call.
        """
        now = self._loop.time()
        if all(now - topic.updated_at < quiet_seconds for topic in self._topics.values()):
            return []
        quiet, unseen_count = [], 0
        for job_id, topic in self._topics.items():
            if now - topic.updated_at >= quiet_seconds / 2:
                topic.updated_at = now
                is_unseen = now - topic.seen_at >= UNSEEN_SECONDS and unseen_count < MAX_UNSEEN_JOBS
                unseen_count += is_unseen
                quiet.append(results_pb2.KnownJob(job_id=job_id, known_seq=0 if is_unseen else topic.seq))
        return quiet

    def put_read_jobs(self, known: Iterable[results_pb2.KnownJob], found: Collection[jobs_pb2.Job]) -> None:
        """Adds the snapshots read from the store, and ends the watches of purged jobs.

        Args:
            known: Jobs in the request. A job with known_seq 0 that was not found has been purged.
            found: Snapshots in the response.
        """
        self.put_jobs(found)
        found_ids = {job.job_id for job in found}
        for job in known:
            if not job.known_seq and job.job_id not in found_ids:
                for watcher in self._watchers.get(job.job_id, ()):
                    watcher.end(job_not_found(job.job_id))

    def close(self) -> None:
        """Ends every watch, now and later, with GATEWAY_STOPPING."""
        self._closed = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end(gateway_stopping())

    def _wake(self, job_id: str) -> None:
        for watcher in self._watchers[job_id]:
            watcher.wake()
