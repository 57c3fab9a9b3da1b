"""Schedules the items of leased chunks: starts them within one limit and acts on their outcomes.

The scheduler does not know tasks. Leased chunks outlive the message that woke the worker, so there is no
barrier between chunks and no message waits for a long call.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.capacity import Capacity
from services.worker.items.held_up_work import HeldUpWork
from services.worker.items.in_flight import ItemsInFlight
from services.worker.items.job_logging import fields_of
from services.worker.items.leased_work import LeasedChunk, LeasedItem, LeasedJob, LeasedWork
from services.worker.items.live_numbers import ModelWaits
from services.worker.items.outage_pauses import OutagePauses
from services.worker.items.quarantine import ChildDiedError
from services.worker.items.quarantine.slots import QuarantineSlots
from services.worker.items.reporting import Reporting
from services.worker.items.start_rules import MAX_RECHECK_SECONDS, StartRules
from services.worker.items.tenant_work import TenantWork
from services.worker.items.waiting_items import Recheck, WaitingItems

log = get_logger(__name__)

UNACKNOWLEDGED_LIMIT = 200
# A backoff up to this is waited out here, in seconds; a longer one goes to the store with a due time.
LOCAL_BACKOFF_SECONDS = 5.0
# Held-back items to attempt again when an item of their chunk has left some of its allowance.
RESUME_COUNT = 2
# Delay before a child process that could not be started is tried again, in seconds.
CHILD_RESTART_SECONDS = 5.0
# Items to start in one turn of the loop. Their calls show first whether their model has free slots.
START_COUNT = 8


class ItemScheduler:
    """Schedules the items of leased chunks.

    Args:
        in_flight: Runs the attempts.
        reporting: Reports to the store.
        waits: Rate limits and cool-downs that keep items from starting.
        leased: The leased work.
        waiting: Items waiting for a slot.
        capacity: Notified when there may be more of it.
        tenant_work: Leased work of limited tenants.
        held_up: Jobs whose model may not be called now.
    """

    def __init__(
        self,
        in_flight: ItemsInFlight,
        reporting: Reporting,
        waits: ModelWaits,
        *,
        leased: LeasedWork,
        waiting: WaitingItems,
        capacity: Capacity,
        tenant_work: TenantWork,
        held_up: HeldUpWork,
    ) -> None:
        self._in_flight = in_flight
        self._reporting = reporting
        self._waits = waits
        self._leased = leased
        self._waiting = waiting
        self._capacity = capacity
        self._quarantine_slots = QuarantineSlots()
        self._recheck = Recheck(self.start_items)
        self._rules = StartRules(
            waits,
            leased=leased,
            capacity=capacity,
            tenant_work=tenant_work,
            held_up=held_up,
            outage_pauses=OutagePauses(waits, reporting),
            recheck=self._recheck,
            release=self._release_idle_chunks,
        )
        self._draining = False
        tenant_work.serve(self._on_slots_freed)

    def accept(self, specs: Mapping[str, results_pb2.JobSpec], leases: Iterable[results_pb2.Lease]) -> None:
        """Accepts leased chunks and starts items that find a slot.

        Args:
            specs: Every job that a lease names, by id.
            leases: New leases; those accepted before are skipped.
        """
        for lease in leases:
            chunk = self._leased.add(specs[lease.ref.job_id], lease)
            if chunk is None:
                continue
            log.debug("chunk_leased", chunk_index=lease.ref.chunk_index, **fields_of(chunk.job.spec))
            self._waiting.add(chunk.job, chunk.unfinished.values())
            if chunk.job.stopped or self._draining or not chunk.unfinished:
                self._reporting.release_chunk(chunk)
        self.start_items()

    def give_back(self, leases: Iterable[results_pb2.Lease]) -> None:
        """Releases leases that were not accepted. Those accepted before stay."""
        self._reporting.give_back(leases)

    def start_items(self) -> None:
        """Starts waiting items while slots are free and nothing forbids it; to be called on every change.

        Items that wait for a limit hold no slot. Nothing more starts of a job whose calls wait.
        """
        for _ in range(START_COUNT):
            if not self._has_free_slot():
                if self._in_flight.is_full:
                    self._recheck.after(MAX_RECHECK_SECONDS)
                return
            item = self._waiting.next(self._rules.may_start_item_of, self._in_flight.may_start_of)
            if item is None:
                return
            if item.chunk.is_ending or (item.chunk.quarantined and not self._quarantine_slots.take(item)):
                continue
            self._waits.claim_probe(item.chunk.job.spec)
            self._in_flight.start(item, self._on_attempt_ended)
        asyncio.get_running_loop().call_soon(self.start_items)

    def _has_free_slot(self) -> bool:
        is_ahead = self._reporting.unacknowledged_count >= UNACKNOWLEDGED_LIMIT
        return not (is_ahead or self._draining) and self._in_flight.may_start()

    def stop_job(self, job_id: str) -> None:
        """Stops a job: cancels its calls in flight and releases its chunks. Safe to repeat."""
        job = self._leased.jobs.get(job_id)
        if job is None or job.stopped:
            return
        job.stopped = True
        if job.unfinished_count:  # otherwise it has ended on its own
            log.info("job_stopped", unfinished_count=job.unfinished_count, **fields_of(job.spec))
        self._waiting.cancel(job)
        for item in job.in_flight():
            if item.task is not None:
                item.task.cancel()
        self._release_idle_chunks(job)

    def pause_job(self, job_id: str) -> None:
        """Pauses a job: starts nothing more of its leased chunks, and releases each once it is idle.

        Safe to repeat. Chunks that are leased later, after the job was resumed, are worked on: a pause that
        arrives too late costs no more than a new lease.
        """
        job = self._leased.jobs.get(job_id)
        if job is None or job.stopped:
            return
        self._waiting.remove(job)  # backoffs run on, so that the release reports the rest of each
        for chunk in [chunk for chunk in job.chunks.values() if chunk.unfinished]:
            chunk.release_when_idle = True
            self._reporting.release_if_idle(chunk)

    def lose(self, refs: Iterable[results_pb2.LeaseRef]) -> None:
        """Forgets leases that results gave to other workers; calls in flight still end and are recorded."""
        for ref in refs:
            chunk = self._leased.find(ref)
            if chunk is None or chunk.releasing or (chunk.unacknowledged_count and not chunk.unfinished):
                continue
            self._reporting.lose_chunk(chunk)

    async def drain(self, grace_seconds: float) -> None:
        """Starts nothing more, lets calls in flight end within the grace period, and releases everything."""
        self._draining = True
        for job in list(self._leased.jobs.values()):
            self._waiting.remove(job)
        self._reporting.release_all_idle()
        await self._in_flight.drain(grace_seconds)
        self._reporting.release_all_idle()

    def _on_slots_freed(self) -> None:
        self._capacity.changed()
        self.start_items()

    def _release_idle_chunks(self, job: LeasedJob, not_before_seconds: float = 0.0) -> None:
        # A chunk whose items all have an outcome ends with their records.
        for chunk in [chunk for chunk in job.chunks.values() if chunk.unfinished]:
            self._reporting.release_if_idle(chunk, not_before_seconds)

    def _on_attempt_ended(
        self, item: LeasedItem, outcome: ItemOutcome | None, fault: BaseException | None
    ) -> None:
        chunk = item.chunk
        if chunk.quarantined:
            for parked in self._quarantine_slots.give_back(item):
                self._wait(parked)
        if outcome is not None:
            self._act_on(item, outcome)
        elif fault is not None:
            self._act_on_lost_child(item, fault)
        else:
            item.interrupted = item.message.usage.call_count > 0
        if chunk.job.stopped or self._draining or chunk.release_when_idle:
            self._reporting.release_if_idle(chunk)
        elif chunk.held_back and self._may_continue(chunk):
            self._resume_held_items(chunk, was_held_back=outcome is not None and outcome.needed_micros > 0)
        self._capacity.changed()
        self.start_items()

    def _act_on(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        if outcome.job_failed:
            self._fail_job(item, outcome)
        elif outcome.needed_micros:
            item.hold_back(outcome)
        elif outcome.retry_delay is None:
            self._reporting.record(item, outcome, partial(self._on_acknowledged, item.chunk))
        elif item.chunk.lost:
            return  # another worker attempts it again
        else:
            item.add_failed_attempt(outcome)
            if outcome.retry_delay <= LOCAL_BACKOFF_SECONDS and self._may_continue(item.chunk):
                self._waiting.back_off(item, outcome.retry_delay, self._attempt_again)
            else:
                self._reporting.defer(item, outcome.retry_delay)

    def _act_on_lost_child(self, item: LeasedItem, fault: BaseException) -> None:
        if isinstance(fault, ChildDiedError):
            item.suspect()
            self._waiting.remove(item.chunk.job, item.chunk)
        elif self._may_continue(item.chunk):
            log.error("quarantine_child_not_started", error=str(fault), **fields_of(item.chunk.job.spec))
            self._waiting.back_off(item, CHILD_RESTART_SECONDS, self._attempt_again)

    def _resume_held_items(self, chunk: LeasedChunk, *, was_held_back: bool) -> None:
        """Attempts held-back items of a chunk again, or releases it if no call of them can ever fit.

        Args:
            chunk: The chunk.
            was_held_back: Whether the attempt that ended was held back too, and so left nothing over.
        """
        count = RESUME_COUNT
        if was_held_back:
            chunk.needed_micros = chunk.unaffordable_micros()
            if chunk.needed_micros:
                self._reporting.release_chunk(chunk)
                return
            count = 0 if chunk.is_in_flight else 1
        for item in chunk.take_held_back(count):
            self._wait(item)

    def _attempt_again(self, item: LeasedItem) -> None:
        self._wait(item)
        self.start_items()

    def _wait(self, item: LeasedItem) -> None:
        """Puts an item back into the queue, unless nothing of its chunk may start any more."""
        if self._may_continue(item.chunk):
            self._waiting.add(item.chunk.job, [item])

    def _may_continue(self, chunk: LeasedChunk) -> bool:
        return not (chunk.is_ending or chunk.job.stopped or self._draining)

    def _fail_job(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        job = item.chunk.job
        item.add_failed_attempt(outcome)
        error = outcome.error or jobs_pb2.Error(reason=ErrorReason.INTERNAL)
        if not job.stopped:
            log.warning("job_failed", reason=error.reason, **fields_of(job.spec))
        self._reporting.fail_job(item.chunk, error)
        self.stop_job(job.spec.job_id)
        self._reporting.release_if_idle(item.chunk)

    def _on_acknowledged(self, chunk: LeasedChunk, outcome: results_pb2.JobRecordOutcome) -> None:
        if outcome.lost:
            self._reporting.lose_job(chunk.job)
        elif outcome.stop:
            self.stop_job(chunk.job.spec.job_id)
        elif outcome.pause:
            self.pause_job(chunk.job.spec.job_id)
        if not chunk.unfinished and not chunk.unacknowledged_count and not chunk.releasing:
            self._reporting.drop_chunk(chunk)  # every item has its result: the store has ended the lease
        self._capacity.changed()
        self.start_items()
