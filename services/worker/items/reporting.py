"""Reports items and chunks to the store, and ends their leases here."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.capacity import Capacity
from services.worker.items.job_logging import fields_of
from services.worker.items.leased_work import LeasedChunk, LeasedItem, LeasedJob, LeasedWork
from services.worker.items.recorder import Acknowledged, Entry, Recorder
from services.worker.items.waiting_items import WaitingItems

log = get_logger(__name__)

# Refused items of a job that are reported at once. The store pauses a job whose first items are all refused,
# and calls made before it knows of them are paid in vain.
MAX_URGENT_REFUSALS = 20


class Reporting:
    """Reports outcomes, deferrals, releases, deaths of child processes, and errors of whole jobs.

    Args:
        recorder: Sends the reports.
        leased: The leased work.
        waiting: Waiting items; those of a chunk that ends are removed.
        capacity: Notified when a chunk leaves.
        forget: Called with each job that has no leased chunk left.
        quarantine_left: Called with the class of each quarantined chunk that leaves: the store gives a worker
            one at a time and does not announce the next.
    """

    def __init__(
        self,
        recorder: Recorder,
        leased: LeasedWork,
        waiting: WaitingItems,
        capacity: Capacity,
        *,
        forget: Callable[[str], None],
        quarantine_left: Callable[[jobs_pb2.JobClass], None],
    ) -> None:
        self._recorder = recorder
        self._leased = leased
        self._waiting = waiting
        self._capacity = capacity
        self._forget = forget
        self._quarantine_left = quarantine_left
        self._refused_counts: Counter[str] = Counter()

    @property
    def unacknowledged_count(self) -> int:
        """Outcomes that the store has not acknowledged."""
        return self._recorder.unacknowledged_count

    def record(self, item: LeasedItem, outcome: ItemOutcome, acknowledged: Acknowledged) -> None:
        """Records the final outcome of an item.

        It is sent at once if its job has no other unfinished item here, or is one of the first refused items.

        Args:
            item: The item.
            outcome: Its outcome.
            acknowledged: Called with the outcome of the job's record once it is acknowledged.
        """
        chunk, spec = item.chunk, item.chunk.job.spec
        self._leased.finish(item)
        record = _item_record(item, outcome)
        chunk.unacknowledged_count += 1

        def acknowledge(job_outcome: results_pb2.JobRecordOutcome) -> None:
            chunk.unacknowledged_count -= 1
            acknowledged(job_outcome)

        entry = Entry(
            job_id=spec.job_id,
            apply=lambda job: job.items.append(record),
            acknowledged=acknowledge,
            byte_count=100 + record.ByteSize(),
            is_result=True,
            tenant=spec.tenant,
        )
        is_first_refusal = outcome.error is not None and self._is_first_refusal(spec.job_id, outcome.error)
        self._recorder.add(entry, urgent=chunk.job.unfinished_count == 0 or is_first_refusal)
        self._release_if_finished(chunk)

    def defer(self, item: LeasedItem, delay_seconds: float) -> None:
        """Hands an item over to the store, to be attempted again after a delay."""
        self._leased.finish(item)
        item.chunk.deferred = True
        self._report_attempts(item, delay_seconds)
        self._release_if_finished(item.chunk)

    def fail_job(self, chunk: LeasedChunk, error: jobs_pb2.Error) -> None:
        """Reports an error of an item of a chunk that fails the whole job."""
        apply = partial(_add_error, name="job_error", error=error, error_round=chunk.round)
        self._recorder.add(Entry(job_id=chunk.job.spec.job_id, apply=apply), urgent=True)

    def pause_job(self, job: LeasedJob, error: jobs_pb2.Error) -> None:
        """Asks the store to pause a job, with the last fault of its provider."""
        error_round = max((chunk.round for chunk in job.chunks.values()), default=0)
        apply = partial(_add_error, name="outage_error", error=error, error_round=error_round)
        self._recorder.add(Entry(job_id=job.spec.job_id, apply=apply), urgent=True)

    def note_outage(self, job: LeasedJob, change: results_pb2.OutageChange) -> None:
        """Reports the beginning or the end of an outage of a job's model, for its history."""
        entry = Entry(job_id=job.spec.job_id, apply=lambda record: record.outage_changes.append(change))
        self._recorder.add(entry, urgent=False)

    def release_all_idle(self) -> None:
        """Releases every chunk that has nothing in flight."""
        for job in list(self._leased.jobs.values()):
            for chunk in list(job.chunks.values()):
                self.release_if_idle(chunk)

    def release_if_idle(self, chunk: LeasedChunk, not_before_seconds: float = 0.0) -> None:
        """Releases a chunk unless something of it is in flight.

        Args:
            chunk: The chunk.
            not_before_seconds: Time for which nothing of its job is leased again.
        """
        if not chunk.is_in_flight:
            self.release_chunk(chunk, not_before_seconds)

    def release_chunk(self, chunk: LeasedChunk, not_before_seconds: float = 0.0) -> None:
        """Releases a chunk that has nothing in flight, or reports its death; repeating it does nothing."""
        if chunk.lost or chunk.releasing or not self._leased.holds(chunk):
            return
        chunk.releasing = True
        self._report_attempts_of(chunk)
        self._waiting.cancel(chunk.job, chunk)
        if chunk.suspects:
            self._report_death(chunk)
        else:
            self._report_release(chunk, not_before_seconds)

    def give_back(self, leases: Iterable[results_pb2.Lease]) -> None:
        """Releases leases that this worker has not accepted. Those that it has accepted stay."""
        for ref in [lease.ref for lease in leases if self._leased.find(lease.ref) is None]:
            release = results_pb2.ChunkRelease(chunk_index=ref.chunk_index, fence=ref.fence)
            apply = partial(_add_release, release=release)
            self._recorder.add(Entry(job_id=ref.job_id, apply=apply), urgent=True)

    def lose_chunk(self, chunk: LeasedChunk) -> None:
        """Forgets a chunk that the store gave to another worker; its calls in flight run to their end."""
        chunk.lost = True
        self._waiting.cancel(chunk.job, chunk)
        self.drop_chunk(chunk)
        log.info("lease_lost", chunk_index=chunk.ref.chunk_index, **fields_of(chunk.job.spec))

    def lose_job(self, job: LeasedJob) -> None:
        """Forgets all chunks of a job."""
        for chunk in list(job.chunks.values()):
            self.lose_chunk(chunk)

    def drop_chunk(self, chunk: LeasedChunk) -> None:
        """Forgets a chunk whose lease has ended."""
        self._leased.drop(chunk)
        job_id = chunk.job.spec.job_id
        if job_id not in self._leased.jobs:
            self._forget(job_id)
            self._refused_counts.pop(job_id, None)
        self._capacity.changed()
        if chunk.quarantined:
            self._quarantine_left(chunk.job.spec.job_class)

    def _is_first_refusal(self, job_id: str, error: jobs_pb2.Error) -> bool:
        if error.reason != ErrorReason.PROVIDER_REFUSED_INPUT:
            return False
        self._refused_counts[job_id] += 1
        return self._refused_counts[job_id] <= MAX_URGENT_REFUSALS

    def _release_if_finished(self, chunk: LeasedChunk) -> None:
        """Releases a finished chunk whose lease the store may not end on its own.

        The first lease of a chunk has all of its items: once all have a result the store ends it. A later
        lease may have left out items that wait.
        """
        needs_release = chunk.deferred or chunk.quarantined or chunk.ref.fence > 1
        if needs_release and not chunk.unfinished:
            self.release_chunk(chunk)

    def _report_attempts_of(self, chunk: LeasedChunk) -> None:
        """Reports attempts of unfinished items; if the job is stopped, their usage still counts."""
        now = asyncio.get_running_loop().time()
        for item in chunk.unfinished.values():
            if item.last_error is not None or item.interrupted:
                self._report_attempts(item, max(0.0, item.timer.when() - now) if item.timer else 0.0)

    def _report_attempts(self, item: LeasedItem, delay_seconds: float) -> None:
        deferral = _item_deferral(item, delay_seconds)
        entry = Entry(
            job_id=item.chunk.ref.job_id,
            apply=lambda job: job.deferrals.append(deferral),
            byte_count=100 + deferral.ByteSize(),
        )
        self._recorder.add(entry)

    def _report_release(self, chunk: LeasedChunk, not_before_seconds: float) -> None:
        release = results_pb2.ChunkRelease(
            chunk_index=chunk.ref.chunk_index,
            fence=chunk.ref.fence,
            job_delay_ms=round(not_before_seconds * 1000),
            needed_micros=chunk.needed_micros,
        )
        self._end_chunk(chunk, lambda job: job.releases.append(release))

    def _report_death(self, chunk: LeasedChunk) -> None:
        """Reports the death of a chunk's child process, with the items that were in flight in it."""
        death = results_pb2.ChunkDeath(
            chunk_index=chunk.ref.chunk_index, fence=chunk.ref.fence, suspect_item_indexes=chunk.suspects
        )
        self._end_chunk(chunk, lambda job: job.deaths.append(death))

    def _end_chunk(self, chunk: LeasedChunk, apply: Callable[[results_pb2.JobRecord], None]) -> None:
        entry = Entry(
            job_id=chunk.job.spec.job_id, apply=apply, acknowledged=lambda job_outcome: self.drop_chunk(chunk)
        )
        self._recorder.add(entry, urgent=True)


