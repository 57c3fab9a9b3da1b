"""The item scheduler: takes leased chunks in, works on their items within one limit, hands outcomes on.

It knows no tasks: leased chunks outlive the message that woke the worker, so there is no barrier between
chunks and no message waits for a long call.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.shared.queue.contract import WEIGHT_BY_CLASS
from services.shared.setting_types import MEMORY
from services.stubs.results.v1 import results_pb2
from services.worker.calls.allowance import Allowance
from services.worker.calls.tenant_slots import TenantSlotRegistry, open_tenant_slots
from services.worker.items import report_entries as entries
from services.worker.items.capacity import Capacity
from services.worker.items.chunk_returns import ChunkReturns
from services.worker.items.fair_queue import FairQueue
from services.worker.items.fault_outcome import fault_outcome
from services.worker.items.item_runner import ItemOutcome
from services.worker.items.item_time import duration_of
from services.worker.items.job_logging import fields_of
from services.worker.items.leased_work import LeasedChunk, LeasedItem, LeasedJob, LeasedWork
from services.worker.items.live_numbers import LiveNumbers, ModelWaits
from services.worker.items.quarantine import ChildDiedError, ChildNotStartedError
from services.worker.items.recorder import Recorder
from services.worker.items.report_messages import item_record
from services.worker.items.tenant_work import TenantWork
from services.worker.metrics import ITEMS_IN_FLIGHT

log = get_logger(__name__)

UNACKNOWLEDGED_LIMIT = 200
# A backoff up to this is waited out here, in seconds; a longer one goes to the store with a due time.
LOCAL_BACKOFF_SECONDS = 5.0
# How long a draining worker waits for calls that it has broken off, in seconds.
CUT_OFF_SECONDS = 5.0
# A cool-down longer than this gives the job's waiting chunks back, in seconds.
RUN_SECONDS = 30.0
# Quarantined items in flight at most: one that kills their process makes suspects of them all.
QUARANTINED_LIMIT = 10
# Items that try again when one of their chunk has left over some of its allowance.
LET_ON_COUNT = 2
# How soon a child process that could not be started is tried again, in seconds.
CHILD_RESTART_SECONDS = 5.0


class AttemptRunner(Protocol):
    """What makes attempts of items."""

    async def run(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, allowance: Allowance | None
    ) -> ItemOutcome:
        """Makes one attempt of an item, within what the calls of its chunk may still cost."""


class Runner(AttemptRunner, ModelWaits, Protocol):
    """What the scheduler needs of the item runner."""

    @property
    def limited_count(self) -> int:
        """How many items, at most, wait for a rate limit or for a place of their tenant."""

    def makes_calls(self, spec: results_pb2.JobSpec) -> bool:
        """Whether the items of the job call a model."""

    def forget(self, job_id: str) -> None:
        """Lets go of what is kept for a job."""


class ItemScheduler:
    """Works on the items of leased chunks.

    Args:
        runner: Makes the attempts.
        quarantine: Makes those of quarantined items.
        recorder: Takes the outcomes.
        leased: What is held; shared with the heartbeat.
        limit: Items in flight at most.
        may_start: Whether new items may start now (the worker counts as live).
        tenants: Limits of tenants; None: there are none.
    """

    def __init__(
        self,
        runner: Runner,
        quarantine: AttemptRunner,
        recorder: Recorder,
        *,
        leased: LeasedWork,
        limit: int,
        may_start: Callable[[], bool],
        tenants: TenantSlotRegistry | None = None,
    ) -> None:
        self._runner = runner
        self._quarantine = quarantine
        self._recorder = recorder
        self._may_start = may_start
        self._queue: FairQueue[jobs_pb2.JobClass, LeasedItem] = FairQueue(WEIGHT_BY_CLASS)
        self._in_flight: set[asyncio.Task[ItemOutcome]] = set()
        self._quarantined_count = 0
        self._behind_quarantined: list[LeasedItem] = []
        self._wake_timer: asyncio.TimerHandle | None = None
        self._draining = False
        self.leased = leased
        self.limit = limit
        no_limits = open_tenant_slots({}, MEMORY, "", limit)
        self.tenant_work = TenantWork(leased, tenants or no_limits, runner.makes_calls, self._slots_came)
        self.capacity = Capacity(leased, limit, self.tenant_work.parked_count)
        self.live = LiveNumbers(leased, runner, also_waiting=self.tenant_work.is_waiting)
        self.returns = ChunkReturns(recorder, leased, self._queue, runner.forget, self.capacity.changed)

    @property
    def in_flight_count(self) -> int:
        """Items being worked on."""
        return len(self._in_flight)

    def accept(self, specs: dict[str, results_pb2.JobSpec], leases: Iterable[results_pb2.Lease]) -> None:
        """Takes leased chunks in and starts what there is a slot for.

        Args:
            specs: Of every job that a lease names.
            leases: New ones; those held already are passed over.
        """
        for lease in leases:
            chunk = self.leased.add(specs[lease.ref.job_id], lease)
            if chunk is None:
                continue
            spec = chunk.job.spec
            log.debug("chunk_leased", chunk_index=lease.ref.chunk_index, **fields_of(spec))
            self._queue.push(spec.job_class, spec.tenant, spec.job_id, chunk.unfinished.values())
            if chunk.job.stopped or self._draining or not chunk.unfinished:
                self.returns.give_back(chunk)
        self.pump()

    def pump(self) -> None:
        """Starts waiting items while there are slots and nothing forbids it; call it at any change.

        What waits for a rate limit holds no slot; for a job whose calls wait nothing more is started.
        """
        while (
            len(self._in_flight) - self._runner.limited_count < self.limit
            and self._recorder.unacknowledged_count < UNACKNOWLEDGED_LIMIT
            and not self._draining
            and self._may_start()
        ):
            item = self._queue.pop(self._job_ready)
            if item is None:
                return
            self._start(item)

    def stop_job(self, job_id: str) -> None:
        """Breaks off a job: calls in flight are cancelled, its chunks given back. Repeating is harmless."""
        job = self.leased.jobs.get(job_id)
        if job is None or job.stopped:
            return
        job.stopped = True
        if job.unfinished_count:  # else it has ended by itself
            log.info("job_stopped", unfinished_count=job.unfinished_count, **fields_of(job.spec))
        self.returns.discard(job, lambda item: True)
        for item in job.in_flight():
            if item.task is not None:
                item.task.cancel()
        # A chunk all of whose items have an outcome ends with their records.
        for chunk in [chunk for chunk in job.chunks.values() if chunk.unfinished]:
            self.returns.give_back_if_idle(chunk)

    def pause_job(self, job_id: str) -> None:
        """Starts nothing more of the chunks held of a job: each is given back once its calls in flight ended.

        Repeating is harmless. Chunks of the job that are leased later, when it goes on, are worked on; so one
        that is told too late costs no more than a new lease.
        """
        job = self.leased.jobs.get(job_id)
        if job is None or job.stopped:
            return
        spec = job.spec
        self._queue.discard(spec.job_class, spec.tenant, spec.job_id, lambda item: True)
        for chunk in [chunk for chunk in job.chunks.values() if chunk.unfinished]:
            chunk.giving_back = (
                True  # backoffs run on, so that the store is told how long they have still to last
            )
            self.returns.give_back_if_idle(chunk)

    def lose(self, refs: Iterable[results_pb2.LeaseRef]) -> None:
        """Forgets leases that results gave to others; calls in flight end and are recorded all the same."""
        for ref in refs:
            job = self.leased.jobs.get(ref.job_id)
            chunk = job.chunks.get(ref.chunk_index) if job else None
            if job is None or chunk is None or chunk.ref.fence != ref.fence or chunk.releasing:
                continue
            if chunk.unfinished or not chunk.unacknowledged_count:
                self.returns.lose(chunk)

    async def drain(self, grace_seconds: float) -> None:
        """Starts nothing more, lets calls in flight end within the grace, gives everything back."""
        self._draining = True
        for job in list(self.leased.jobs.values()):
            spec = job.spec
            self._queue.discard(spec.job_class, spec.tenant, spec.job_id, lambda item: True)
        self.returns.give_back_idle()
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=grace_seconds)
        cut_off = set(self._in_flight)
        for task in cut_off:
            task.cancel()
        if cut_off:
            await asyncio.wait(cut_off, timeout=CUT_OFF_SECONDS)
        self.returns.give_back_idle()

    def unwanted_job_ids(self, job_class: jobs_pb2.JobClass) -> list[str]:
        """Held jobs of a class of which nothing more should be leased now.

        Their provider cools down, or they are stopped and not given back yet: what was leased of a job that
        is retried meanwhile would only be given back too.
        """
        return [
            job_id
            for job_id, job in self.leased.jobs.items()
            if job.spec.job_class == job_class and (job.stopped or self._runner.wait_seconds(job.spec) > 0)
        ]

    def _job_ready(self, job_id: str) -> bool:
        job = self.leased.jobs.get(job_id)
        if job is None:
            return True
        wait = self._runner.wait_seconds(job.spec)
        if wait <= 0:
            return self.tenant_work.may_start(job.spec)  # where not, it tells when that changes
        self._wake_after(min(wait, 1.0))
        if wait > RUN_SECONDS:
            asyncio.get_running_loop().call_soon(self._give_back_cooling, job, wait)
        return False

    def _slots_came(self) -> None:
        self.capacity.changed()
        self.pump()

    def _wake_after(self, seconds: float) -> None:
        if self._wake_timer is None:
            self._wake_timer = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._wake_timer = None
        self.pump()

    def _give_back_cooling(self, job: LeasedJob, wait: float) -> None:
        for chunk in list(job.chunks.values()):
            if chunk.unfinished:
                self.returns.give_back_if_idle(chunk, not_before_seconds=wait)

    def _start(self, item: LeasedItem) -> None:
        if item.chunk.is_ending:
            return
        runner: AttemptRunner = self._runner
        if item.chunk.quarantined:
            # With a budget one at a time: its process cannot share an allowance with this one.
            if self._quarantined_count == (1 if item.chunk.allowance else QUARANTINED_LIMIT):
                self._behind_quarantined.append(item)
                return
            self._quarantined_count += 1
            runner = self._quarantine
        else:
            self.tenant_work.started(item.chunk.job.spec)
        spec = item.chunk.job.spec
        task = asyncio.create_task(runner.run(spec, item.leased, item.chunk.allowance))
        item.task = task
        self._in_flight.add(task)
        ITEMS_IN_FLIGHT.inc()
        self.live.started(spec.job_id)
        # Not done by the task itself: cancelled before its first step, it would run none of its code.
        task.add_done_callback(partial(self._ended, item))

    def _ended(self, item: LeasedItem, task: asyncio.Task[ItemOutcome]) -> None:
        outcome = _outcome_of(item, task)
        self._in_flight.discard(task)
        ITEMS_IN_FLIGHT.dec()
        item.task = None
        if item.chunk.quarantined:
            self._quarantined_count -= 1
            behind, self._behind_quarantined = self._behind_quarantined, []
            for other in behind:
                self._wait(other)
        else:
            self.tenant_work.ended(item.chunk.job.spec)
        job, chunk = item.chunk.job, item.chunk
        self.live.ended(job.spec.job_id, outcome, item.leased.usage)
        if outcome is not None:
            self._settle(item, outcome)
        elif task.cancelled():
            item.broken_off = item.leased.usage.call_count > 0
        else:
            self._leave_child(item, task.exception())
        if job.stopped or self._draining or chunk.giving_back:
            self.returns.give_back_if_idle(chunk)
        elif chunk.held_back and self._may_go_on(chunk):
            self._let_on(chunk, 0 if outcome is not None and outcome.needed_micros else LET_ON_COUNT)
        self.capacity.changed()
        self.pump()

    def _settle(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        if outcome.job_failed:
            self._fail_job(item, outcome)
        elif outcome.needed_micros:
            self._hold_back(item, outcome)
        elif outcome.retry_delay is None:
            self._record(item, outcome)
        elif item.chunk.lost:
            return  # somebody else attempts it again
        elif outcome.retry_delay <= LOCAL_BACKOFF_SECONDS and self._may_go_on(item.chunk):
            self._note_attempt(item, outcome)
            loop = asyncio.get_running_loop()
            item.timer = loop.call_later(outcome.retry_delay, self._retry_now, item)
        else:
            self._defer(item, outcome)

    def _hold_back(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        """Lets an item wait, without a slot, for what calls of its chunk leave of their allowance."""
        item.leased.usage.CopyFrom(outcome.usage)
        item.leased.work_time.CopyFrom(duration_of(outcome.worked_seconds))
        item.broken_off = outcome.usage.call_count > 0
        item.chunk.held_back[item.leased.item_index] = outcome.needed_micros

    def _let_on(self, chunk: LeasedChunk, count: int) -> None:
        """Attempts some of a chunk's items again that wait for allowance.

        Where the last one in flight was held back too, there is no more to come: then it is given back,
        unless what is left does suffice by now.
        """
        if count == 0 and chunk.allowance is not None and not chunk.is_in_flight:
            wanted = min(chunk.held_back.values())
            if wanted > chunk.allowance.left_micros:
                chunk.needed_micros = wanted
                self.returns.give_back(chunk)
                return
            count = 1
        for index, _ in sorted(chunk.held_back.items(), key=lambda entry: entry[1])[:count]:
            del chunk.held_back[index]
            self._wait(chunk.unfinished[index])

    def _leave_child(self, item: LeasedItem, fault: BaseException | None) -> None:
        """Suspects an item of having killed its child process; one that had none is tried again."""
        chunk, spec = item.chunk, item.chunk.job.spec
        if isinstance(fault, ChildDiedError):
            chunk.suspects.append(item.leased.item_index)
            chunk.giving_back = True
            self._queue.discard(spec.job_class, spec.tenant, spec.job_id, lambda other: other.chunk is chunk)
        elif self._may_go_on(chunk):
            log.error("quarantine_child_not_started", error=str(fault), **fields_of(spec))
            loop = asyncio.get_running_loop()
            item.timer = loop.call_later(CHILD_RESTART_SECONDS, self._retry_now, item)

    def _retry_now(self, item: LeasedItem) -> None:
        item.timer = None
        self._wait(item)
        self.pump()

    def _wait(self, item: LeasedItem) -> None:
        """Puts an item back into the queue, unless nothing of it shall be started any more."""
        spec = item.chunk.job.spec
        if self._may_go_on(item.chunk):
            self._queue.push(spec.job_class, spec.tenant, spec.job_id, [item])

    def _may_go_on(self, chunk: LeasedChunk) -> bool:
        return not (chunk.is_ending or chunk.job.stopped or self._draining)

    def _record(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        chunk = item.chunk
        self.leased.finish(item)
        spec, record = chunk.job.spec, item_record(item, outcome)
        chunk.unacknowledged_count += 1
        self._recorder.add(
            entries.result_entry(spec.job_id, record, lambda o: self._acknowledged(chunk, o), spec.tenant),
            urgent=chunk.job.unfinished_count == 0,
        )
        self._release_if_over(chunk)

    def _defer(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        chunk = item.chunk
        self._note_attempt(item, outcome)
        self.leased.finish(item)
        chunk.deferred = True
        self.returns.hand_over(item, outcome.retry_delay or 0.0)
        self._release_if_over(chunk)

    def _note_attempt(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        item.leased.attempt_count = outcome.attempt_count
        item.leased.usage.CopyFrom(outcome.usage)
        item.leased.work_time.CopyFrom(duration_of(outcome.worked_seconds))
        item.leased.ClearField("failed_attempts")
        item.leased.failed_attempts.extend(outcome.failed_attempts)
        item.last_error = outcome.error or jobs_pb2.Error()

    def _release_if_over(self, chunk: LeasedChunk) -> None:
        """Gives back a chunk without unfinished items of which the store may know some that wait.

        The first lease of a chunk has all of its items; where all have a result the store ends it by itself.
        """
        may_go_on = chunk.deferred or chunk.quarantined or chunk.ref.fence > 1
        if may_go_on and not chunk.unfinished:
            self.returns.give_back(chunk)

    def _fail_job(self, item: LeasedItem, outcome: ItemOutcome) -> None:
        job = item.chunk.job
        self._note_attempt(item, outcome)
        error = outcome.error or jobs_pb2.Error(reason="INTERNAL")
        if not job.stopped:
            log.warning("job_failed", reason=error.reason, **fields_of(job.spec))
        self._recorder.add(entries.job_error_entry(job.spec.job_id, error, lambda o: None), urgent=True)
        self.stop_job(job.spec.job_id)
        self.returns.give_back_if_idle(item.chunk)

    def _acknowledged(self, chunk: LeasedChunk, outcome: results_pb2.JobRecordOutcome) -> None:
        chunk.unacknowledged_count -= 1
        if outcome.lost:
            self.returns.lose_job(chunk.job)
        elif outcome.stop:
            self.stop_job(chunk.job.spec.job_id)
        elif outcome.pause:
            self.pause_job(chunk.job.spec.job_id)
        if not chunk.unfinished and not chunk.unacknowledged_count and not chunk.releasing:
            self.returns.drop(chunk)  # every item has its result: the store has ended the lease
        self.capacity.changed()
        self.pump()


def _outcome_of(item: LeasedItem, task: asyncio.Task[ItemOutcome]) -> ItemOutcome | None:
    """Returns what an attempt came to, None where it was broken off or lost its child process."""
    if task.cancelled():
        return None
    fault = task.exception()
    if fault is None:
        return task.result()
    if isinstance(fault, (ChildDiedError, ChildNotStartedError)):
        return None
    return fault_outcome(item.chunk.job.spec, item.leased, fault)
