"""Reading and writing rows of chunks and item_blocks, under the lock of their jobs."""

# ruff: noqa: S608  # statements are put together from constants alone

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Row

from services.results.database.database import Transaction
from services.results.rules.chunks import Cut
from services.results.rules.facts import Chunk
from services.stubs.results.v1 import results_pb2

_NAMES = tuple(field.name for field in fields(Chunk))
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
_HELD = f"SELECT {COLUMNS} FROM chunks c WHERE c.lease_incarnation = :incarnation"
_OF_CALL = _HELD + " AND c.lease_call_id = :call_id"
_DUE = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text) CROSS JOIN LATERAL (
    SELECT * FROM chunks c WHERE c.job_id = k.job_id AND {_FREE} AND c.due_time <= :due
    AND (NOT c.quarantined OR CAST(:quarantined AS boolean))
    ORDER BY c.due_time, c.chunk_index LIMIT :most) c"""
# SQLite has no LATERAL, and PostgreSQL would plan this badly.
_DUE_SQLITE = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text) JOIN chunks c ON c.job_id = k.job_id AND c.chunk_index IN (
    SELECT d.chunk_index FROM chunks d
    WHERE d.job_id = k.job_id AND d.lease_incarnation IS NULL AND d.unfinished_count > 0
    AND d.due_time <= :due AND (NOT d.quarantined OR :quarantined)
    ORDER BY d.due_time, d.chunk_index LIMIT :most)"""
_OR_OF_CALL = " UNION ALL " + _OF_CALL
_SAVE = f"""
UPDATE chunks SET {", ".join(f"{name} = changed.{name}" for name in _NAMES[2:])}
FROM ROWS(changed: {_SPECS})
WHERE chunks.job_id = changed.job_id AND chunks.chunk_index = changed.chunk_index"""
_INSERT = f"INSERT INTO chunks ({', '.join(_NAMES)}) SELECT {', '.join(_NAMES)} FROM ROWS(cut: {_SPECS})"
_INSERT_BLOCKS = """
INSERT INTO item_blocks (job_id, first_index, item_count, inputs)
SELECT job_id, first_index, item_count, inputs
FROM ROWS(blocks: job_id text, first_index bigint, item_count bigint, inputs text)"""
# Inputs and, under first_index -1, params.
_CONTENTS = """
SELECT b.job_id, b.first_index, b.inputs AS content FROM ROWS(k: job_id text, first_index bigint)
JOIN item_blocks b ON b.job_id = k.job_id AND b.first_index = k.first_index
UNION ALL
SELECT j.job_id, -1, j.params FROM ROWS(unknown: job_id text) JOIN jobs j ON j.job_id = unknown.job_id"""


@dataclass
class Contents:
    """What a worker needs besides names.

    Attributes:
        inputs: By job id and index of the block's first item, the items' JSON texts.
        params: By job id, JSON text.
    """

    inputs: dict[tuple[str, int], list[str]]
    params: dict[str, str]


def _chunk_of(row: Row[Any]) -> Chunk:
    chunk = Chunk(*row[: len(_NAMES)])
    chunk.quarantined = bool(chunk.quarantined)  # SQLite has numbers
    return chunk


async def read_chunks(tx: Transaction, names: Iterable[tuple[str, int]]) -> list[Chunk]:
    """Returns the chunks of these names (job id, chunk index), in any order; those unknown are missing."""
    wanted = sorted(set(names))
    return [_chunk_of(row) for row in await tx.run(_NAMED, k=wanted)] if wanted else []


async def read_chunks_around(tx: Transaction, items: Iterable[tuple[str, int]]) -> list[Chunk]:
    """Returns the chunks that these items (job id, item index) are in now, in any order."""
    wanted = sorted(set(items))
    return [_chunk_of(row) for row in await tx.run(_AROUND, k=wanted)] if wanted else []


async def read_held_chunks(tx: Transaction, incarnation: str) -> list[Chunk]:
    """Returns the chunks leased to an incarnation, in any order."""
    return [_chunk_of(row) for row in await tx.run(_HELD, {"incarnation": incarnation})]


async def read_chunks_of_call(tx: Transaction, incarnation: str, call_id: str) -> list[Chunk]:
    """Returns the chunks that one call of LeaseChunks leased and that are still held, in any order."""
    rows = await tx.run(_OF_CALL, {"incarnation": incarnation, "call_id": call_id})
    return [_chunk_of(row) for row in rows]


async def read_due_chunks(
    tx: Transaction,
    job_ids: Iterable[str],
    most: int,
    request: results_pb2.LeaseChunksRequest,
    *,
    quarantined: bool,
) -> tuple[dict[str, list[Chunk]], bool]:
    """Returns of each job its free chunks that are due, and whether the call has leased chunks already.

    Those that wait longest come first.

    Args:
        tx: The transaction.
        job_ids: Which jobs, locked.
        most: Chunks of a job at most.
        request: The call.
        quarantined: Whether quarantined chunks are among them.
    """
    template = (_DUE_SQLITE if tx.sqlite else _DUE) + _OR_OF_CALL
    plain = {
        "due": tx.now,
        "most": most,
        "quarantined": quarantined,
        "incarnation": request.incarnation,
        "call_id": request.call_id,
    }
    rows = await tx.run(template, plain, k=[(job_id,) for job_id in sorted(job_ids)])
    chunks = [_chunk_of(row) for row in rows]
    found: dict[str, list[Chunk]] = {}
    for chunk in sorted(chunks, key=lambda chunk: (chunk.due_time, chunk.chunk_index)):
        if chunk.lease_incarnation is None:
            found.setdefault(chunk.job_id, []).append(chunk)
    return found, any(chunk.lease_incarnation is not None for chunk in chunks)


def new_chunk(job_id: str, chunk_index: int, cut: Cut) -> Chunk:
    """Returns a chunk that nobody has leased yet, with a block of inputs of its own."""
    first, count, size = cut
    return Chunk(job_id, chunk_index, first, count, first, size, unfinished_count=count)


def save_chunks(tx: Transaction, chunks: Iterable[Chunk]) -> None:
    """Queues chunks to be written back."""
    rows = [_values(chunk) for chunk in chunks]
    if rows:
        tx.later(_SAVE, changed=rows)


def insert_chunks(tx: Transaction, chunks: Iterable[Chunk], where: str = "") -> None:
    """Queues new chunks.

    Args:
        tx: The transaction.
        chunks: The chunks.
        where: A condition on their job_id.
    """
    rows = [_values(chunk) for chunk in chunks]
    if rows:
        tx.later(_INSERT + where, cut=rows)


def insert_blocks(tx: Transaction, blocks: Sequence[tuple[str, int, Sequence[str]]], where: str = "") -> None:
    """Queues inputs.

    Args:
        tx: The transaction.
        blocks: Job id, index of the first item, and the JSON text of each item.
        where: A condition on their job_id.
    """
    if blocks:
        rows = [
            (job_id, first, len(items), json.dumps(items, ensure_ascii=False))
            for job_id, first, items in blocks
        ]
        tx.later(_INSERT_BLOCKS + where, blocks=rows)


async def read_contents(
    tx: Transaction, chunks: Iterable[Chunk], unknown_job_ids: Collection[str]
) -> Contents:
    """Returns the inputs of the blocks of chunks and the params of jobs, together with what is queued."""
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
