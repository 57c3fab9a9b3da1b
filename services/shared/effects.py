"""Carries out the effects that the store returns with its replies."""

from collections.abc import Callable, Iterable

from headrace.jobs.v1 import jobs_pb2
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2


class EffectRunner:
    """Publishes tasks, puts changed jobs on the hub and notifies workers. It never blocks the caller.

    Args:
        publisher: Publishes the tasks.
        put_jobs: Puts the changed jobs on the hub of this process.
        notify_workers: Notifies workers of jobs to cancel or to pause. None if workers learn of them from
            their own heartbeats.
    """

    def __init__(
        self,
        publisher: QueuePublisher,
        put_jobs: Callable[[Iterable[jobs_pb2.Job]], None],
        notify_workers: Callable[[Iterable[results_pb2.WorkerToNotify]], None] | None = None,
    ) -> None:
        self._publisher = publisher
        self._put_jobs = put_jobs
        self._notify_workers = notify_workers

    def carry_out(self, effects: results_pb2.Effects) -> None:
        """Starts every effect and returns at once. Repeating it is harmless."""
        self._publisher.publish(effects.tasks_to_publish)
        self._put_jobs(effects.changed_jobs)
        if self._notify_workers is not None:
            self._notify_workers(effects.workers_to_notify)
