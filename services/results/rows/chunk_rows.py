"""Rows of chunks and item_blocks, read and written under the lock of their jobs."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.results.database.transaction import Transaction
from services.results.rules.chunks import Cut
from services.results.rules.facts import ChunkFacts
from services.results.rules.trials import HELD_DUE_TIME
from services.stubs.results.v1 import results_pb2

_NAMES = tuple(field.name for field in fields(ChunkFacts))
COLUMNS = ", ".join(f"c.{name}" for name in _NAMES)
_TYPES = {"quarantined": "boolean"} | dict.fromkeys(("job_id", "lease_incarnation", "lease_call_id"), "text")
_SPECS = ", ".join(f"{name} {_TYPES.get(name, 'bigint')}" for name in _NAMES)
_values = attrgetter(*_NAMES)
_FREE = "c.lease_incarnation IS NULL AND c.unfinished_count > 0"

_NAMED = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text, chunk_index bigint)
JOIN chunks c ON c.job_id = k.job_id AND c.chunk_index = k.chunk_index"""
_AROUND = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text, item_index bigint) JOIN chunks c ON c.job_id = k.job_id
AND c.first_index = (SELECT max(m.first_index) FROM chunks m
                     WHERE m.job_id = k.job_id AND m.first_index <= k.item_index AND m.first_index >= 0)
AND c.first_index >= 0"""
_LEASED = f"SELECT {COLUMNS} FROM chunks c WHERE c.lease_incarnation = :incarnation"
_LEASED_BY_CALL = _LEASED + " AND c.lease_call_id = :call_id"
_DUE = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text) CROSS JOIN LATERAL (
    SELECT * FROM chunks c WHERE c.job_id = k.job_id AND {_FREE} AND c.due_time <= :due
    AND (NOT c.quarantined OR CAST(:quarantined AS boolean))
    ORDER BY c.due_time, c.chunk_index LIMIT :limit) c"""
