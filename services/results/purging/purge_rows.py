"""The second step of a purge: what is left of a job goes, in short transactions."""

# ruff: noqa: S608  # statements are put together from constants alone

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.results.database.database import Database, Transaction

# Of one transaction: items (with all that there is of each), or chunks; and bytes of inputs and outputs.
ROWS_AT_ONCE = 1_000
BYTES_AT_ONCE = 4 * 1024 * 1024

_LIST = "SELECT u.job_id FROM purges u ORDER BY u.job_id LIMIT :most"
# Every item is in a chunk, so chunks tell how far to go, and go last. Another replica may be at the same job.
_LOCK = """
SELECT u.job_id,
    (SELECT c.first_index + c.item_count FROM chunks c WHERE c.job_id = u.job_id AND c.first_index >= 0
     ORDER BY c.first_index DESC LIMIT 1) AS item_end,
    (SELECT max(c.chunk_index) + 1 FROM chunks c WHERE c.job_id = u.job_id) AS chunk_end
FROM purges u WHERE u.job_id IN (SELECT k.job_id FROM ROWS(k: job_id text))
ORDER BY u.job_id FOR UPDATE OF u SKIP LOCKED"""
_RANGES = "ROWS(k: job_id text, first_index bigint, end_index bigint)"
# A block of inputs begins where the first of its chunks does, and that one knows its bytes.
_SIZES = f"""
SELECT k.job_id, e.item_index AS place, e.output_bytes AS size FROM {_RANGES}
JOIN results e ON e.job_id = k.job_id AND e.item_index >= k.first_index AND e.item_index < k.end_index
UNION ALL
SELECT b.job_id, c.first_index, c.input_bytes FROM {_RANGES.replace("(k:", "(b:")}
JOIN chunks c ON c.job_id = b.job_id AND c.first_index >= b.first_index AND c.first_index < b.end_index
AND c.first_index >= 0"""
_FORGET = "DELETE FROM purges WHERE job_id IN (SELECT over.job_id FROM ROWS(over: job_id text))"


class Position(NamedTuple):
    """How far a job is purged: its rows of items and of chunks before these indexes are gone."""

    item_index: int = 0
    chunk_index: int = 0


class _Left(NamedTuple):
    job_id: str
    position: Position
    item_end: int
    chunk_end: int


class _Range(NamedTuple):
    job_id: str
    first_index: int
    end_index: int


async def list_purges(database: Database, most: int) -> list[str]:
    """Returns ids of jobs whose other rows are still to go, the oldest first.

    Args:
        database: The database.
        most: How many at most.
    """
    rows = await database.read(lambda tx: tx.run(_LIST, {"most": most}))
    return [row.job_id for row in rows]


async def purge_rows(database: Database, positions: Mapping[str, Position]) -> dict[str, Position | None]:
    """Returns how far jobs are purged now, None where nothing is left; one transaction's worth further on.

    Jobs that nothing was done for, or that another caller is at, are missing. It may begin anew at any
    position, and so after a crash at 0.

    Args:
        database: The database.
        positions: Of the jobs to go on with, by id.
    """
    return await database.write(lambda tx: _purge_in(tx, positions))


async def _purge_in(tx: Transaction, positions: Mapping[str, Position]) -> dict[str, Position | None]:
    rows = await tx.run(_LOCK, k=[(job_id,) for job_id in sorted(positions)])
    left = [_Left(row.job_id, positions[row.job_id], row.item_end or 0, row.chunk_end or 0) for row in rows]
    with_items = [job for job in left if job.position.item_index < job.item_end]
    if with_items:
        return await _purge_items(tx, with_items)
    with_chunks = [job for job in left if job.position.chunk_index < job.chunk_end]
    if with_chunks:
        return _purge_chunks(tx, with_chunks)
    _purge_rest(tx, [(job.job_id,) for job in left])
    return {job.job_id: None for job in left}


async def _purge_items(tx: Transaction, jobs: Sequence[_Left]) -> dict[str, Position | None]:
    wanted = _take((job.job_id, job.position.item_index, job.item_end) for job in jobs)
    ranges = _cut(wanted, await tx.run(_SIZES, k=wanted, b=wanted))
    tx.later(_delete(tx, "item_blocks", "first_index"), item_blocks=ranges)
    tx.later(_delete(tx, "results", "item_index"), results=ranges)
    tx.later(_delete(tx, "item_attempts", "item_index"), item_attempts=ranges)
    before = {job.job_id: job.position for job in jobs}
    return {part.job_id: before[part.job_id]._replace(item_index=part.end_index) for part in ranges}


def _purge_chunks(tx: Transaction, jobs: Sequence[_Left]) -> dict[str, Position | None]:
    ranges = _take((job.job_id, job.position.chunk_index, job.chunk_end) for job in jobs)
    tx.later(_delete(tx, "chunks", "chunk_index"), chunks=ranges)
    before = {job.job_id: job.position for job in jobs}
    return {part.job_id: before[part.job_id]._replace(chunk_index=part.end_index) for part in ranges}


def _purge_rest(tx: Transaction, job_ids: Sequence[tuple[str]]) -> None:
    if job_ids:
        tx.later(_delete(tx, "retry_requests"), retry_requests=job_ids)
        tx.later(_FORGET, over=job_ids)


def _delete(tx: Transaction, table: str, column: str = "") -> str:
    """Returns a statement that deletes rows of jobs, all or those in a range of a column.

    They are found by an index first: a DELETE with a join might be planned as a scan of the table.
    """
    indexes = ", first_index bigint, end_index bigint" if column else ""
    found = f"FROM ROWS({table}: job_id text{indexes}) JOIN {table} e ON e.job_id = {table}.job_id"
    if column:
        found += f" AND e.{column} >= {table}.first_index AND e.{column} < {table}.end_index"
    if tx.sqlite:
        return f"DELETE FROM {table} WHERE rowid IN (SELECT e.rowid {found})"
    return f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT e.ctid {found}))"


def _take(jobs: Iterable[tuple[str, int, int]]) -> list[_Range]:
    """Returns the beginnings of ranges (job id, first index, end index), ROWS_AT_ONCE long together."""
    taken, capacity = [], ROWS_AT_ONCE
    for job_id, first, end in jobs:
        if capacity:
            taken.append(_Range(job_id, first, min(end, first + capacity)))
            capacity -= taken[-1].end_index - first
    return taken


def _cut(ranges: Sequence[_Range], sizes: Sequence[Row[Any]]) -> list[_Range]:
    """Returns the ranges up to where their bytes are as many as one transaction may delete."""
    total = 0
    for row in sorted(sizes, key=lambda row: (row.job_id, row.place)):
        total += row.size
        if total > BYTES_AT_ONCE:
            return _end_after(ranges, row.job_id, row.place)
    return list(ranges)


def _end_after(ranges: Sequence[_Range], job_id: str, place: int) -> list[_Range]:
    return [
        part._replace(end_index=place + 1) if part.job_id == job_id else part
        for part in ranges
        if part.job_id <= job_id
    ]
