"""Ends all leases of workers."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from headrace.jobs.v1 import jobs_pb2
from services.results.metrics import LEASES_LOST, LossCause
from services.results.rows import chunk_rows
from services.results.rules.facts import ChunkFacts
from services.results.rules.history import STORE
from services.results.transitions.lost_chunks import count_worker_loss
from services.results.transitions.transition import Transition

_LOSSES: Mapping[LossCause, str] = {"dead": "died", "replaced": "was replaced at its address"}


async def end_leases(
    transition: Transition, workers: Mapping[str, str], *, loss_cause: LossCause | None
) -> None:
    """Ends every lease of workers whose rows are locked, so that they get no new ones meanwhile.

    Args:
        transition: Transition without locked jobs so far.
        workers: Address of each worker, by incarnation.
        loss_cause: Cause of an unexpected end, which counts against the chunks. None if the end was expected.
    """
    tx = transition.tx
    job_ids = {c.job_id for i in workers for c in await chunk_rows.read_leased_chunks(tx, i)}
    if not job_ids:
        return
    await transition.lock(job_ids)
    for incarnation, address in workers.items():
        leased = await chunk_rows.read_leased_chunks(tx, incarnation)
        lost_counts: Counter[str] = Counter()
        quarantined: defaultdict[str, list[ChunkFacts]] = defaultdict(list)
        for chunk in transition.track_chunks(chunk for chunk in leased if chunk.job_id in transition.jobs):
            transition.end_lease(chunk)
            if loss_cause is not None:
                tx.after_commit(LEASES_LOST.labels(loss_cause).inc)
                lost_counts[chunk.job_id] += 1
                if await count_worker_loss(transition, chunk):
                    quarantined[chunk.job_id].append(chunk)
        if loss_cause is not None:
            _note_losses(transition, f"worker {address}", _LOSSES[loss_cause], lost_counts, quarantined)


def _note_losses(
    transition: Transition,
    worker: str,
    loss: str,
    lost_counts: Mapping[str, int],
    quarantined: Mapping[str, list[ChunkFacts]],
) -> None:
    for job_id, count in lost_counts.items():
        job = transition.jobs[job_id]
        message = f"{worker} {loss} and held {count} chunks of the job, which are leased again"
        transition.history.add(job, jobs_pb2.JOB_CHANGE_WORKER_LOST, message, actor=worker)
        if chunks := quarantined.get(job_id):
            first = min(chunks, key=lambda chunk: chunk.first_index)
            message = (
                f"{len(chunks)} chunks that were lost twice are run alone; "
                f"the first has items {first.first_index} to {first.end_index - 1}"
            )
            transition.history.add(job, jobs_pb2.JOB_CHANGE_QUARANTINED, message, actor=STORE)
