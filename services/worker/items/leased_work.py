"""What a worker holds: leased chunks, and what has become of each of their items."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.calls.allowance import Allowance
from services.worker.metrics import LEASED_ITEMS


@dataclass(eq=False)
class LeasedItem:
    """An item under lease that is not finished: waiting, waiting out a backoff, or in flight.

    Attributes:
        leased: The item, with the attempts made so far.
        chunk: The chunk it was leased in.
        task: Set while in flight.
        timer: Set while it waits out a backoff.
        last_error: Why its last attempt under this lease failed; None where there was none.
        broken_off: An attempt under this lease was broken off after it had begun a call.
    """

    leased: results_pb2.LeasedItem
    chunk: "LeasedChunk"
    task: asyncio.Task[Any] | None = None
    timer: asyncio.TimerHandle | None = None
    last_error: jobs_pb2.Error | None = None
    broken_off: bool = False


@dataclass(eq=False)
class LeasedChunk:
    """A leased chunk.

    Attributes:
        job: Its job.
        ref: Names the lease.
        round: The retry round of the lease.
        quarantined: Run its items in a child process.
        unfinished: Items without an outcome yet, by index.
        unacknowledged_count: Items with an outcome that results has not acknowledged yet.
        deferred: Whether an item of it was handed back to be tried later.
        releasing: Its release is on its way to results.
        lost: Results gave it to somebody else: nothing new of it is started.
        giving_back: Nothing new of it is started, and it is given back when nothing of it is in flight.
        suspects: Items that were in flight when their child process died, by index.
        allowance: What its calls may still cost; None: its job has no budget.
        held_back: Items that wait for allowance, by index, with the price of the call that each wants.
        needed_micros: The least of these prices, where it is given back for want of allowance.
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
    giving_back: bool = False
    suspects: list[int] = field(default_factory=list)
    allowance: Allowance | None = None
    held_back: dict[int, int] = field(default_factory=dict)
    needed_micros: int = 0

    @property
    def is_in_flight(self) -> bool:
        """Whether an item of it is being worked on."""
        return any(item.task is not None for item in self.unfinished.values())

    @property
    def is_ending(self) -> bool:
        """Whether nothing new of it is started under this lease."""
        return self.lost or self.releasing or self.giving_back


@dataclass(eq=False)
class LeasedJob:
    """A job of which chunks are leased.

    Attributes:
        spec: What results says of the job.
        chunks: Held chunks by index.
        unfinished_count: Items of all its chunks without an outcome yet.
        stopped: The job is being ended: nothing of it is started.
    """

    spec: results_pb2.JobSpec
    chunks: dict[int, LeasedChunk] = field(default_factory=dict)
    unfinished_count: int = 0
    stopped: bool = False

    def in_flight(self) -> list[LeasedItem]:
        """Items of the job that are being worked on."""
        return [i for c in self.chunks.values() for i in c.unfinished.values() if i.task is not None]


class LeasedWork:
    """All jobs and chunks that a worker holds, with counts kept by class."""

    def __init__(self) -> None:
        self.jobs: dict[str, LeasedJob] = {}
        self._unfinished_by_class: dict[jobs_pb2.JobClass, int] = {}

    def add(self, spec: results_pb2.JobSpec, lease: results_pb2.Lease) -> LeasedChunk | None:
        """Takes a lease in; None where it is held already (the answer of a repeated call).

        A newer lease of a chunk that is still held takes the older one's place: the store has given up on
        the older, and its items in flight go on by themselves.
        """
        job = self.jobs.setdefault(spec.job_id, LeasedJob(spec))
        leased = job.chunks.get(lease.ref.chunk_index)
        if leased is not None:
            if leased.ref.fence >= lease.ref.fence:
                return None
            leased.lost = True
            self.drop(leased)
            job = self.jobs.setdefault(spec.job_id, job)
        chunk = LeasedChunk(job, lease.ref, lease.round, lease.quarantined)
        if lease.HasField("allowance_micros"):
            chunk.allowance = Allowance(lease.allowance_micros, is_remainder=lease.is_remainder)
        chunk.unfinished = {item.item_index: LeasedItem(item, chunk) for item in lease.items}
        job.chunks[lease.ref.chunk_index] = chunk
        self._count(job, len(chunk.unfinished))
        return chunk

    def finish(self, item: LeasedItem) -> None:
        """Takes note that an item has an outcome; it no longer takes up capacity."""
        if item.chunk.unfinished.pop(item.leased.item_index, None) is not None:
            self._count(item.chunk.job, -1)

    def drop(self, chunk: LeasedChunk) -> None:
        """Forgets a chunk, and its job with the last one."""
        job = chunk.job
        if job.chunks.get(chunk.ref.chunk_index) is not chunk:
            return
        del job.chunks[chunk.ref.chunk_index]
        self._count(job, -len(chunk.unfinished))
        chunk.unfinished = {}
        if not job.chunks and self.jobs.get(job.spec.job_id) is job:
            del self.jobs[job.spec.job_id]

    def leases(self) -> list[results_pb2.LeaseRef]:
        """The name of every lease leased."""
        return [chunk.ref for job in self.jobs.values() for chunk in job.chunks.values() if not chunk.lost]

    def unfinished_count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Items without an outcome, of one class or of all."""
        if job_class is None:
            return sum(self._unfinished_by_class.values())
        return self._unfinished_by_class.get(job_class, 0)

    def _count(self, job: LeasedJob, change: int) -> None:
        LEASED_ITEMS.inc(change)
        job.unfinished_count += change
        job_class = job.spec.job_class
        self._unfinished_by_class[job_class] = self._unfinished_by_class.get(job_class, 0) + change
