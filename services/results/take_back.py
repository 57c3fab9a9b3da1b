"""Taking leases back from workers."""

from collections.abc import Collection

from headrace.jobs.v1 import jobs_pb2
from services.results import chunk_rows, item_rows
from services.results.facts import Chunk
from services.results.item_rows import NewResult, Tries, Usage
from services.results.kept_tries import decode_tries, encode_failure
from services.results.metrics import LEASES_LOST, LossCause
from services.results.rules.losses import Losses, Verdict, count_loss
from services.results.transition import Transition


async def take_back(
    transition: Transition, incarnations: Collection[str], *, loss_cause: LossCause | None
) -> None:
    """Ends every lease of these workers, whose rows are locked, so that they get no new ones meanwhile.

    Args:
        transition: A transition that has no jobs under lock yet.
        incarnations: Of which workers.
        loss_cause: Why the leases ended unexpectedly, which speaks against their chunks; None: they did not.
    """
    tx = transition.tx
    job_ids = {c.job_id for i in incarnations for c in await chunk_rows.read_held_chunks(tx, i)}
    if not job_ids:
        return
    await transition.lock(job_ids)
    for incarnation in incarnations:
        held = await chunk_rows.read_held_chunks(tx, incarnation)
        for chunk in transition.watch_chunks(chunk for chunk in held if chunk.job_id in transition.jobs):
            transition.end_lease(chunk)
            if loss_cause is not None:
                tx.after_commit(LEASES_LOST.labels(loss_cause).inc)
                await _lose(transition, chunk)


async def _lose(transition: Transition, chunk: Chunk) -> None:
    before = Losses(chunk.loss_count, chunk.quarantined, chunk.quarantine_loss_count)
    after, verdict = count_loss(before, chunk.unfinished_count)
    chunk.loss_count, chunk.quarantined, chunk.quarantine_loss_count = after
    if verdict is Verdict.AGAIN or transition.jobs[chunk.job_id].stop_as:
        return
    finished = await item_rows.read_finished(transition.tx, [transition.range_of(chunk)])
    unfinished = [
        index for index in range(chunk.first_index, chunk.end_index) if (chunk.job_id, index) not in finished
    ]
    if verdict is Verdict.HALVE:
        kept = (len(unfinished) + 1) // 2
        transition.split(chunk, unfinished[kept], len(unfinished) - kept)
    else:
        await _fail_item(transition, chunk, unfinished[0])


async def _fail_item(transition: Transition, chunk: Chunk, item_index: int) -> None:
    job = transition.jobs[chunk.job_id]
    name = (job.job_id, item_index)
    tries: dict[tuple[str, int], Tries] = {}
    if job.has_deferrals:
        tries = await item_rows.read_tries(transition.tx, [transition.range_of(chunk)])
    tried = tries.get(name)
    try_count = tried.try_count + 1 if tried else 1
    error = jobs_pb2.Error(reason="WORKER_LOST", message="every worker that took this item alone died")
    failure = NewResult(
        *name,
        job.round,
        job.round,
        job.seq + 1,
        jobs_pb2.ITEM_STATE_FAILED,
        "",
        0,
        error.reason,
        error.message,
        try_count,
        *(tried.usage if tried else Usage()),
        transition.now,
        encode_failure(decode_tries(tried.failed_tries) if tried else (), try_count, error),
    )
    if await transition.add_results([failure]):
        transition.finish_item(chunk)
