"""The work that a worker has leased: jobs, chunks and their unfinished items."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.calls.allowance import Allowance
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.attempts.item_time import duration_of
from services.worker.metrics import LEASED_ITEMS


@dataclass(eq=False)
class LeasedItem:
    """An unfinished item under lease: waiting, in a backoff, or in flight.

    Attributes:
        message: The item as leased, updated with each attempt.
        chunk: Chunk that it was leased in.
        task: Set while in flight.
        timer: Set while in a backoff.
        last_error: Error of its last failed attempt under this lease. None: no attempt failed.
        interrupted: Whether an attempt under this lease was cut short after it had begun a call.
        is_refundable: Whether its last attempt that counted failed by a fault of the provider.
        is_refunded: Whether such an attempt was refunded under this lease.
    """

    message: results_pb2.LeasedItem
    chunk: "LeasedChunk"
    task: asyncio.Task[Any] | None = None
    timer: asyncio.TimerHandle | None = None
    last_error: jobs_pb2.Error | None = None
    interrupted: bool = False
    is_refundable: bool = False
    is_refunded: bool = False

    def add_failed_attempt(self, outcome: ItemOutcome) -> None:
        """Adds an attempt that will be repeated."""
        if outcome.attempt_count > self.message.attempt_count:
            self.is_refundable = outcome.is_provider_fault
        self.message.attempt_count = outcome.attempt_count
        self._add_usage(outcome)
        self.message.ClearField("failed_attempts")
        self.message.failed_attempts.extend(outcome.failed_attempts)
        self.last_error = outcome.error or jobs_pb2.Error()
        if self.chunk.job.outage_id:  # the outage began before this outcome arrived
            self.refund_attempt()

    def refund_attempt(self) -> None:
        """Deducts its last attempt if a fault of the provider ended it, because an outage has begun.

        Once only: an item that brings the provider down each time uses up its attempts all the same.
        """
        if not self.is_refundable or self.is_refunded or self.chunk.quarantined:
            return
        self.is_refundable, self.is_refunded = False, True
        failed = self.message.failed_attempts
        if failed and failed[-1].attempt_number == self.message.attempt_count:
            del failed[-1]
        self.message.attempt_count -= 1

    def hold_back(self, outcome: ItemOutcome) -> None:
        """Makes the item wait, without a slot, for what other calls of its chunk leave of the allowance."""
        self._add_usage(outcome)
        self.interrupted = outcome.usage.call_count > 0
        self.chunk.held_back[self.message.item_index] = outcome.needed_micros

    def suspect(self) -> None:
        """Suspects the item of having killed its child process, and ends its chunk once it is idle."""
        self.chunk.suspects.append(self.message.item_index)
        self.chunk.release_when_idle = True

    def _add_usage(self, outcome: ItemOutcome) -> None:
        self.message.usage.CopyFrom(outcome.usage)
        self.message.work_time.CopyFrom(duration_of(outcome.worked_seconds))


@dataclass(eq=False)
class LeasedChunk:
    """A leased chunk.

    Attributes:
        job: Its job.
        ref: Name of the lease.
        round: Retry round of the lease.
        quarantined: Whether its items run in a child process.
        unfinished: Items without an outcome, by index.
        unacknowledged_count: Items with an outcome that results has not acknowledged.
        deferred: Whether an item of it was deferred to a later attempt.
        releasing: Whether its release is on the way to results.
        lost: Whether results gave it to another worker. Nothing new of it starts.
        release_when_idle: Whether it is released once nothing of it is in flight. Nothing new of it starts.
        suspects: Indexes of the items that were in flight when their child process died.
        allowance: Amount that its calls may still cost. None: its job has no budget.
        held_back: Items waiting for allowance, by index, each with the price of the call it wants to make.
        needed_micros: Lowest of these prices if the chunk is released for lack of allowance; otherwise 0.
    """

    job: "LeasedJob"
    ref: results_pb2.LeaseRef
    round: int
    quarantined: bool
    unfinished: dict[int, LeasedItem] = field(default_factory=dict)
    unacknowledged_count: int = 0
    deferred: bool = False
    releasing: bool = False
    lost: bool = False
    release_when_idle: bool = False
    suspects: list[int] = field(default_factory=list)
    allowance: Allowance | None = None
    held_back: dict[int, int] = field(default_factory=dict)
    needed_micros: int = 0

    @property
    def is_in_flight(self) -> bool:
        """Whether an item of it is in flight."""
        return any(item.task is not None for item in self.unfinished.values())

    @property
    def is_ending(self) -> bool:
        """Whether nothing new of it starts under this lease."""
        return self.lost or self.releasing or self.release_when_idle

    def unaffordable_micros(self) -> int:
        """Returns the price of the cheapest held-back call if it can never fit; 0: it may.

        It can never fit if it costs more than the rest of the allowance, and nothing is in flight that could
        leave more.
        """
        if self.allowance is None or self.is_in_flight:
            return 0
        lowest = min(self.held_back.values())
        return lowest if lowest > self.allowance.left_micros else 0

    def take_held_back(self, count: int) -> list[LeasedItem]:
        """Removes and returns the items that wait for the least allowance, up to the count."""
        indexes = sorted(self.held_back, key=self.held_back.__getitem__)[:count]
        for index in indexes:
            del self.held_back[index]
        return [self.unfinished[index] for index in indexes]


@dataclass(eq=False)
class LeasedJob:
    """A job with leased chunks.

    Attributes:
        spec: The job as results describes it.
        chunks: Leased chunks by index.
        unfinished_count: Items without an outcome in all its chunks.
        in_flight_count: Items in flight.
        backoff_count: Items in a backoff.
        stopped: Whether the job is being stopped. Nothing of it starts.
        failed_probes: Failed probes of a lasting outage when the job was first seen in it. None: not in one.
        blocked_until: Time of the loop until which no item of it starts. 0: it is not held up.
        pause_requested: Whether the store was asked to pause the job.
        outage_id: Id of the outage of its model when the job was last checked. Empty: there was none.
    """

    spec: results_pb2.JobSpec
    chunks: dict[int, LeasedChunk] = field(default_factory=dict)
    unfinished_count: int = 0
    in_flight_count: int = 0
    backoff_count: int = 0
    stopped: bool = False
    failed_probes: int | None = None
    pause_requested: bool = False
    blocked_until: float = 0.0
    outage_id: str = ""

    @property
    def unstarted_count(self) -> int:
        """Items without an outcome that are not in flight."""
        return max(0, self.unfinished_count - self.in_flight_count)

    def refund_attempts(self, outage_id: str) -> None:
        """Refunds the attempts that failed shortly before an outage. Repeating it does nothing."""
        if self.outage_id == outage_id:
            return
        self.outage_id = outage_id
        for chunk in self.chunks.values():
            for item in chunk.unfinished.values():
                item.refund_attempt()

    def in_flight(self) -> list[LeasedItem]:
        """Returns the items of the job that are in flight."""
        return [i for c in self.chunks.values() for i in c.unfinished.values() if i.task is not None]


class LeasedWork:
    """All leased jobs and chunks of a worker, with item counts by class.

    Attributes:
        jobs: Jobs with leased chunks, by id. Read only for others.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, LeasedJob] = {}
        self._unfinished_by_class: dict[jobs_pb2.JobClass, int] = {}

    def add(self, spec: results_pb2.JobSpec, lease: results_pb2.Lease) -> LeasedChunk | None:
        """Adds a lease; returns None if it is already here (the response of a repeated call).

        A newer lease of a chunk replaces the older one: the store has given up on the older one, and its
        items in flight run to their end.
        """
        job = self.jobs.setdefault(spec.job_id, LeasedJob(spec))
        older = job.chunks.get(lease.ref.chunk_index)
        if older is not None:
            if older.ref.fence >= lease.ref.fence:
                return None
            older.lost = True
            self.drop(older)
            job = self.jobs.setdefault(spec.job_id, job)
        chunk = LeasedChunk(job=job, ref=lease.ref, round=lease.round, quarantined=lease.quarantined)
        if lease.HasField("allowance_micros"):
            chunk.allowance = Allowance(lease.allowance_micros, is_remainder=lease.is_remainder)
        chunk.unfinished = {item.item_index: LeasedItem(item, chunk) for item in lease.items}
        job.chunks[lease.ref.chunk_index] = chunk
        self._count(job, len(chunk.unfinished))
        return chunk

    def find(self, ref: results_pb2.LeaseRef) -> LeasedChunk | None:
        """Returns the chunk of a lease, or None if it is not here under this fence."""
        job = self.jobs.get(ref.job_id)
        chunk = job.chunks.get(ref.chunk_index) if job else None
        return chunk if chunk is not None and chunk.ref.fence == ref.fence else None

    def finish(self, item: LeasedItem) -> None:
        """Removes an item that has an outcome; it takes up no more capacity."""
        if item.chunk.unfinished.pop(item.message.item_index, None) is not None:
            self._count(item.chunk.job, -1)

    def holds(self, chunk: LeasedChunk) -> bool:
        """Returns whether a chunk is still here, under this lease."""
        return chunk.job.chunks.get(chunk.ref.chunk_index) is chunk

    def drop(self, chunk: LeasedChunk) -> None:
        """Forgets a chunk, and its job with the last one."""
        job = chunk.job
        if not self.holds(chunk):
            return
        del job.chunks[chunk.ref.chunk_index]
        self._count(job, -len(chunk.unfinished))
        chunk.unfinished = {}
        if not job.chunks and self.jobs.get(job.spec.job_id) is job:
            del self.jobs[job.spec.job_id]

    def leases(self) -> list[results_pb2.LeaseRef]:
        """Returns the names of all leases that are not lost."""
        return [chunk.ref for job in self.jobs.values() for chunk in job.chunks.values() if not chunk.lost]

    def unfinished_count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns the items without an outcome, of one class or of all."""
        if job_class is None:
            return sum(self._unfinished_by_class.values())
        return self._unfinished_by_class.get(job_class, 0)

    def _count(self, job: LeasedJob, change: int) -> None:
        LEASED_ITEMS.inc(change)
        job.unfinished_count += change
        job_class = job.spec.job_class
        self._unfinished_by_class[job_class] = self._unfinished_by_class.get(job_class, 0) + change
