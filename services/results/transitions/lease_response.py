"""What LeaseChunks tells of the chunks it leased."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Transaction
from services.results.rows import chunk_rows, item_rows
from services.results.rows.failed_attempts import decode_attempts
from services.results.rows.item_rows import Attempts, ItemRange
from services.results.rows.job_options import decode_worker_options
from services.results.rows.messages import canonical_id, duration, lease_ref, usage_message
from services.results.rules.budgets import holds_remainder
from services.results.rules.facts import Chunk, Job
from services.stubs.results.v1 import results_pb2


class Items(NamedTuple):
    """What is known of the items of chunks.

    Attributes:
        finished: Those that have a result in the present round, by job id and item index.
        attempts: Those that were tried in the present round.
    """

    finished: set[tuple[str, int]]
    attempts: dict[tuple[str, int], Attempts]

    def is_due(self, job_id: str, index: int, now: int) -> bool:
        """Returns whether an item is to be worked on."""
        tried = self.attempts.get((job_id, index))
        return (job_id, index) not in self.finished and (tried is None or tried.due_time <= now)


async def read_items(tx: Transaction, jobs: Mapping[str, Job], chunks: Sequence[Chunk]) -> Items:
    """Returns what is known of the items of chunks, whose jobs are under lock."""
    begun = [c for c in chunks if c.unfinished_count < c.item_count]
    deferring = [c for c in chunks if jobs[c.job_id].has_deferrals]
    finished = await item_rows.read_finished(tx, [_range_of(jobs, chunk) for chunk in begun])
    return Items(finished, await item_rows.read_attempts(tx, [_range_of(jobs, chunk) for chunk in deferring]))


def _range_of(jobs: Mapping[str, Job], chunk: Chunk) -> ItemRange:
    return ItemRange(chunk.job_id, jobs[chunk.job_id].round, chunk.first_index, chunk.end_index)


async def answer(
    tx: Transaction,
    request: results_pb2.LeaseChunksRequest,
    jobs: Mapping[str, Job],
    leased: Sequence[Chunk],
    items: Items,
) -> results_pb2.LeaseChunksResponse:
    """Returns leases with their due items, and the jobs that the worker does not know yet."""
    known = {canonical_id(job_id) for job_id in request.known_job_ids}
    unknown = {chunk.job_id for chunk in leased} - known
    contents = await chunk_rows.read_contents(tx, leased, unknown)
    response = results_pb2.LeaseChunksResponse()
    for job_id, params in contents.params.items():
        job = jobs[job_id]
        response.jobs.add(
            job_id=job_id,
            tenant=job.tenant,
            kind=job.kind,
            params=params,
            job_class=cast("jobs_pb2.JobClass", job.job_class),
            trace_id=job.trace_id,
            options=decode_worker_options(job.worker_options),
        )
    for chunk in leased:
        lease = response.leases.add(
            ref=lease_ref(chunk), round=jobs[chunk.job_id].round, quarantined=chunk.quarantined
        )
        job = jobs[chunk.job_id]
        if job.budget_micros is not None:
            lease.allowance_micros, lease.is_remainder = chunk.allowance_micros, holds_remainder(job)
        block = contents.inputs[chunk.job_id, chunk.block_first_index]
        for index in range(chunk.first_index, chunk.end_index):
            if items.is_due(chunk.job_id, index, tx.now):
                text = block[index - chunk.block_first_index]
                lease.items.append(_item(index, text, items.attempts.get((chunk.job_id, index))))
    return response


def _item(index: int, text: str, tried: Attempts | None) -> results_pb2.LeasedItem:
    if tried is None:
        return results_pb2.LeasedItem(item_index=index, input=text)
    return results_pb2.LeasedItem(
        item_index=index,
        input=text,
        attempt_count=tried.attempt_count,
        usage=usage_message(tried.usage),
        failed_attempts=decode_attempts(tried.failed_attempts),
        work_time=duration(tried.work_time),
    )
