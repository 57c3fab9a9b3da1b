"""How leased chunks leave the worker: given back to the store, or forgotten because they are lost."""

import asyncio
from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.worker.items import report_entries as entries
from services.worker.items.fair_queue import FairQueue
from services.worker.items.job_logging import fields_of
from services.worker.items.leased_work import LeasedChunk, LeasedItem, LeasedJob, LeasedWork
from services.worker.items.recorder import Recorder
from services.worker.items.report_messages import chunk_death, chunk_release, item_deferral

log = get_logger(__name__)


class ChunkReturns:
    """Gives chunks back, each once, with what the store should know of their unfinished items.

    Args:
        recorder: Tells the store.
        leased: What is leased.
        waiting: Items that wait for a slot.
        forget: Called with a job of which nothing is held any more.
        changed: Called when there is more capacity.

    Attributes:
        quarantine_left: Called with the class of a quarantined chunk that has left: the store gives a worker
            one at a time, and tells nobody that the next may be taken.
    """

    def __init__(
        self,
        recorder: Recorder,
        leased: LeasedWork,
        waiting: FairQueue[jobs_pb2.JobClass, LeasedItem],
        forget: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._recorder = recorder
        self._leased = leased
        self._waiting = waiting
        self._forget = forget
        self._changed = changed
        self.quarantine_left: Callable[[jobs_pb2.JobClass], None] = lambda job_class: None

    def hand_over(self, item: LeasedItem, delay_seconds: float) -> None:
        """Tells the store what attempts were made of an item that is not finished, and when it is due again."""
        deferral = item_deferral(item, delay_seconds)
        self._recorder.add(entries.deferral_entry(item.chunk.ref.job_id, deferral, lambda outcome: None))

    def give_back_idle(self) -> None:
        """Gives back every chunk of which nothing is in flight."""
        for job in list(self._leased.jobs.values()):
            for chunk in list(job.chunks.values()):
                self.give_back_if_idle(chunk)

    def give_back_if_idle(self, chunk: LeasedChunk, not_before_seconds: float = 0.0) -> None:
        """Gives a chunk back if nothing of it is in flight; its job is left alone for so long."""
        if not chunk.is_in_flight:
            self.give_back(chunk, not_before_seconds)

    def give_back(self, chunk: LeasedChunk, not_before_seconds: float = 0.0) -> None:
        """Gives a chunk back once; nothing of it may be in flight."""
        if chunk.lost or chunk.releasing or self._is_dropped(chunk):
            return
        chunk.releasing = True
        self._hand_over_tried(chunk)
        self.discard(chunk.job, lambda item: item.chunk is chunk)
        job_id = chunk.job.spec.job_id
        if chunk.suspects:
            entry = entries.death_entry(job_id, chunk_death(chunk), lambda outcome: self.drop(chunk))
        else:
            release = chunk_release(chunk, not_before_seconds)
            entry = entries.release_entry(job_id, release, lambda outcome: self.drop(chunk))
        self._recorder.add(entry, urgent=True)

    def _hand_over_tried(self, chunk: LeasedChunk) -> None:
        """Tells of the attempts of unfinished items: where the job is stopped, for what they have used."""
        now = asyncio.get_running_loop().time()
        for item in chunk.unfinished.values():
            if item.last_error is not None or item.broken_off:
                self.hand_over(item, max(0.0, item.timer.when() - now) if item.timer else 0.0)

    def lose(self, chunk: LeasedChunk) -> None:
        """Forgets a chunk that the store gave to somebody else; its calls in flight end by themselves."""
        chunk.lost = True
        self.discard(chunk.job, lambda item: item.chunk is chunk)
        self.drop(chunk)
        log.info("lease_lost", chunk_index=chunk.ref.chunk_index, **fields_of(chunk.job.spec))

    def lose_job(self, job: LeasedJob) -> None:
        """Forgets all chunks of a job."""
        for chunk in list(job.chunks.values()):
            self.lose(chunk)

    def _is_dropped(self, chunk: LeasedChunk) -> bool:
        return chunk.job.chunks.get(chunk.ref.chunk_index) is not chunk

    def drop(self, chunk: LeasedChunk) -> None:
        """Forgets a chunk whose lease has ended."""
        self._leased.drop(chunk)
        job_id = chunk.job.spec.job_id
        if job_id not in self._leased.jobs:
            self._forget(job_id)
        self._changed()
        if chunk.quarantined:
            self.quarantine_left(chunk.job.spec.job_class)

    def discard(self, job: LeasedJob, drop: Callable[[LeasedItem], bool]) -> None:
        """Takes waiting items of a job out of the queue and ends their backoffs; those in flight go on."""
        spec = job.spec
        self._waiting.discard(spec.job_class, spec.tenant, spec.job_id, drop)
        for chunk in job.chunks.values():
            for item in chunk.unfinished.values():
                if item.timer is not None and drop(item):
                    item.timer.cancel()
                    item.timer = None
