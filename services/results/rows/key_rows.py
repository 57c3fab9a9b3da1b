"""Rows of item_keys, which make the keys of a job's items unique."""

import hashlib
from collections.abc import Iterator, Sequence

from services.results.database.transaction import Transaction
from services.results.rows.item_contents import read_item_contents
from services.results.rules.facts import JobFacts
from services.shared.validation.item_keys import DoubleKey, check_unique, key_taken

MAX_KEYS_PER_STATEMENT = 1_000
# 16 bytes in hexadecimal form.
_HASH_LENGTH = 32
# One more than an error names, so that it can say that there are more.
_MAX_DOUBLES = 4

_INSERT = """
INSERT INTO item_keys (job_id, key_hash, item_index) SELECT CAST(job_id AS uuid), key_hash, item_index
FROM ROWS(keyed: job_id text, key_hash uuid, item_index bigint)"""
_INSERT_ADDED = """
INSERT INTO item_keys (job_id, key_hash, item_index)
SELECT CAST(:keyed_job_id AS uuid), key_hash, item_index
FROM ROWS(keyed: key_hash uuid, item_index bigint)"""
# A violation of the primary key would name a single key.
_INSERT_FREE = _INSERT_ADDED + " WHERE true ON CONFLICT DO NOTHING RETURNING item_index"
_COUNT_INSERTED = "SELECT count(*) AS inserted_count FROM inserted"
_MARK_JOB = "UPDATE jobs SET has_keys = true, revision = :marked_revision WHERE job_id = :marked_job_id"
# Scalar subqueries, not joins: PostgreSQL may plan a join, while the table is empty, to read the whole job.
_TAKEN = """
SELECT t.item_index, t.taken_index FROM (
    SELECT k.item_index, (
        SELECT e.item_index FROM item_keys e
        WHERE e.job_id = CAST(:job_id AS uuid) AND e.key_hash = k.key_hash
    ) AS taken_index FROM ROWS(k: key_hash uuid, item_index bigint)) t
WHERE t.taken_index < :first_index ORDER BY t.item_index LIMIT :limit"""
_FIND = """
SELECT k.place, (
    SELECT e.item_index FROM item_keys e WHERE e.job_id = CAST(:job_id AS uuid) AND e.key_hash = k.key_hash
) AS item_index FROM ROWS(k: key_hash uuid, place bigint)"""


def insert_new_keys(tx: Transaction, jobs: Sequence[tuple[str, Sequence[str]]], where: str = "") -> None:
    """Queues the insertion of the keys of new jobs, which are unique.

    Args:
        tx: The transaction.
        jobs: Job id and the keys of all items of each job.
        where: Condition on their job_id, or an empty text.
    """
    rows = [(job_id, *row) for job_id, keys in jobs for row in _rows(keys)]
    if rows:
        tx.later(_INSERT + where, keyed=rows)


def mark_job(tx: Transaction, job: JobFacts) -> None:
    """Marks a locked job whose first keys are being stored, and queues the write."""
    job.has_keys = True
    job.revision += 1  # so that transitions that wait for its lock read its row of jobs again
    tx.later(_MARK_JOB, {"marked_job_id": job.job_id, "marked_revision": job.revision})


def insert_added_keys(tx: Transaction, job_id: str, keys: Sequence[str], first_index: int) -> None:
    """Queues the insertion of the keys of items that are added to a locked job.

    If another item has one of them, the transaction fails and is repeated: then call ``insert_free_keys``.

    Args:
        tx: The transaction.
        job_id: The job.
        keys: Keys of the items. An empty text is no key.
        first_index: Position of the first of them, which is the number of items stored before.

    Raises:
        InvalidArgumentError: ITEM_KEY_TAKEN: two of these items have the same key.
    """
    check_unique(keys, first_index)
    tx.later(_INSERT_ADDED, {"keyed_job_id": job_id}, keyed=list(_rows(keys, first_index)))


async def insert_free_keys(tx: Transaction, job_id: str, keys: Sequence[str], first_index: int) -> None:
    """Inserts the keys of items that are added to a locked job, if no other item has one of them.

    It costs more than ``insert_added_keys``: a round trip, and half as much time of PostgreSQL again.

    Args:
        tx: The transaction.
        job_id: The job.
        keys: Keys of the items. An empty text is no key.
        first_index: Position of the first of them, which is the number of items stored before.

    Raises:
        InvalidArgumentError: ITEM_KEY_TAKEN: another item has one of the keys. The caller rolls back.
    """
    check_unique(keys, first_index)
    rows = list(_rows(keys, first_index))
    for start in range(0, len(rows), MAX_KEYS_PER_STATEMENT):
        part = rows[start : start + MAX_KEYS_PER_STATEMENT]
        if await _insert(tx, job_id, part) < len(part):
            plain = {"job_id": job_id, "first_index": first_index, "limit": _MAX_DOUBLES}
            taken = await tx.run(_TAKEN, plain, k=rows)
            raise key_taken(
                DoubleKey(keys[row.item_index - first_index], row.taken_index, row.item_index)
                for row in taken
            )


async def find_items(tx: Transaction, job_id: str, keys: Sequence[str]) -> list[int]:
    """Returns the positions of the items with these keys, in any order, without unknown ones."""
    found = []
    for start in range(0, len(keys), MAX_KEYS_PER_STATEMENT):
        part = keys[start : start + MAX_KEYS_PER_STATEMENT]
        found_rows = await tx.run(_FIND, {"job_id": job_id}, k=list(_rows(part)))
        rows = [row for row in found_rows if row.item_index is not None]
        indexes = [row.item_index for row in rows]
        contents = await read_item_contents(tx, job_id, indexes)
        found += [
            row.item_index
            for row, content in zip(rows, contents, strict=True)
            if content.key == part[row.place]  # two keys may have the same hash
        ]
    return found


async def _insert(tx: Transaction, job_id: str, rows: Sequence[tuple[str, int]]) -> int:
    """Returns the number of inserted rows."""
    plain = {"keyed_job_id": job_id}
    if tx.sqlite:
        return len(await tx.run(_INSERT_FREE, plain, keyed=rows))
    tx.later(_INSERT_FREE, plain, name="inserted", keyed=rows)
    count: int = (await tx.run_along(_COUNT_INSERTED))[0].inserted_count
    return count


def _rows(keys: Sequence[str], first_index: int = 0) -> Iterator[tuple[str, int]]:
    """Yields hash and position of each key."""
    sha256 = hashlib.sha256
    for index, key in enumerate(keys, first_index):
        if key:
            yield sha256(key.encode()).hexdigest()[:_HASH_LENGTH], index
