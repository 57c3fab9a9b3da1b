"""Who watches which job: news come in once and go out to every watcher."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from headrace.errors import HeadraceError, NotFoundError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.results.v1 import results_pb2
from services.gateway.recent_jobs import RecentJobs
from services.gateway.resume_tokens import resume_token
from services.gateway.stopping import gateway_stopping

MAX_WAITING_LIVE_EVENTS = 64
# A watched job that was not seen for so long, in seconds, is asked for whatever its seq: it may have been
# purged. So many in one reading, at most.
UNSEEN_SECONDS = 30.0
MAX_UNSEEN_ASKED = 200


class _Topic:
    """A watched job: its newest snapshot, wrapped once for all watchers, and who watches."""

    def __init__(self, job_id: str, now: float) -> None:
        self.job_id = job_id
        self.newest: gateway_pb2.WatchJobResponse | None = None
        self.watchers: set[Watcher] = set()
        self.heard_at = self.seen_at = now

    @property
    def seq(self) -> int:
        return self.newest.job.seq if self.newest is not None else 0


class Watcher:
    """One watch of one job.

    What it has not read yet is bounded: one snapshot, the newest, and the last live events.

    Attributes:
        seen_seq: Only snapshots with a greater seq are returned.
    """

    def __init__(self, topic: _Topic, after_seq: int) -> None:
        self._topic = topic
        self.seen_seq = after_seq
        self._live_events: deque[jobs_pb2.LiveEvent] = deque(maxlen=MAX_WAITING_LIVE_EVENTS)
        self._news = asyncio.Event()
        self._error: HeadraceError | None = None

    async def next(self) -> gateway_pb2.WatchJobResponse:
        """Waits for news and returns the newest of them: a snapshot, live events, or both.

        Raises:
            UnavailableError: GATEWAY_STOPPING: watch at another gateway.
            NotFoundError: The job has been purged.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            self.check()
            response = self._unread()
            if response is not None:
                return response

    def check(self) -> None:
        """Does nothing while the gateway and the job are there.

        Raises:
            UnavailableError: GATEWAY_STOPPING.
            NotFoundError: The job has been purged.
        """
        if self._error is not None:
            raise self._error

    def wake(self) -> None:
        """Tells that there is something new to read; for the hub."""
        self._news.set()

    def put_live_event(self, live_event: jobs_pb2.LiveEvent) -> None:
        """Takes a live event, in place of the oldest unread one if there are many; for the hub."""
        self._live_events.append(live_event)
        self._news.set()

    def end(self, error: HeadraceError) -> None:
        """Has ``next`` raise an error, from now on; for the hub."""
        self._error = error
        self._news.set()

    def _unread(self) -> gateway_pb2.WatchJobResponse | None:
        live_events = list(self._live_events)
        self._live_events.clear()
        newest = self._topic.newest
        if newest is None or newest.job.seq <= self.seen_seq:
            if not live_events:
                return None
            token = resume_token(self._topic.job_id, self.seen_seq)
            return gateway_pb2.WatchJobResponse(resume_token=token, live_events=live_events)
        self.seen_seq = newest.job.seq
        if not live_events:
            return newest
        return gateway_pb2.WatchJobResponse(
            job=newest.job, resume_token=newest.resume_token, live_events=live_events
        )


class Hub:
    """The watched jobs of this gateway. News of other jobs pass through without a trace, but for new ones.

    Make it, and call it, on the loop; every method returns at once.

    Attributes:
        recent: Jobs created here a moment ago, which are likely to be watched next.
    """

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self.recent = RecentJobs(self._loop.time)

    @property
    def watched_job_count(self) -> int:
        """How many jobs have watchers."""
        return len(self._topics)

    @contextmanager
    def watch(self, job_id: str, after_seq: int) -> Iterator[Watcher]:
        """Gives a watcher of the snapshots with a greater seq; after it nothing is left in the hub."""
        topic = self._topics.setdefault(job_id, _Topic(job_id, self._loop.time()))
        watcher = Watcher(topic, after_seq)
        if self._closed:
            watcher.end(gateway_stopping())
        elif topic.seq > after_seq:
            watcher.wake()
        topic.watchers.add(watcher)
        try:
            yield watcher
        finally:
            topic.watchers.discard(watcher)
            if not topic.watchers:
                del self._topics[job_id]

    def put_jobs(self, jobs: Iterable[jobs_pb2.Job]) -> None:
        """Takes snapshots; one that is no newer than the newest known changes nothing."""
        for job in jobs:
            self.recent.update(job)
            topic = self._topics.get(job.job_id)
            if topic is None:
                continue
            topic.heard_at = topic.seen_at = self._loop.time()
            if job.seq > topic.seq:
                token = resume_token(job.job_id, job.seq)
                topic.newest = gateway_pb2.WatchJobResponse(job=job, resume_token=token)
                for watcher in topic.watchers:
                    watcher.wake()

    def put_live_event(self, job_id: str, live_event: jobs_pb2.LiveEvent) -> None:
        """Takes a live event of a job."""
        topic = self._topics.get(job_id)
        for watcher in topic.watchers if topic is not None else ():
            watcher.put_live_event(live_event)

    def quiet_jobs(self, quiet_seconds: float) -> list[results_pb2.KnownJob]:
        """Returns the watched jobs that nothing was heard of for so long; they count as heard of now.

        Where there is one, those that have been quiet for half as long come along: so all of them soon fall
        quiet together, and are read in one call.
        """
        now = self._loop.time()
        if all(now - topic.heard_at < quiet_seconds for topic in self._topics.values()):
            return []
        quiet, unseen_count = [], 0
        for job_id, topic in self._topics.items():
            if now - topic.heard_at >= quiet_seconds / 2:
                topic.heard_at = now
                is_unseen = now - topic.seen_at >= UNSEEN_SECONDS and unseen_count < MAX_UNSEEN_ASKED
                unseen_count += is_unseen
                quiet.append(results_pb2.KnownJob(job_id=job_id, known_seq=0 if is_unseen else topic.seq))
        return quiet

    def put_reading(self, asked: Iterable[results_pb2.KnownJob], found: Collection[jobs_pb2.Job]) -> None:
        """Takes the store's answer about jobs: news, and that those are gone which it should have named."""
        self.put_jobs(found)
        there = {job.job_id for job in found}
        for known in asked:
            topic = self._topics.get(known.job_id)
            if topic is not None and not known.known_seq and known.job_id not in there:
                for watcher in topic.watchers:
                    watcher.end(NotFoundError("there is no such job"))

    def close(self) -> None:
        """Ends every watch, those to come included, with GATEWAY_STOPPING."""
        self._closed = True
        for topic in self._topics.values():
            for watcher in topic.watchers:
                watcher.end(gateway_stopping())
