"""Second step of a purge: deletes the other rows of purged jobs, in short transactions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.results.database.database import Database
from services.results.database.transaction import Transaction

# Limits of one transaction: items (each with all its rows) or chunks, and bytes of inputs and outputs.
MAX_ROWS_PER_TRANSACTION = 1_000
MAX_BYTES_PER_TRANSACTION = 4 * 1024 * 1024

_LIST = "SELECT u.job_id FROM purges u ORDER BY u.job_id LIMIT :limit"
# Every item is in a chunk, so the chunks bound the items and are deleted last. Another replica may work on
# the same job.
_LOCK = """
SELECT u.job_id,
    (SELECT c.first_index + c.item_count FROM chunks c WHERE c.job_id = u.job_id AND c.first_index >= 0
     ORDER BY c.first_index DESC LIMIT 1) AS item_end,
    (SELECT max(c.chunk_index) + 1 FROM chunks c WHERE c.job_id = u.job_id) AS chunk_end,
    (SELECT 1 FROM item_keys i WHERE i.job_id = CAST(u.job_id AS uuid) LIMIT 1) IS NOT NULL AS has_keys
FROM purges u WHERE u.job_id IN (SELECT k.job_id FROM ROWS(k: job_id text))
ORDER BY u.job_id FOR UPDATE OF u SKIP LOCKED"""
_RANGES = "ROWS(k: job_id text, first_index bigint, end_index bigint)"
# A block of inputs starts with the first of its chunks, which stores its size.
_SIZES = f"""
SELECT k.job_id, e.item_index AS place, e.output_bytes AS size FROM {_RANGES}
JOIN results e ON e.job_id = k.job_id AND e.item_index >= k.first_index AND e.item_index < k.end_index
UNION ALL
SELECT b.job_id, c.first_index, c.input_bytes FROM {_RANGES.replace("(k:", "(b:")}
JOIN chunks c ON c.job_id = b.job_id AND c.first_index >= b.first_index AND c.first_index < b.end_index
AND c.first_index >= 0"""
# A range of an index, which needs no sort. The last transaction left dead rows before it.
_LAST_KEY = """
SELECT i.key_hash FROM item_keys i WHERE i.job_id = CAST(:job_id AS uuid) AND i.key_hash > :after
ORDER BY i.key_hash LIMIT 1 OFFSET :limit - 1"""
_DELETE_KEYS = "DELETE FROM item_keys WHERE job_id = CAST(:job_id AS uuid) AND key_hash > :after"
_BEFORE_ALL_KEYS = "0" * 32
_UP_TO_KEY = " AND key_hash <= :last"
_DELETE_PURGES = "DELETE FROM purges WHERE job_id IN (SELECT over.job_id FROM ROWS(over: job_id text))"


class Position(NamedTuple):
    """Progress of the purge of a job: rows of items and of chunks before these indexes are deleted.

    Attributes:
        item_index: Index of the next item.
        chunk_index: Index of the next chunk.
        key_hash: Last deleted hash of a key, in the form of the database.
    """

    item_index: int = 0
    chunk_index: int = 0
    key_hash: Any = _BEFORE_ALL_KEYS


class _Remaining(NamedTuple):
    job_id: str
    position: Position
    item_end: int
    chunk_end: int
    has_keys: bool


class _Range(NamedTuple):
    job_id: str
    first_index: int
    end_index: int


async def list_purges(database: Database, limit: int) -> list[str]:
    """Returns ids of purged jobs that still have rows, the oldest first.

    Args:
        database: The database.
        limit: Maximum number of ids.
    """
    rows = await database.read(lambda tx: tx.run(_LIST, {"limit": limit}))
    return [row.job_id for row in rows]


async def purge_rows(database: Database, positions: Mapping[str, Position]) -> dict[str, Position | None]:
    """Deletes one transaction's worth of rows of purged jobs.

    It can restart at any position, so after a crash it starts at 0.

    Args:
        database: The database.
        positions: Progress of the jobs to continue with, by id.

    Returns:
        The new progress by job id; None if the job has no rows any more. Jobs that were not worked on, or
        that another caller works on, are missing.
    """
    return await database.write(lambda tx: _purge_in(tx, positions))


async def _purge_in(tx: Transaction, positions: Mapping[str, Position]) -> dict[str, Position | None]:
    rows = await tx.run(_LOCK, k=[(job_id,) for job_id in sorted(positions)])
    remaining = [
        _Remaining(
            job_id=row.job_id,
            position=positions[row.job_id],
            item_end=row.item_end or 0,
            chunk_end=row.chunk_end or 0,
            has_keys=row.has_keys,
        )
        for row in rows
    ]
    with_items = [job for job in remaining if job.position.item_index < job.item_end]
    if with_items:
        return await _purge_items(tx, with_items)
    with_keys = [job for job in remaining if job.has_keys]
    if with_keys:
        return await _purge_keys(tx, with_keys[0])
    with_chunks = [job for job in remaining if job.position.chunk_index < job.chunk_end]
    if with_chunks:
        return _purge_chunks(tx, with_chunks)
    job_ids = [(job.job_id,) for job in remaining]
    events = await tx.run(_delete_events(tx), job_events=job_ids)
    if len(events) == MAX_ROWS_PER_TRANSACTION:
        return {job.job_id: job.position for job in remaining}
    _purge_rest(tx, job_ids)
    return {job.job_id: None for job in remaining}


async def _purge_items(tx: Transaction, jobs: Sequence[_Remaining]) -> dict[str, Position | None]:
    wanted = _limit_rows((job.job_id, job.position.item_index, job.item_end) for job in jobs)
    ranges = _limit_bytes(wanted, await tx.run(_SIZES, k=wanted, b=wanted))
    tx.later(_delete(tx, "item_blocks", "first_index"), item_blocks=ranges)
    tx.later(_delete(tx, "results", "item_index"), results=ranges)
    tx.later(_delete(tx, "item_attempts", "item_index"), item_attempts=ranges)
    before = {job.job_id: job.position for job in jobs}
    return {part.job_id: before[part.job_id]._replace(item_index=part.end_index) for part in ranges}


async def _purge_keys(tx: Transaction, job: _Remaining) -> dict[str, Position | None]:
    """Deletes keys of one job. After a restart the first ones are gone already."""
    plain = {"job_id": job.job_id, "after": job.position.key_hash}
    found = await tx.run(_LAST_KEY, plain | {"limit": MAX_ROWS_PER_TRANSACTION})
    if not found:
        await tx.run(_DELETE_KEYS, plain)
        return {job.job_id: job.position._replace(key_hash=_BEFORE_ALL_KEYS)}
    last = found[0].key_hash
    await tx.run(_DELETE_KEYS + _UP_TO_KEY, plain | {"last": last})
    return {job.job_id: job.position._replace(key_hash=last)}


def _purge_chunks(tx: Transaction, jobs: Sequence[_Remaining]) -> dict[str, Position | None]:
    ranges = _limit_rows((job.job_id, job.position.chunk_index, job.chunk_end) for job in jobs)
    tx.later(_delete(tx, "chunks", "chunk_index"), chunks=ranges)
    before = {job.job_id: job.position for job in jobs}
    return {part.job_id: before[part.job_id]._replace(chunk_index=part.end_index) for part in ranges}


def _purge_rest(tx: Transaction, job_ids: Sequence[tuple[str]]) -> None:
    if job_ids:
        tx.later(_delete(tx, "retry_requests"), retry_requests=job_ids)
        tx.later(_delete(tx, "job_labels", where="e.key >= ''"), job_labels=job_ids)
        tx.later(_DELETE_PURGES, over=job_ids)


def _delete(tx: Transaction, table: str, column: str = "", where: str = "true") -> str:
    """Returns a statement that deletes rows of jobs: all, or those in a range of a column.

    ``where`` is the condition of the index by which it finds them.

    It finds them by an index first: PostgreSQL might plan a DELETE with a join as a scan of the table.
    """
    indexes = ", first_index bigint, end_index bigint" if column else ""
    found = f"FROM ROWS({table}: job_id text{indexes}) JOIN {table} e ON e.job_id = {table}.job_id"
    if column:
        found += f" AND e.{column} >= {table}.first_index AND e.{column} < {table}.end_index"
    found += f" AND {where}"
    if tx.sqlite:
        return f"DELETE FROM {table} WHERE rowid IN (SELECT e.rowid {found})"
    return f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT e.ctid {found}))"


def _delete_events(tx: Transaction) -> str:
    """Returns a statement that deletes events of jobs, and returns a row for each."""
    limited = f" LIMIT {MAX_ROWS_PER_TRANSACTION}"
    statement = _delete(tx, "job_events")
    end = "))" if not tx.sqlite else ")"
    return statement.removesuffix(end) + limited + end + " RETURNING job_id"


def _limit_rows(jobs: Iterable[tuple[str, int, int]]) -> list[_Range]:
    """Cuts ranges (job id, first index, end index) to MAX_ROWS_PER_TRANSACTION rows in all."""
    limited, free_count = [], MAX_ROWS_PER_TRANSACTION
    for job_id, first, end in jobs:
        if free_count:
            limited.append(_Range(job_id, first, min(end, first + free_count)))
            free_count -= limited[-1].end_index - first
    return limited


def _limit_bytes(ranges: Sequence[_Range], sizes: Sequence[Row[Any]]) -> list[_Range]:
    """Cuts ranges to the row with which their bytes exceed MAX_BYTES_PER_TRANSACTION."""
    total = 0
    for row in sorted(sizes, key=lambda row: (row.job_id, row.place)):
        total += row.size
        if total > MAX_BYTES_PER_TRANSACTION:
            return _end_after(ranges, row.job_id, row.place)
    return list(ranges)


def _end_after(ranges: Sequence[_Range], job_id: str, place: int) -> list[_Range]:
    return [
        part._replace(end_index=place + 1) if part.job_id == job_id else part
        for part in ranges
        if part.job_id <= job_id
    ]
