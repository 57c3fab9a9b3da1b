"""The response of LeaseChunks: leases with their items, and the jobs that the worker does not know."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from headrace.jobs.v1 import jobs_pb2
from services.results.database.transaction import Transaction
from services.results.rows import chunk_rows, item_rows
from services.results.rows.failed_attempts import decode_attempts
from services.results.rows.item_rows import Attempts
from services.results.rows.job_options import decode_worker_options
from services.results.rows.messages import canonical_id, duration, lease_ref, usage_message
from services.results.rules.budgets import has_remainder_lease
from services.results.rules.facts import ChunkFacts, JobFacts
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


class Items(NamedTuple):
    """Stored progress of items, by job id and item index.

    Attributes:
        finished: Items with a result in the current round.
        attempts: Attempts of items in the current round.
    """

    finished: set[tuple[str, int]]
    attempts: dict[tuple[str, int], Attempts]

    def is_due(self, job_id: str, index: int, now: int) -> bool:
        """Returns whether an item is unfinished and due."""
        attempts = self.attempts.get((job_id, index))
        return (job_id, index) not in self.finished and (attempts is None or attempts.due_time <= now)


async def read_items(transition: Transition, chunks: Sequence[ChunkFacts]) -> Items:
    """Returns the stored progress of the items of chunks, whose jobs are locked."""
    begun = [transition.range_of(c) for c in chunks if c.unfinished_count < c.item_count]
    deferring = [transition.range_of(c) for c in chunks if transition.jobs[c.job_id].has_deferrals]
    finished = await item_rows.read_finished(transition.tx, begun)
    return Items(finished, await item_rows.read_attempts(transition.tx, deferring))


async def build_response(
    tx: Transaction,
    request: results_pb2.LeaseChunksRequest,
    jobs: Mapping[str, JobFacts],
    leased: Sequence[ChunkFacts],
    items: Items,
) -> results_pb2.LeaseChunksResponse:
    """Returns leases with their due items, and the jobs that the worker does not know yet."""
    known = {canonical_id(job_id) for job_id in request.known_job_ids}
    unknown = {chunk.job_id for chunk in leased} - known
    contents = await chunk_rows.read_contents(tx, leased, unknown)
    response = results_pb2.LeaseChunksResponse()
    for job_id, params in contents.params.items():
        response.jobs.append(_job_spec(jobs[job_id], params))
    for chunk in leased:
        inputs = contents.inputs[chunk.job_id, chunk.block_first_index]
        _add_lease(response, jobs[chunk.job_id], chunk)
        for index in range(chunk.first_index, chunk.end_index):
            if items.is_due(chunk.job_id, index, tx.now):
                text = inputs[index - chunk.block_first_index]
                attempts = items.attempts.get((chunk.job_id, index))
                response.leases[-1].items.append(_leased_item(index, text, attempts))
    return response


def _job_spec(job: JobFacts, params: str) -> results_pb2.JobSpec:
    return results_pb2.JobSpec(
        job_id=job.job_id,
        tenant=job.tenant,
        kind=job.kind,
        params=params,
        job_class=cast("jobs_pb2.JobClass", job.job_class),
        trace_id=job.trace_id,
        options=decode_worker_options(job.worker_options),
    )


def _add_lease(response: results_pb2.LeaseChunksResponse, job: JobFacts, chunk: ChunkFacts) -> None:
    lease = response.leases.add(ref=lease_ref(chunk), round=job.round, quarantined=chunk.quarantined)
    if job.budget_micros is not None:
        lease.allowance_micros, lease.is_remainder = chunk.allowance_micros, has_remainder_lease(job)


def _leased_item(index: int, text: str, attempts: Attempts | None) -> results_pb2.LeasedItem:
    if attempts is None:
        return results_pb2.LeasedItem(item_index=index, input=text)
    return results_pb2.LeasedItem(
        item_index=index,
        input=text,
        attempt_count=attempts.attempt_count,
        usage=usage_message(attempts),
        failed_attempts=decode_attempts(attempts.failed_attempts),
        work_time=duration(attempts.work_time),
    )
