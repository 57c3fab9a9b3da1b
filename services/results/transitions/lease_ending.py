"""Taking leases back from workers."""

from collections.abc import Collection

from services.results.metrics import LEASES_LOST, LossCause
from services.results.rows import chunk_rows
from services.results.transitions.lost_chunks import lose_chunk
from services.results.transitions.transition import Transition


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
                await lose_chunk(transition, chunk)
