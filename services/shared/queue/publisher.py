"""Publishes wake-ups without ever blocking the caller."""

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
from services.shared.degradation import Degradation
from services.shared.logging import get_logger
from services.shared.queue.contract import advance_job_message
from services.shared.tracing import detached_context
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

# Wake-ups handed to the thread at once. Those of a new job wait for no more than these.
BATCH_COUNT = 20
# Time limit for publishing the rest when the publisher closes, in seconds.
_CLOSE_SECONDS = 1.0

_Key = tuple[str, jobs_pb2.JobClass]

TASKS_PUBLISHED = Counter("headrace_tasks_published_total", "Wake-ups that the broker accepted.")
TASKS_NOT_PUBLISHED = Counter(
    "headrace_tasks_not_published_total", "Wake-ups dropped because the broker was unreachable."
)


class QueuePublisher:
    """Publishes wake-ups from a thread of its own. Jobs take turns, and equal wake-ups that wait are merged.

    A large job has two wake-ups for each worker. The wake-up of a small job does not wait behind all of them.
    Jobs that arrive faster than wake-ups can be published share wake-ups.

    While the broker cannot be reached, wake-ups are dropped, and heartbeats of the workers find the work
    instead. Each change is logged once.

    Args:
        broker: Broker with all queues declared.
    """

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")
        self._waiting: dict[_Key, int] = {}
        self._waiting_counts: Counts[jobs_pb2.JobClass] = Counts()
        self._class_limit = sys.maxsize
        self._in_flight: asyncio.Future[bool] | None = None
        self._degradation = Degradation(log, "publishing")
        self._closed = False

    def publish(self, tasks: Iterable[results_pb2.TaskToPublish]) -> None:
        """Accepts wake-ups and returns at once. Once closed, it drops them. Call it on the loop."""
        for task in tasks:
            key = (task.job_id, task.job_class)
            free_count = self._class_limit - self._waiting_counts[task.job_class]
            added_count = min(task.count - self._waiting.get(key, 0), free_count)
            if added_count > 0:
                self._add(key, added_count)
        if self._in_flight is None:
            self._publish_waiting()

    def set_worker_count(self, count: int) -> None:
        """Caps waiting wake-ups per class at two per worker, over all jobs.

        A wake-up that still waits covers all work stored before it: the worker that it wakes leases any work
        of the class, of any job.
        """
        self._class_limit = 2 * max(1, count)

    async def close(self) -> None:
        """Publishes the waiting wake-ups for at most a second, then ends the thread."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._in_flight is not None:
                    await asyncio.wait([self._in_flight])
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _publish_waiting(self) -> None:
        # Directly on the thread, without a task in between, because a client that has submitted a job waits.
        if self._waiting and not self._closed:
            batch, loop = self._take_batch(), asyncio.get_running_loop()
            self._in_flight = loop.run_in_executor(self._thread, self._publish_batch, batch)
            self._in_flight.add_done_callback(partial(self._end_batch, batch), context=detached_context())

    def _end_batch(self, batch: list[_Key], published: asyncio.Future[bool]) -> None:
        self._in_flight = None
        if published.cancelled() or not published.result():
            for key in batch:  # the rest of these jobs would fail as well, each after a timeout
                TASKS_NOT_PUBLISHED.inc(self._remove(key))
        self._publish_waiting()

    def _take_batch(self) -> list[_Key]:
        batch: list[_Key] = []
        while self._waiting and len(batch) < BATCH_COUNT:
            key = next(iter(self._waiting))
            count = self._remove(key) - 1
            if count:
                self._add(key, count)  # behind the others
            batch.append(key)
        return batch

    def _add(self, key: _Key, count: int) -> None:
        self._waiting[key] = self._waiting.get(key, 0) + count
        self._waiting_counts[key[1]] += count

    def _remove(self, key: _Key) -> int:
        """Removes the waiting wake-ups of a job. Returns their number."""
        count = self._waiting.pop(key, 0)
        self._waiting_counts[key[1]] -= count
        return count

    def _publish_batch(self, batch: list[_Key]) -> bool:
        """Returns whether the broker accepted all of them. Runs on the thread."""
        left_count = len(batch)
        try:
            for job_id, job_class in batch:
                self._broker.enqueue(advance_job_message(job_id, job_class))
                TASKS_PUBLISHED.inc()
                left_count -= 1
        except Exception as error:  # any failure of the broker costs only time
            TASKS_NOT_PUBLISHED.inc(left_count)
            self._degradation.note_failure(job_count=len(set(batch)), error=type(error).__name__)
            return False
        self._degradation.note_success()
        return True
