"""Publishing wake-ups without ever holding up the caller."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import dramatiq
from prometheus_client import Counter

from headrace.jobs.v1 import jobs_pb2
from headrace.results.v1 import results_pb2
from services.shared.logging import get_logger
from services.shared.queue.contract import advance_job_message
from services.shared.tracing import nobodys_context

log = get_logger(__name__)

TASKS_PUBLISHED = Counter("headrace_tasks_published_total", "Wake-ups that the broker took.")
TASKS_NOT_PUBLISHED = Counter("headrace_tasks_not_published_total", "Wake-ups dropped: the broker was away.")


class QueuePublisher:
    """Publishes wake-ups from one thread of its own, in the order asked; equal ones that wait are merged.

    A broker that cannot be reached costs the wake-ups of that time: they are dropped, said once in the log,
    and the heartbeats of the workers find the work instead.

    Args:
        broker: With all queues declared.
    """

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")
        self._waiting: dict[tuple[str, jobs_pb2.JobClass], int] = {}
        self._under_way: asyncio.Future[None] | None = None
        self._failing = False
        self._closed = False

    def publish(self, tasks: Iterable[results_pb2.TaskToPublish]) -> None:
        """Takes wake-ups and returns at once; once closed it drops them. Call it on the loop."""
        for task in tasks:
            key = (task.job_id, task.job_class)
            self._waiting[key] = max(self._waiting.get(key, 0), task.count)
        if self._under_way is None:
            self._publish_waiting()

    async def close(self) -> None:
        """Publishes what waits, for at most a second, then lets go of the thread."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while self._under_way is not None:
                    await asyncio.wait([self._under_way])
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _publish_waiting(self, last: asyncio.Future[None] | None = None) -> None:
        # Straight to the thread, without a task in between: whoever submitted waits for the work to begin.
        self._under_way = None
        if self._waiting and not self._closed:
            batch, self._waiting = self._waiting, {}
            loop = asyncio.get_running_loop()
            self._under_way = loop.run_in_executor(self._thread, self._publish_batch, batch)
            self._under_way.add_done_callback(self._publish_waiting, context=nobodys_context())

    def _publish_batch(self, batch: dict[tuple[str, jobs_pb2.JobClass], int]) -> None:
        left_count = sum(batch.values())
        try:
            for (job_id, job_class), count in batch.items():
                for _ in range(count):
                    self._broker.enqueue(advance_job_message(job_id, job_class))
                    TASKS_PUBLISHED.inc()
                    left_count -= 1
        except Exception as error:  # any fault of the broker costs delay only
            TASKS_NOT_PUBLISHED.inc(left_count)
            if not self._failing:
                log.warning("tasks_not_published", job_count=len(batch), error=type(error).__name__)
            self._failing = True
        else:
            if self._failing:
                log.info("tasks_published_again")
            self._failing = False
