"""Who watches which job: news come in once and go out to every watcher."""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from headrace.errors import HeadraceError, NotFoundError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.stopping import gateway_stopping
from services.gateway.watching.recent_jobs import RecentJobs
from services.gateway.watching.topic import Topic
from services.stubs.results.v1 import results_pb2

# How often is looked for live numbers to send alone, in seconds.
LIVE_CHECK_SECONDS = 0.25
# A watched job that was not seen for so long, in seconds, is asked for whatever its seq: it may have been
# purged. So many in one reading, at most.
UNSEEN_SECONDS = 30.0
MAX_UNSEEN_ASKED = 200


class Watcher:
    """One watch of one job.

    What it has not read yet is kept by the topic, for all watchers: the newest snapshot and live numbers.

    Attributes:
        seen_seq: Only snapshots with a greater seq are returned.
    """

    def __init__(self, topic: Topic, after_seq: int) -> None:
        self._topic = topic
        self.seen_seq = after_seq
        self._seen_live = topic.live_number
        self._news = asyncio.Event()
        self._error: HeadraceError | None = None

    async def next(self) -> gateway_pb2.WatchJobResponse:
        """Waits for news and returns the newest of them: a snapshot, live numbers, or both.

        Watchers who have seen the same get the same message; nobody must change it.

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

    def end(self, error: HeadraceError) -> None:
        """Has ``next`` raise an error, from now on; for the hub."""
        self._error = error
        self._news.set()

    def _unread(self) -> gateway_pb2.WatchJobResponse | None:
        response = self._topic.news_after(self.seen_seq, self._seen_live)
        self._seen_live = self._topic.live_number
        if response is not None and response.HasField("job"):
            self.seen_seq = response.job.seq
        return response


class Hub:
    """The watched jobs of this gateway. News of other jobs pass through without a trace, but for new ones.

    Make it, and call it, on the loop; every method but notify_live_numbers returns at once.

    Attributes:
        recent: Jobs created here a moment ago, which are likely to be watched next.
    """

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._watchers: dict[str, set[Watcher]] = {}
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

    def put_jobs(self, jobs: Iterable[jobs_pb2.Job]) -> None:
        """Takes snapshots; one that is no newer than the newest known changes nothing."""
        for job in jobs:
            self.recent.update(job)
            topic = self._topics.get(job.job_id)
            if topic is None:
                continue
            topic.heard_at = topic.seen_at = self._loop.time()
            if job.seq > topic.seq:
                topic.put_job(job, self._loop.time())
                self._wake(job.job_id)

    def put_live_event(self, job_id: str, live_event: jobs_pb2.LiveEvent) -> None:
        """Takes a live event of a job; it goes out with the next live numbers."""
        topic = self._topics.get(job_id)
        if topic is not None:
            topic.put_live_event(live_event, self._loop.time())

    async def notify_live_numbers(self) -> None:
        """Sends live numbers that no snapshot took along, until cancelled."""
        while True:
            await asyncio.sleep(LIVE_CHECK_SECONDS)
            self.check_live_numbers()

    def check_live_numbers(self) -> None:
        """Sends live numbers that no snapshot took along."""
        now = self._loop.time()
        for job_id, topic in self._topics.items():
            if topic.notify_alone(now):
                self._wake(job_id)

    def _wake(self, job_id: str) -> None:
        for watcher in self._watchers[job_id]:
            watcher.wake()

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
            if not known.known_seq and known.job_id not in there:
                for watcher in self._watchers.get(known.job_id, ()):
                    watcher.end(NotFoundError("there is no such job"))

    def close(self) -> None:
        """Ends every watch, those to come included, with GATEWAY_STOPPING."""
        self._closed = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end(gateway_stopping())
