"""Insertion of new jobs, with their progress, inputs and chunks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.results.database.transaction import Transaction
from services.results.rows import chunk_rows, job_labels, job_rows, key_rows
from services.results.rows.chunk_rows import Block
from services.results.rows.job_rows import COLUMNS, job_of
from services.results.rules.chunks import Cut
from services.results.rules.facts import JobFacts
from services.results.rules.trials import HELD_DUE_TIME, is_held
from services.stubs.results.v1 import results_pb2

RequestName = tuple[str, str]  # tenant, request_id

_COLUMNS = {
    "job_id": "text",
    "tenant": "text",
    "request_id": "text",
    "content_hash": "text",
    "kind": "text",
    "params": "text",
    "job_class": "bigint",
    "max_failed_ratio": "double precision",
    "max_parallelism": "bigint",
    "schedule_time": "bigint",
    "trace_id": "text",
    "job_timeout": "bigint",
    "worker_options": "text",
    "model": "text",
    "create_time": "bigint",
    "has_keys": "boolean",
    "name": "text",
    "labels": "text",
}
_NAMES = ", ".join(_COLUMNS)
_FROM_FACTS = tuple(
    name for name in _COLUMNS if name not in ("request_id", "content_hash", "params", "model", "create_time")
)

_READ_STORED = f"""
SELECT {COLUMNS}, j.request_id, j.content_hash FROM ROWS(k: tenant text, request_id text)
JOIN jobs j ON j.tenant = k.tenant AND j.request_id = k.request_id
JOIN job_progress p ON p.job_id = j.job_id"""
_INSERT_JOBS = f"""
INSERT INTO jobs ({_NAMES}) SELECT {_NAMES.replace("create_time", "COALESCE(create_time, NOW())")}
FROM ROWS(new: {", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items())})
WHERE true ON CONFLICT (tenant, request_id) DO NOTHING RETURNING job_id, create_time"""
# An existing row is not touched: a conflict with it would wait for a lease that moves it.
_INSERT_SHARES = """
INSERT INTO tenant_shares (job_class, tenant, virtual_time, job_clock)
SELECT job_class, tenant, 0, 0 FROM ROWS(shares: job_class bigint, tenant text)
WHERE NOT EXISTS (
    SELECT 1 FROM tenant_shares t WHERE t.job_class = shares.job_class AND t.tenant = shares.tenant)
ON CONFLICT DO NOTHING"""
_WHERE_CREATED = " WHERE job_id IN (SELECT created.job_id FROM created)"


class NewJobRows(NamedTuple):
    """Everything to store of a new job.

    Attributes:
        job: Its facts. ``create_time`` 0 means the time of the insertion.
        new: The request for it.
        cuts: Chunks of its items.
    """

    job: JobFacts
    new: results_pb2.NewJob
    cuts: Sequence[Cut]


async def read_stored_jobs(
    tx: Transaction, names: Sequence[RequestName]
) -> dict[RequestName, tuple[JobFacts, str]]:
    """Returns the stored jobs with these tenants and request ids, each with its content hash."""
    rows = await tx.run(_READ_STORED, k=names) if names else []
    return {(row.tenant, row.request_id): (job_of(row), row.content_hash) for row in rows}


async def insert_jobs(
    tx: Transaction, wanted: Sequence[NewJobRows], shares: Sequence[tuple[int, str]]
) -> dict[str, int]:
    """Inserts jobs whose tenant and request_id are not stored yet, in one statement on PostgreSQL.

    Args:
        tx: The transaction.
        wanted: Jobs sorted by tenant and request_id, so that two such calls cannot wait for each other.
        shares: (job class, tenant) of the rows of tenant_shares to make.

    Returns:
        The create_time of each inserted job, by id.
    """
    insert_shares(tx, shares)
    rows = [_jobs_row(job, new) for job, new, _ in wanted]
    if tx.sqlite:
        created = {row.job_id: row.create_time for row in await tx.run(_INSERT_JOBS, new=rows)}
        _insert_contents(tx, [each for each in wanted if each.job.job_id in created], where="")
        return created
    tx.later(_INSERT_JOBS, name="created", new=rows)
    _insert_contents(tx, wanted, where=_WHERE_CREATED)
    found = await tx.run_along("SELECT created.job_id, created.create_time FROM created")
    return {row.job_id: row.create_time for row in found}


def insert_shares(tx: Transaction, shares: Sequence[tuple[int, str]]) -> None:
    """Queues the insertion of rows of tenant_shares (job class, tenant) that do not exist."""
    tx.later(_INSERT_SHARES, shares=shares)


def _insert_contents(tx: Transaction, wanted: Sequence[NewJobRows], where: str) -> None:
    if not wanted:
        return
    job_rows.insert_progress(tx, [each.job for each in wanted], where)
    job_labels.insert_labels(tx, [each.job for each in wanted], where)
    blocks, chunks = [], []
    for job, new, cuts in wanted:
        for index, cut in enumerate(cuts):
            items = slice(cut.first_index, cut.end_index)
            blocks.append(Block(job.job_id, cut.first_index, new.items[items], new.item_keys[items]))
            due_time = HELD_DUE_TIME if is_held(job, cut.first_index) else 0
            chunks.append(chunk_rows.new_chunk(job.job_id, index, cut, due_time))
    chunk_rows.insert_blocks(tx, blocks, where)
    chunk_rows.insert_chunks(tx, chunks, where)
    keyed = [(job.job_id, new.item_keys) for job, new, _ in wanted if job.has_keys]
    if keyed:
        key_rows.insert_new_keys(tx, keyed, where)


def _jobs_row(job: JobFacts, new: results_pb2.NewJob) -> tuple[Any, ...]:
    values = {name: getattr(job, name) for name in _FROM_FACTS}
    values["request_id"] = new.request_id
    values["content_hash"] = new.content_hash.hex()
    values["params"] = new.params
    values["model"] = new.model
    # Without a time here, the statement itself reads the clock.
    values["create_time"] = job.create_time or None
    return tuple(values[name] for name in _COLUMNS)
