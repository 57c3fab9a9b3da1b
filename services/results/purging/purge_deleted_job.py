"""Deletes the rows of a job that its owner has deleted, without waiting for the purger."""

from services.results.database.database import Database
from services.results.purging.purge_rows import Position, purge_rows
from services.results.rows.messages import canonical_id

# Items whose rows are deleted at once. The purger deletes those of the others.
MAX_ITEMS = 100_000


async def purge_deleted_job(database: Database, job_id: str) -> None:
    """Deletes the rows of a purged job, up to MAX_ITEMS of its items, unless a purger works on it."""
    job_id = canonical_id(job_id)
    position: Position | None = Position()
    while position is not None and position.item_index < MAX_ITEMS:
        moved = await purge_rows(database, {job_id: position})
        if job_id not in moved:
            return
        position = moved[job_id]
