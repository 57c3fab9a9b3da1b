"""A transition of the store: it locks jobs, changes their facts and chunks, and writes the changes."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import copy
from functools import partial

from headrace.jobs.v1 import jobs_pb2
from services.results.database.transaction import Transaction
from services.results.metrics import ITEMS_RECORDED
from services.results.rows import chunk_rows, item_rows, job_rows
from services.results.rows.deleted_jobs import delete_jobs
from services.results.rows.history import History
from services.results.rows.item_rows import ItemRange, NewResult
from services.results.rows.job_usage import count_results
from services.results.rows.messages import canonical_id
from services.results.rows.trial_costs import forecast_trial
from services.results.rules.facts import ChunkFacts, JobFacts
from services.results.rules.settling import number_change, settle
from services.results.rules.trials import HELD_DUE_TIME, is_held, is_paused_for_trial
from services.results.transitions.effects import build_effects
from services.results.transitions.job_events import job_ended, job_paused
from services.shared.job_errors import job_not_found
from services.shared.metrics import ITEM_STATE_LABELS
from services.stubs.results.v1 import results_pb2

# Pauses that settling begins.
_COMPUTED_PAUSES = frozenset(
    {jobs_pb2.PAUSE_REASON_BUDGET, jobs_pb2.PAUSE_REASON_TRIAL, jobs_pb2.PAUSE_REASON_FAILURES}
)


class Transition:
    """Locked jobs and the changes to them. ``finish`` writes the changes.

    Attributes:
        tx: The transaction.
        jobs: The locked jobs, by id.
        history: Events for the histories of the jobs.
    """

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.history = History(tx)
        self.jobs: dict[str, JobFacts] = {}
        self._jobs_before: dict[str, JobFacts] = {}
        self._chunks: dict[tuple[str, int], ChunkFacts] = {}
        self._chunks_before: dict[tuple[str, int], ChunkFacts] = {}
        self._new_chunks: list[ChunkFacts] = []
        self._reopened: list[ChunkFacts] = []
        self._latest_reason: dict[str, str] = {}
        self._notify_job_ids: set[str] = set()
        self._wake_job_ids: set[str] = set()

    @property
    def now(self) -> int:
        """Time of the transaction, in microseconds."""
        return self.tx.now

    async def lock(self, job_ids: Iterable[str], *, only_free: bool = False) -> None:
        """Locks jobs and adds them to ``jobs``, without unknown ones.

        Call it once per transition: two calls could lock in an order that deadlocks.

        Args:
            job_ids: Jobs to lock.
            only_free: Whether to skip jobs that another transaction has locked.
        """
        self.add_locked(await job_rows.lock_jobs(self.tx, job_ids, only_free=only_free))

    async def lock_owned(self, job_id: str, tenant: str) -> JobFacts:
        """Locks and returns a job of a tenant.

        Raises:
            NotFoundError: The tenant has no such job.
        """
        await self.lock([canonical_id(job_id)])
        job = self.jobs.get(canonical_id(job_id))
        if job is None or job.tenant != tenant:
            raise job_not_found(job_id)
        return job

    def add_locked(self, jobs: dict[str, JobFacts]) -> None:
        """Adds jobs that are locked already."""
        self.jobs |= jobs
        self._jobs_before |= {job_id: copy(job) for job_id, job in jobs.items()}

    def track_chunks(self, chunks: Iterable[ChunkFacts]) -> list[ChunkFacts]:
        """Tracks chunks, so that ``finish`` writes their changes, and returns them.

        A chunk that is tracked already is replaced in the result by the tracked object.
        """
        tracked = []
        for chunk in chunks:
            name = (chunk.job_id, chunk.chunk_index)
            if name not in self._chunks:
                self._chunks[name] = chunk
                self._chunks_before[name] = copy(chunk)
            tracked.append(self._chunks[name])
        return tracked

    def end_lease(self, chunk: ChunkFacts) -> None:
        """Ends the lease of a chunk and returns its allowance. With unfinished items it is leasable again."""
        chunk.lease_incarnation = chunk.lease_call_id = chunk.lease_time = None
        self.jobs[chunk.job_id].leased_chunk_count -= 1
        self.move_allowance(chunk, -chunk.allowance_micros)
        if chunk.unfinished_count:
            self._reopened.append(chunk)

    def move_allowance(self, chunk: ChunkFacts, change: int) -> None:
        """Changes the amount reserved for a chunk's lease. It never falls below 0."""
        change = max(change, -chunk.allowance_micros)
        chunk.allowance_micros += change
        self.jobs[chunk.job_id].reserved_micros += change

    def finish_item(self, chunk: ChunkFacts) -> None:
        """Counts an item of a chunk that got its result. The last one closes the chunk."""
        chunk.unfinished_count -= 1
        if chunk.unfinished_count == 0:
            job = self.jobs[chunk.job_id]
            job.open_chunk_count -= 1
            job.held_chunk_count -= is_held(job, chunk.first_index)
            if chunk.lease_incarnation is not None:
                self.end_lease(chunk)

    def add_chunk(self, chunk: ChunkFacts) -> None:
        """Adds a free chunk to its job and sets its chunk_index."""
        job = self.jobs[chunk.job_id]
        chunk.chunk_index = job.chunk_count
        job.chunk_count += 1
        job.open_chunk_count += 1
        job.held_chunk_count += is_held(job, chunk.first_index)
        self._new_chunks.append(chunk)
        self._reopened.append(chunk)

    def split(self, chunk: ChunkFacts, at_index: int, unfinished_after: int) -> ChunkFacts:
        """Splits a free chunk in two and returns the second part, a new chunk.

        Args:
            chunk: The chunk. It keeps the items before the index.
            at_index: Index of the first item of the second part.
            unfinished_after: Unfinished items of the second part.
        """
        second = dataclasses.replace(
            chunk,
            first_index=at_index,
            item_count=chunk.end_index - at_index,
            unfinished_count=unfinished_after,
            fence=0,
        )
        chunk.item_count = at_index - chunk.first_index
        chunk.unfinished_count -= unfinished_after
        self.add_chunk(second)
        return second

    async def add_results(self, results: list[NewResult]) -> dict[tuple[str, int], int]:
        """Inserts results of items that have none, and moves the counters of their jobs by exactly these.

        Returns:
            The inserted items (job id, item index), each with its cost beyond what was counted before.
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

    def notify_workers(self, job_id: str) -> None:
        """Lists the workers with leases of a job in the effects, to be notified."""
        self._notify_job_ids.add(job_id)

    def wake_workers(self, job_id: str) -> None:
        """Has tasks of a job published if it is leasable, even if it was before."""
        self._wake_job_ids.add(job_id)

    def range_of(self, chunk: ChunkFacts) -> ItemRange:
        """Returns the items of a chunk, in the current round of its job."""
        return ItemRange(chunk.job_id, self.jobs[chunk.job_id].round, chunk.first_index, chunk.end_index)

    async def finish(self) -> results_pb2.Effects:
        """Settles the jobs, raises seq of those with a visible change, and writes all changes.

        Returns:
            The effects.
        """
        await self._set_due_times()
        self._count_quarantined()
        changed = [chunk for name, chunk in self._chunks.items() if chunk != self._chunks_before[name]]
        chunk_rows.save_chunks(self.tx, changed)
        chunk_rows.insert_chunks(self.tx, self._new_chunks)
        deferring = [j.job_id for j in self.jobs.values() if j.has_deferrals and j.finish_time is None]
        first_due = await job_rows.read_first_due_times(self.tx, deferring) if deferring else {}
        for job in self.jobs.values():
            self._settle(job, first_due.get(job.job_id, 0))
            if is_paused_for_trial(job) and not is_paused_for_trial(self._jobs_before[job.job_id]):
                job.trial_forecast = await forecast_trial(self.tx, job)
        await self.history.write(self.jobs, self._jobs_before)
        changed_jobs = [job for job in self.jobs.values() if job != self._jobs_before[job.job_id]]
        job_rows.save_jobs(self.tx, changed_jobs, self._jobs_before)
        if unwanted := [job.job_id for job in self.jobs.values() if _is_to_delete(job)]:
            await delete_jobs(self.tx, unwanted)
        return await build_effects(
            self.tx,
            self.jobs,
            self._jobs_before,
            reopened_job_ids={chunk.job_id for chunk in self._reopened} | self._wake_job_ids,
            notify_job_ids=self._notify_job_ids,
        )

    def _settle(self, job: JobFacts, first_due: int) -> None:
        before = self._jobs_before[job.job_id]
        settle(job, self.now, first_due, self._latest_reason.get(job.job_id, ""))
        number_change(before, job)
        if job.pause_reason != before.pause_reason:
            self.history.note_pause(before, job)
        if job.pause_reason in _COMPUTED_PAUSES and job.pause_reason != before.pause_reason:
            self.tx.after_commit(partial(job_paused, job))
        if job.finish_time not in (None, before.finish_time):
            self.tx.after_commit(partial(job_ended, job))

    def _count_quarantined(self) -> None:
        for name, chunk in self._chunks.items():
            change = chunk.is_free_in_quarantine - self._chunks_before[name].is_free_in_quarantine
            self.jobs[chunk.job_id].quarantined_chunk_count += change
        for chunk in self._new_chunks:
            self.jobs[chunk.job_id].quarantined_chunk_count += chunk.is_free_in_quarantine

    async def _set_due_times(self) -> None:
        """Makes a reopened chunk due with the first of its items if all its unfinished items wait."""
        chunks = [c for c in self._reopened if self.jobs[c.job_id].has_deferrals]
        ranges = [self.range_of(chunk) for chunk in chunks]
        attempts = await item_rows.read_attempts(self.tx, ranges)
        finished = await item_rows.read_finished(self.tx, ranges) if attempts else set()
        for chunk in self._reopened:
            chunk.due_time = HELD_DUE_TIME if is_held(self.jobs[chunk.job_id], chunk.first_index) else 0
        for chunk in chunks:
            names = [(chunk.job_id, index) for index in range(chunk.first_index, chunk.end_index)]
            waiting = [attempts[name].due_time for name in names if name in attempts and name not in finished]
            waiting = [due_time for due_time in waiting if due_time > self.now]
            if waiting and len(waiting) == chunk.unfinished_count and chunk.due_time < HELD_DUE_TIME:
                chunk.due_time = min(waiting)


def _is_to_delete(job: JobFacts) -> bool:
    return job.delete_wanted and job.finish_time is not None and not job.leased_chunk_count


def _count_recorded(counts: Mapping[int, int]) -> None:
    for state, count in counts.items():
        ITEMS_RECORDED.labels(ITEM_STATE_LABELS[state]).inc(count)
