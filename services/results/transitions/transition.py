"""One transition of the store: jobs locked, facts changed, and in the end states, seq and effects."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import copy
from functools import partial
from typing import cast

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Transaction
from services.results.metrics import ITEMS_RECORDED
from services.results.rows import chunk_rows, item_rows, job_rows, worker_rows
from services.results.rows.item_rows import ItemRange, NewResult
from services.results.rows.job_usage import count_results
from services.results.rows.messages import job_message
from services.results.rules.budgets import is_paused_for_budget
from services.results.rules.facts import Chunk, Job
from services.results.rules.settling import is_leasable_now, is_news, settle
from services.results.transitions.job_events import job_ended, job_paused
from services.shared.metrics import ITEM_STATE_LABELS
from services.stubs.results.v1 import results_pb2


class Transition:
    """Jobs under lock, and what is done to them; ``finish`` writes it.

    Attributes:
        tx: The transaction.
        jobs: The locked jobs, by id.
    """

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.jobs: dict[str, Job] = {}
        self._jobs_before: dict[str, Job] = {}
        self._chunks: dict[tuple[str, int], Chunk] = {}
        self._chunks_before: dict[tuple[str, int], Chunk] = {}
        self._new_chunks: list[Chunk] = []
        self._reopened: list[Chunk] = []
        self._latest_reason: dict[str, str] = {}
        self._to_notify: set[str] = set()

    @property
    def now(self) -> int:
        """The transaction's time, in microseconds."""
        return self.tx.now

    async def lock(self, job_ids: Iterable[str], *, only_free: bool = False) -> None:
        """Locks jobs; those unknown do not appear in ``jobs``. Once a transition: the order matters."""
        self.adopt(await job_rows.lock_jobs(self.tx, job_ids, only_free=only_free))

    def adopt(self, jobs: dict[str, Job]) -> None:
        """Takes jobs that are locked already."""
        self.jobs |= jobs
        self._jobs_before |= {job_id: copy(job) for job_id, job in jobs.items()}

    def watch_chunks(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """Returns the chunks, known from now on: what is changed of them is written in the end.

        A chunk that is known already is returned as it was known.
        """
        found = []
        for chunk in chunks:
            name = (chunk.job_id, chunk.chunk_index)
            if name not in self._chunks:
                self._chunks[name] = chunk
                self._chunks_before[name] = copy(chunk)
            found.append(self._chunks[name])
        return found

    def end_lease(self, chunk: Chunk) -> None:
        """Takes a chunk from its holder, with its allowance; with unfinished items it is leasable again."""
        chunk.lease_incarnation = chunk.lease_call_id = chunk.lease_time = None
        self.jobs[chunk.job_id].leased_chunk_count -= 1
        self.move_allowance(chunk, -chunk.allowance_micros)
        if chunk.unfinished_count:
            self._reopened.append(chunk)

    def move_allowance(self, chunk: Chunk, change: int) -> None:
        """Changes what is reserved for a chunk's lease; it does not fall below 0, whatever is taken."""
        change = max(change, -chunk.allowance_micros)
        chunk.allowance_micros += change
        self.jobs[chunk.job_id].reserved_micros += change

    def finish_item(self, chunk: Chunk) -> None:
        """Counts an item of a chunk that has got its result; the last one closes the chunk."""
        chunk.unfinished_count -= 1
        if chunk.unfinished_count == 0:
            self.jobs[chunk.job_id].open_chunk_count -= 1
            if chunk.lease_incarnation is not None:
                self.end_lease(chunk)

    def add_chunk(self, chunk: Chunk) -> None:
        """Adds a chunk, not leased, to its job, which gives it its chunk_index."""
        job = self.jobs[chunk.job_id]
        chunk.chunk_index = job.chunk_count
        job.chunk_count += 1
        job.open_chunk_count += 1
        self._new_chunks.append(chunk)
        self._reopened.append(chunk)

    def split(self, chunk: Chunk, at_index: int, unfinished_after: int) -> Chunk:
        """Returns a chunk of its own, made of what follows an index; neither is leased.

        Args:
            chunk: The chunk; it keeps what is before.
            at_index: Index of the first item that goes over.
            unfinished_after: Unfinished items that go over.
        """
        rest = dataclasses.replace(
            chunk,
            first_index=at_index,
            item_count=chunk.end_index - at_index,
            unfinished_count=unfinished_after,
            fence=0,
        )
        chunk.item_count = at_index - chunk.first_index
        chunk.unfinished_count -= unfinished_after
        self.add_chunk(rest)
        return rest

    async def add_results(self, results: list[NewResult]) -> dict[tuple[str, int], int]:
        """Returns the items whose result went in, with their job's counters moved by exactly these.

        The values are what each has cost beyond what was counted before.
        """
        inserted = await item_rows.insert_results(self.tx, results)
        recorded: Counter[int] = Counter()
        new = [result for result in results if (result.job_id, result.item_index) in inserted]
        costs = await count_results(self.tx, self.jobs, new)
        for result in new:
            job = self.jobs[result.job_id]
            recorded[result.state] += 1
            if result.state == jobs_pb2.ITEM_STATE_SUCCEEDED:
                job.succeeded_count += 1
            else:
                job.failed_count += 1
                self._latest_reason[job.job_id] = result.error_reason
        self.tx.after_commit(partial(_count_recorded, recorded))
        return costs

    def notify_holders(self, job_id: str) -> None:
        """Asks for the names of the workers that hold leases of a job, in the effects."""
        self._to_notify.add(job_id)

    async def finish(self) -> results_pb2.Effects:
        """Returns the effects, with every change written, states computed and seq moved."""
        await self._set_due_times()
        self._count_quarantined()
        chunk_rows.save_chunks(
            self.tx, [c for name, c in self._chunks.items() if c != self._chunks_before[name]]
        )
        chunk_rows.insert_chunks(self.tx, self._new_chunks)
        deferring = [j.job_id for j in self.jobs.values() if j.has_deferrals and j.finish_time is None]
        waits = await job_rows.read_waits(self.tx, deferring) if deferring else {}
        for job in self.jobs.values():
            settle(job, self.now, waits.get(job.job_id, 0), self._latest_reason.get(job.job_id, ""))
            if is_news(self._jobs_before[job.job_id], job):
                job.seq = self._jobs_before[job.job_id].seq + 1
            if is_paused_for_budget(job) and not is_paused_for_budget(self._jobs_before[job.job_id]):
                self.tx.after_commit(partial(job_paused, job))
            if job.finish_time not in (None, self._jobs_before[job.job_id].finish_time):
                self.tx.after_commit(partial(job_ended, job))
        job_rows.save_jobs(
            self.tx, [job for job in self.jobs.values() if job != self._jobs_before[job.job_id]]
        )
        return await self._effects()

    def _count_quarantined(self) -> None:
        for name, chunk in self._chunks.items():
            change = chunk.is_free_in_quarantine - self._chunks_before[name].is_free_in_quarantine
            self.jobs[chunk.job_id].quarantined_chunk_count += change
        for chunk in self._new_chunks:
            self.jobs[chunk.job_id].quarantined_chunk_count += chunk.is_free_in_quarantine

    async def _set_due_times(self) -> None:
        """Gives chunks all of whose unfinished items wait the time when the first of them is due."""
        chunks = [c for c in self._reopened if self.jobs[c.job_id].has_deferrals]
        ranges = [self.range_of(chunk) for chunk in chunks]
        attempts = await item_rows.read_attempts(self.tx, ranges)
        finished = await item_rows.read_finished(self.tx, ranges) if attempts else set()
        for chunk in self._reopened:
            chunk.due_time = 0
        for chunk in chunks:
            names = ((chunk.job_id, index) for index in range(chunk.first_index, chunk.end_index))
            waiting = [
                attempts[name].due_time
                for name in names
                if name in attempts and name not in finished and attempts[name].due_time > self.now
            ]
            if waiting and len(waiting) == chunk.unfinished_count:
                chunk.due_time = min(waiting)

    def range_of(self, chunk: Chunk) -> ItemRange:
        """Returns the items of a chunk, in its job's present round."""
        return ItemRange(chunk.job_id, self.jobs[chunk.job_id].round, chunk.first_index, chunk.end_index)

    async def _effects(self) -> results_pb2.Effects:
        effects = results_pb2.Effects()
        reopened = {chunk.job_id for chunk in self._reopened}
        wakeable = []
        for job in self.jobs.values():
            before = self._jobs_before[job.job_id]
            if job.seq != before.seq:
                effects.changed_jobs.append(job_message(job))
            is_held_up = (job.stopping_to and not before.stopping_to) or (
                job.pause_reason and not before.pause_reason
            )
            if is_held_up and job.leased_chunk_count:
                self._to_notify.add(job.job_id)
            if is_leasable_now(job) and (job.job_id in reopened or not is_leasable_now(before)):
                wakeable.append(job)
        await add_tasks(self.tx, effects, wakeable)
        for holder in await worker_rows.read_holders(self.tx, self._to_notify):
            holder.pause = not self.jobs[holder.job_id].stopping_to
            effects.workers_to_notify.append(holder)
        return effects


async def add_tasks(tx: Transaction, effects: results_pb2.Effects, jobs: Iterable[Job]) -> None:
    """Adds the wake-ups of jobs that have become leasable."""
    counts = {job.job_id: job.slot_count for job in jobs}
    most = 2
    if any(count > most for count in counts.values()):
        most *= max(1, await worker_rows.count_live(tx))
    for job in jobs:
        effects.tasks_to_publish.add(
            job_id=job.job_id,
            job_class=cast("jobs_pb2.JobClass", job.job_class),
            count=min(counts[job.job_id], most),
        )


def _count_recorded(counts: Mapping[int, int]) -> None:
    for state, count in counts.items():
        ITEMS_RECORDED.labels(ITEM_STATE_LABELS[state]).inc(count)
