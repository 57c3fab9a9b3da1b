"""Ends all leases of workers."""

from collections.abc import Collection

from services.results.metrics import LEASES_LOST, LossCause
from services.results.rows import chunk_rows
from services.results.transitions.lost_chunks import count_worker_loss
from services.results.transitions.transition import Transition


async def end_leases(
    transition: Transition, incarnations: Collection[str], *, loss_cause: LossCause | None
) -> None:
    """Ends every lease of workers whose rows are locked, so that they get no new ones meanwhile.

    Args:
        transition: Transition without locked jobs so far.
        incarnations: The workers.
        loss_cause: Cause of an unexpected end, which counts against the chunks. None if the end was expected.
    """
    tx = transition.tx
    job_ids = {c.job_id for i in incarnations for c in await chunk_rows.read_leased_chunks(tx, i)}
    if not job_ids:
        return
    await transition.lock(job_ids)
    for incarnation in incarnations:
        leased = await chunk_rows.read_leased_chunks(tx, incarnation)
        for chunk in transition.track_chunks(chunk for chunk in leased if chunk.job_id in transition.jobs):
            transition.end_lease(chunk)
            if loss_cause is not None:
                tx.after_commit(LEASES_LOST.labels(loss_cause).inc)
                await count_worker_loss(transition, chunk)
