"""Keys and inputs of items, read from their blocks."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.results.database.transaction import Transaction

# Maximum inputs of one read, in bytes. A page holds 1 MB of them; blocks are read whole, up to 1 MB each.
MAX_READ_BYTES = 2 * 1024 * 1024

_BLOCKS = """
(SELECT DISTINCT (
    SELECT m.first_index FROM item_blocks m WHERE m.job_id = :job_id AND m.first_index <= k.item_index
    ORDER BY m.first_index DESC LIMIT 1) AS first_index
 FROM ROWS(k: item_index bigint)) w"""
# Scalar subqueries, not joins: PostgreSQL may plan a join, while the table is empty, to read the whole job.
_KEYS = f"""
SELECT w.first_index, (
    SELECT b.item_keys FROM item_blocks b WHERE b.job_id = :job_id AND b.first_index = w.first_index
) AS item_keys FROM {_BLOCKS}"""
# A block of inputs starts with the first of its chunks, which stores its size.
_SIZES = f"""
SELECT w.first_index, (
    SELECT c.input_bytes FROM chunks c
    WHERE c.job_id = :job_id AND c.first_index = w.first_index AND c.first_index >= 0
) AS input_bytes FROM {_BLOCKS}"""
_INPUTS = """
SELECT k.first_index, (
    SELECT b.item_keys FROM item_blocks b WHERE b.job_id = :job_id AND b.first_index = k.first_index
) AS item_keys, (
    SELECT b.inputs FROM item_blocks b WHERE b.job_id = :job_id AND b.first_index = k.first_index
) AS inputs FROM ROWS(k: first_index bigint)"""


class ItemContent(NamedTuple):
    """Key and input of an item. Each is empty if there is none, or if it was not read."""

    key: str = ""
    input: str = ""

    @property
    def size(self) -> int:
        """Bytes of its texts."""
        return len(self.key.encode()) + len(self.input.encode())


class _Block(NamedTuple):
    keys: Sequence[str]
    inputs: Sequence[str]


async def read_item_contents(
    tx: Transaction, job_id: str, item_indexes: Sequence[int], *, inputs: bool = False
) -> list[ItemContent]:
    """Returns the contents of items, in the order of their indexes. Those of unknown items are empty.

    Args:
        tx: The transaction.
        job_id: The job.
        item_indexes: Positions of the items.
        inputs: Whether to read inputs too. The list then ends early, after at least one item, before the
            blocks to read exceed MAX_READ_BYTES.
    """
    if not item_indexes:
        return []
    wanted = [(item_index,) for item_index in sorted(set(item_indexes))]
    if not inputs:
        rows = await tx.run(_KEYS, {"job_id": job_id}, k=wanted)
        blocks = {row.first_index: _Block(_texts(row.item_keys), ()) for row in _known(rows)}
        return [_content(blocks, sorted(blocks), item_index) for item_index in item_indexes]
    rows = await tx.run(_SIZES, {"job_id": job_id}, k=wanted)
    sizes = {row.first_index: row.input_bytes or 0 for row in _known(rows)}
    count, starts = _limit_blocks(item_indexes, sizes)
    rows = await tx.run(_INPUTS, {"job_id": job_id}, k=[(start,) for start in starts])
    blocks = {row.first_index: _Block(_texts(row.item_keys), _texts(row.inputs)) for row in rows}
    return [_content(blocks, starts, item_index) for item_index in item_indexes[:count]]


def _known(rows: Sequence[Row[Any]]) -> Iterator[Row[Any]]:
    """Yields the rows of blocks. An item before the first block of its job has none."""
    return (row for row in rows if row.first_index is not None)


def _limit_blocks(item_indexes: Sequence[int], sizes: Mapping[int, int]) -> tuple[int, list[int]]:
    """Returns the number of items to read, from the first on, and the sorted starts of their blocks."""
    starts = sorted(sizes)
    chosen: set[int] = set()
    total = 0
    for count, item_index in enumerate(item_indexes):
        start = _start_of(starts, item_index)
        if start is None or start in chosen:
            continue
        total += sizes[start]
        if total > MAX_READ_BYTES and count:
            return count, sorted(chosen)
        chosen.add(start)
    return len(item_indexes), sorted(chosen)


def _content(blocks: Mapping[int, _Block], starts: Sequence[int], item_index: int) -> ItemContent:
    start = _start_of(starts, item_index)
    if start is None or start not in blocks:
        return ItemContent()
    block, place = blocks[start], item_index - start
    return ItemContent(_member(block.keys, place), _member(block.inputs, place))


def _start_of(starts: Sequence[int], item_index: int) -> int | None:
    place = bisect_right(starts, item_index)
    return starts[place - 1] if place else None


def _member(texts: Sequence[str], place: int) -> str:
    return texts[place] if place < len(texts) else ""


def _texts(text: str | None) -> Sequence[str]:
    if text is None:
        return ()
    texts: list[str] = json.loads(text)
    return texts
