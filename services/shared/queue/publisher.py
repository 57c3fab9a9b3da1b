"""Publishing wake-ups without ever holding up the caller."""

import asyncio
import sys
from collections import Counter as Counts
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import dramatiq
from prometheus_client import Counter

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.shared.queue.contract import advance_job_message
from services.shared.tracing import nobodys_context
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

# Wake-ups that go to the thread together: those of a job that comes new wait for no more than these.
BATCH_COUNT = 20

_Key = tuple[str, jobs_pb2.JobClass]

TASKS_PUBLISHED = Counter("headrace_tasks_published_total", "Wake-ups that the broker took.")
TASKS_NOT_PUBLISHED = Counter("headrace_tasks_not_published_total", "Wake-ups dropped: the broker was away.")


class QueuePublisher:
    """Publishes wake-ups from one thread of its own, of all waiting jobs in turn; equal ones are merged.

    A large job has two for each worker, and the one of a small job does not wait behind all of them. Jobs
    that come faster than wake-ups can be published share them.

    A broker that cannot be reached costs the wake-ups of that time: they are dropped, said once in the log,
    and the heartbeats of the workers find the work instead.

    Args:
        broker: With all queues declared.
    """

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")
        self._waiting: dict[_Key, int] = {}
        self._waiting_counts: Counts[jobs_pb2.JobClass] = Counts()
        self._enough_count = sys.maxsize
        self._under_way: asyncio.Future[bool] | None = None
        self._failing = False
        self._closed = False

    def publish(self, tasks: Iterable[results_pb2.TaskToPublish]) -> None:
        """Takes wake-ups and returns at once; once closed it drops them. Call it on the loop."""
        for task in tasks:
            key = (task.job_id, task.job_class)
            missing_count = self._enough_count - self._waiting_counts[task.job_class]
            more_count = min(task.count - self._waiting.get(key, 0), missing_count)
            if more_count > 0:
                self._add(key, more_count)
        if self._under_way is None:
            self._publish_waiting()

    def set_worker_count(self, count: int) -> None:
        """Lets no more wake-ups of a class wait than two for each worker, of all its jobs together.

        A wake-up that still waits finds all that was stored before: whoever it wakes leases what there is of
        the class, of any job.
        """
        self._enough_count = 2 * max(1, count)

    async def close(self) -> None:
        """Publishes what waits, for at most a second, then lets go of the thread."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while self._under_way is not None:
                    await asyncio.wait([self._under_way])
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _publish_waiting(self) -> None:
        # Straight to the thread, without a task in between: whoever submitted waits for the work to begin.
        if self._waiting and not self._closed:
            batch, loop = self._take_batch(), asyncio.get_running_loop()
            self._under_way = loop.run_in_executor(self._thread, self._publish_batch, batch)
            self._under_way.add_done_callback(partial(self._go_on, batch), context=nobodys_context())

    def _go_on(self, batch: list[_Key], published: asyncio.Future[bool]) -> None:
        self._under_way = None
        if published.cancelled() or not published.result():
            for key in batch:  # what is left of these jobs fails as well, each after a while
                TASKS_NOT_PUBLISHED.inc(self._forget(key))
        self._publish_waiting()

    def _take_batch(self) -> list[_Key]:
        batch: list[_Key] = []
        while self._waiting and len(batch) < BATCH_COUNT:
            key = next(iter(self._waiting))
            count = self._forget(key) - 1
            if count:
                self._add(key, count)  # behind the others
            batch.append(key)
        return batch

    def _add(self, key: _Key, count: int) -> None:
        self._waiting[key] = self._waiting.get(key, 0) + count
        self._waiting_counts[key[1]] += count

    def _forget(self, key: _Key) -> int:
        """Returns how many wake-ups of a job waited."""
        count = self._waiting.pop(key, 0)
        self._waiting_counts[key[1]] -= count
        return count

    def _publish_batch(self, batch: list[_Key]) -> bool:
        """Returns whether the broker took all of them."""
        left_count = len(batch)
        try:
            for job_id, job_class in batch:
                self._broker.enqueue(advance_job_message(job_id, job_class))
                TASKS_PUBLISHED.inc()
                left_count -= 1
        except Exception as error:  # any fault of the broker costs delay only
            TASKS_NOT_PUBLISHED.inc(left_count)
            if not self._failing:
                log.warning("tasks_not_published", job_count=len(set(batch)), error=type(error).__name__)
            self._failing = True
            return False
        if self._failing:
            log.info("tasks_published_again")
        self._failing = False
        return True
