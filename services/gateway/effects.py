"""Carries out the effects that the store returns to the gateway."""

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.hub import Hub
from services.gateway.watching.progress_streams import ProgressStreams
from services.shared import effects
from services.shared.queue.publisher import QueuePublisher


class EffectRunner(effects.EffectRunner):
    """Publishes tasks, puts changed jobs on the hub and notifies workers. It never blocks the caller."""

    def __init__(self, publisher: QueuePublisher, hub: Hub, streams: ProgressStreams) -> None:
        super().__init__(publisher, hub.put_jobs, streams.notify)
        self._hub = hub

    def set_worker_count(self, count: int) -> None:
        """Sets the number of live workers, which limits the tasks that wait to be published."""
        self._publisher.set_worker_count(count)

    def add_recent(self, job: jobs_pb2.Job) -> None:
        """Keeps the snapshot of a job that was just created, because it is likely to be watched next."""
        self._hub.recent.add(job)