# SQLite lacks LATERAL, and PostgreSQL would plan this form badly.
_DUE_SQLITE = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text) JOIN chunks c ON c.job_id = k.job_id AND c.chunk_index IN (
    SELECT d.chunk_index FROM chunks d
    WHERE d.job_id = k.job_id AND d.lease_incarnation IS NULL AND d.unfinished_count > 0
    AND d.due_time <= :due AND (NOT d.quarantined OR :quarantined)
    ORDER BY d.due_time, d.chunk_index LIMIT :limit)"""
_FREE_HELD = "UPDATE chunks SET due_time = 0 WHERE job_id = :freed_job_id AND due_time = :held_due_time"
_UNION_LEASED_BY_CALL = " UNION ALL " + _LEASED_BY_CALL
_SAVE = f"""
UPDATE chunks SET {", ".join(f"{name} = changed.{name}" for name in _NAMES[2:])}
FROM ROWS(changed: {_SPECS})
WHERE chunks.job_id = changed.job_id AND chunks.chunk_index = changed.chunk_index"""
_INSERT = f"INSERT INTO chunks ({', '.join(_NAMES)}) SELECT {', '.join(_NAMES)} FROM ROWS(cut: {_SPECS})"
_INSERT_BLOCKS = """
INSERT INTO item_blocks (job_id, first_index, item_count, inputs, item_keys)
SELECT job_id, first_index, item_count, inputs, item_keys
FROM ROWS(blocks: job_id text, first_index bigint, item_count bigint, inputs text, item_keys text)"""
# Inputs, and params under first_index -1.
_CONTENTS = """
SELECT b.job_id, b.first_index, b.inputs AS content FROM ROWS(k: job_id text, first_index bigint)
JOIN item_blocks b ON b.job_id = k.job_id AND b.first_index = k.first_index
UNION ALL
SELECT j.job_id, -1, j.params FROM ROWS(unknown: job_id text) JOIN jobs j ON j.job_id = unknown.job_id"""


class Block(NamedTuple):
    """Inputs of items that follow each other.

    Attributes:
        job_id: The job.
        first_index: Position of the first of the items.
        inputs: JSON text of each item.
        keys: Key of each item, or an empty text for one without a key. Empty if none has a key.
    """

    job_id: str
    first_index: int
    inputs: Sequence[str]
    keys: Sequence[str] = ()

    @property
    def keys_text(self) -> str | None:
        """Stored form of the keys."""
        return _texts(self.keys) if any(self.keys) else None


@dataclass
class Contents:
    """Inputs and params that a worker needs.

    Attributes:
        inputs: JSON text of each item, by job id and index of the block's first item.
        params: JSON text, by job id.
    """

    inputs: dict[tuple[str, int], list[str]]
    params: dict[str, str]


def _texts(texts: Sequence[str]) -> str:
    return json.dumps(texts, ensure_ascii=False)


def _chunk_of(row: Row[Any]) -> ChunkFacts:
    chunk = ChunkFacts(*row[: len(_NAMES)])
    chunk.quarantined = bool(chunk.quarantined)  # A number on SQLite.
    return chunk


async def read_chunks(tx: Transaction, names: Iterable[tuple[str, int]]) -> list[ChunkFacts]:
    """Returns chunks by name (job id, chunk index), in any order, without unknown ones."""
    wanted = sorted(set(names))
    return [_chunk_of(row) for row in await tx.run(_NAMED, k=wanted)] if wanted else []


async def read_chunks_around(tx: Transaction, items: Iterable[tuple[str, int]]) -> list[ChunkFacts]:
    """Returns the chunks that contain these items (job id, item index) now, in any order."""
    wanted = sorted(set(items))
    return [_chunk_of(row) for row in await tx.run(_AROUND, k=wanted)] if wanted else []


async def read_leased_chunks(tx: Transaction, incarnation: str) -> list[ChunkFacts]:
    """Returns the chunks leased to an incarnation, in any order."""
    return [_chunk_of(row) for row in await tx.run(_LEASED, {"incarnation": incarnation})]


async def read_chunks_leased_by_call(tx: Transaction, incarnation: str, call_id: str) -> list[ChunkFacts]:
    """Returns the chunks that a call of LeaseChunks leased and that are still leased, in any order."""
    rows = await tx.run(_LEASED_BY_CALL, {"incarnation": incarnation, "call_id": call_id})
    return [_chunk_of(row) for row in rows]


async def read_due_chunks(
    tx: Transaction,
    job_ids: Iterable[str],
    limit: int,
    request: results_pb2.LeaseChunksRequest,
    *,
    quarantined: bool,
) -> tuple[dict[str, list[ChunkFacts]], bool]:
    """Reads the free chunks of jobs that are due, and detects a repeated call.

    Args:
        tx: The transaction.
        job_ids: Locked jobs.
        limit: Maximum chunks per job.
        request: The call of LeaseChunks.
        quarantined: Whether to include quarantined chunks.

    Returns:
        The chunks by job id, longest waiting first, and whether this call has leased chunks already.
    """
    template = (_DUE_SQLITE if tx.sqlite else _DUE) + _UNION_LEASED_BY_CALL
    plain = {
        "due": tx.now,
        "limit": limit,
        "quarantined": quarantined,
        "incarnation": request.incarnation,
        "call_id": request.call_id,
    }
    rows = await tx.run(template, plain, k=[(job_id,) for job_id in sorted(job_ids)])
    chunks = [_chunk_of(row) for row in rows]
    found: dict[str, list[ChunkFacts]] = {}
    for chunk in sorted(chunks, key=lambda chunk: (chunk.due_time, chunk.chunk_index)):
        if chunk.lease_incarnation is None:
            found.setdefault(chunk.job_id, []).append(chunk)
    return found, any(chunk.lease_incarnation is not None for chunk in chunks)


def new_chunk(job_id: str, chunk_index: int, cut: Cut, due_time: int = 0) -> ChunkFacts:
    """Returns a new free chunk with a block of inputs of its own."""
    return ChunkFacts(
        job_id=job_id,
        chunk_index=chunk_index,
        first_index=cut.first_index,
        item_count=cut.item_count,
        block_first_index=cut.first_index,
        input_bytes=cut.input_bytes,
        unfinished_count=cut.item_count,
        due_time=due_time,
    )


def save_chunks(tx: Transaction, chunks: Iterable[ChunkFacts]) -> None:
    """Queues the update of chunks."""
    rows = [_values(chunk) for chunk in chunks]
    if rows:
        tx.later(_SAVE, changed=rows)


async def free_held_chunks(tx: Transaction, job_id: str) -> None:
    """Makes the chunks of a job due that waited for the end of its trial."""
    await tx.run(_FREE_HELD, {"freed_job_id": job_id, "held_due_time": HELD_DUE_TIME})


def insert_chunks(tx: Transaction, chunks: Iterable[ChunkFacts], where: str = "") -> None:
    """Queues the insertion of chunks.

    Args:
        tx: The transaction.
        chunks: The chunks.
        where: Condition on their job_id, or an empty text.
    """
    rows = [_values(chunk) for chunk in chunks]
    if rows:
        tx.later(_INSERT + where, cut=rows)


def insert_blocks(tx: Transaction, blocks: Sequence[Block], where: str = "") -> None:
    """Queues the insertion of inputs.

    Args:
        tx: The transaction.
        blocks: The blocks.
        where: Condition on their job_id, or an empty text.
    """
    if blocks:
        rows = [
            (block.job_id, block.first_index, len(block.inputs), _texts(block.inputs), block.keys_text)
            for block in blocks
        ]
        tx.later(_INSERT_BLOCKS + where, blocks=rows)


async def read_contents(
    tx: Transaction, chunks: Iterable[ChunkFacts], unknown_job_ids: Collection[str]
) -> Contents:
    """Reads the inputs of chunks and the params of unknown jobs, in one round trip with the queued writes."""
    wanted = sorted({(chunk.job_id, chunk.block_first_index) for chunk in chunks})
    contents = Contents({}, {})
    if wanted:
        unknown = [(job_id,) for job_id in sorted(unknown_job_ids)]
        for row in await tx.run_along(_CONTENTS, k=wanted, unknown=unknown):
            if row.first_index < 0:
                contents.params[row.job_id] = row.content
            else:
                contents.inputs[row.job_id, row.first_index] = json.loads(row.content)
    return contents