def _add_error(record: results_pb2.JobRecord, *, name: str, error: jobs_pb2.Error, error_round: int) -> None:
    """Adds a job_error or an outage_error to a record, whose errors are all of the latest round."""
    if error_round < record.error_round:
        return
    if error_round > record.error_round:
        record.ClearField("job_error")
        record.ClearField("outage_error")
    record.error_round = error_round
    getattr(record, name).CopyFrom(error)


def _add_release(job: results_pb2.JobRecord, release: results_pb2.ChunkRelease) -> None:
    job.releases.append(release)


def _item_record(item: LeasedItem, outcome: ItemOutcome) -> results_pb2.ItemRecord:
    return results_pb2.ItemRecord(
        item_index=item.message.item_index,
        chunk_index=item.chunk.ref.chunk_index,
        fence=item.chunk.ref.fence,
        round=item.chunk.round,
        output=outcome.output or "",
        error=outcome.error,
        attempt_count=outcome.attempt_count,
        usage=outcome.usage,
        failed_attempts=outcome.failed_attempts,
    )


def _item_deferral(item: LeasedItem, delay_seconds: float) -> results_pb2.ItemDeferral:
    return results_pb2.ItemDeferral(
        item_index=item.message.item_index,
        chunk_index=item.chunk.ref.chunk_index,
        fence=item.chunk.ref.fence,
        delay_ms=round(delay_seconds * 1000),
        attempt_count=item.message.attempt_count,
        usage=item.message.usage,
        error=item.last_error,
        failed_attempts=item.message.failed_attempts,
        work_time=item.message.work_time,
    )
