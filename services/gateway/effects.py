"""Carrying out what a transition of the store asks for."""

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.hub import Hub
from services.gateway.watching.progress_streams import ProgressStreams
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2


class EffectRunner:
    """Publishes tasks, puts snapshots on the hub and tells workers; none of it holds up the caller."""

    def __init__(self, publisher: QueuePublisher, hub: Hub, streams: ProgressStreams) -> None:
        self._publisher = publisher
        self._hub = hub
        self._streams = streams

    def set_worker_count(self, count: int) -> None:
        """Takes note of how many workers there are to wake."""
        self._publisher.set_worker_count(count)

    def note_new(self, job: jobs_pb2.Job) -> None:
        """Takes note of a job that the store has just created: it may be watched next."""
        self._hub.recent.add(job)

    def carry_out(self, effects: results_pb2.Effects) -> None:
        """Starts everything and returns at once. Doing it twice is harmless."""
        self._publisher.publish(effects.tasks_to_publish)
        self._hub.put_jobs(effects.changed_jobs)
        self._streams.tell(effects.workers_to_notify)
