"""Carries out the effects that the store asks for with each response."""

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.hub import Hub
from services.gateway.watching.progress_streams import ProgressStreams
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2


class EffectRunner:
    """Publishes tasks, puts snapshots on the hub and notifies workers, without blocking the caller.

    Args:
        publisher: Publishes tasks.
        hub: Takes changed snapshots.
        streams: Notifies workers.
    """

    def __init__(self, publisher: QueuePublisher, hub: Hub, streams: ProgressStreams) -> None:
        self._publisher = publisher
        self._hub = hub
        self._streams = streams

    def set_worker_count(self, count: int) -> None:
        """Sets the number of live workers, which limits the tasks that wait to be published."""
        self._publisher.set_worker_count(count)

    def add_recent(self, job: jobs_pb2.Job) -> None:
        """Keeps the snapshot of a job that was just created, because it is likely to be watched next."""
        self._hub.recent.add(job)

    def carry_out(self, effects: results_pb2.Effects) -> None:
        """Starts everything and returns at once. Carrying out the same effects twice is harmless."""
        self._publisher.publish(effects.tasks_to_publish)
        self._hub.put_jobs(effects.changed_jobs)
        self._streams.notify(effects.workers_to_notify)
