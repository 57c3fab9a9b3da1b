"""Reading, locking and writing rows of jobs and job_progress."""

# ruff: noqa: S608  # statements are put together from constants alone

from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Row

from services.results.database.database import Transaction
from services.results.rules.facts import Job

_OF_JOBS = (
    "kind",
    "max_failed_ratio",
    "max_parallelism",
    "create_time",
    "schedule_time",
    "trace_id",
    "job_timeout",
    "worker_options",
)
_BOOLEANS = ("upload_open", "leasable", "has_deferrals")
_NAMES = tuple(field.name for field in fields(Job))
COLUMNS = ", ".join(f"j.{name}" if name in _OF_JOBS else f"p.{name}" for name in _NAMES)

# What a transition may change, with types.
_CHANGING = {
    name: "boolean" if name in _BOOLEANS else "text" if name.startswith("error_") else "bigint"
    for name in _NAMES
    if name not in (*_OF_JOBS, "job_id", "tenant", "job_class")
}
_PROGRESS = {"job_id": "text", "tenant": "text", "job_class": "bigint"} | _CHANGING
_values = attrgetter("job_id", *_CHANGING)

_LOCK = f"""
SELECT {COLUMNS}, NOW() AS now FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.job_id IN (SELECT k.job_id FROM ROWS(k: job_id text))
ORDER BY p.job_id FOR UPDATE OF p"""
_LOCK_FREE = _LOCK + " SKIP LOCKED"
# The clock is read in a SELECT of its own: once, so that an index ends the search at what is not due yet. A
# job that somebody else woke in between is locked too; nothing follows from it. The third part repeats the
# condition of its index, or it would not be used.
_LOCK_DUE = f"""
SELECT {COLUMNS}, NOW() AS now FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.job_id IN (
    SELECT d.job_id FROM (SELECT w.job_id FROM job_progress w WHERE w.wake_time <= (SELECT NOW())
                          ORDER BY w.wake_time LIMIT :most) d
    UNION ALL
    SELECT d.job_id FROM (SELECT u.job_id FROM job_progress u WHERE u.upload_expire_time <= (SELECT NOW())
                          ORDER BY u.upload_expire_time LIMIT :most) d
    UNION ALL
    SELECT d.job_id FROM (SELECT e.job_id FROM job_progress e WHERE e.expire_time <= (SELECT NOW())
                          AND e.expire_time IS NOT NULL AND e.stopping_to = 0 AND e.finish_time IS NULL
                          ORDER BY e.expire_time LIMIT :most) d)
ORDER BY p.job_id FOR UPDATE OF p SKIP LOCKED"""

_SAVE = f"""
UPDATE job_progress SET {", ".join(f"{name} = moved.{name}" for name in _CHANGING)}
FROM ROWS(moved: job_id text, {", ".join(f"{name} {type_}" for name, type_ in _CHANGING.items())})
WHERE job_progress.job_id = moved.job_id"""

_INSERT = f"""
INSERT INTO job_progress ({", ".join(_PROGRESS)}) SELECT {", ".join(_PROGRESS)}
FROM ROWS(begun: {", ".join(f"{name} {type_}" for name, type_ in _PROGRESS.items())})"""

_WAITS = """
SELECT k.job_id, (
    SELECT c.due_time FROM chunks c
    WHERE c.job_id = k.job_id AND c.lease_incarnation IS NULL AND c.unfinished_count > 0
    ORDER BY c.due_time LIMIT 1) AS due_time
FROM ROWS(k: job_id text)"""

_NEWER = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text, known_seq bigint)
JOIN job_progress p ON p.job_id = k.job_id JOIN jobs j ON j.job_id = p.job_id
WHERE p.seq > k.known_seq AND (CAST(:tenant AS text) = '' OR p.tenant = :tenant)"""


def job_of(row: Row[Any]) -> Job:
    """Returns the job of a row that has COLUMNS first."""
    job = Job(*row[: len(_NAMES)])
    for name in _BOOLEANS:  # SQLite has numbers for them
        setattr(job, name, bool(getattr(job, name)))
    return job


async def lock_jobs(tx: Transaction, job_ids: Iterable[str], *, only_free: bool = False) -> dict[str, Job]:
    """Returns jobs by id, locked until the transaction ends; those unknown are missing.

    They are locked by rising id, so that two transactions cannot wait for each other. Whatever else is
    read about them has to be read after this.

    Args:
        tx: The transaction.
        job_ids: Which.
        only_free: Leave out those that another transaction has locked now.
    """
    wanted = sorted(set(job_ids))
    if not wanted:
        return {}
    rows = await tx.run(_LOCK_FREE if only_free else _LOCK, k=[(job_id,) for job_id in wanted])
    return {row.job_id: job_of(row) for row in rows}


async def lock_due_jobs(tx: Transaction, most: int) -> dict[str, Job]:
    """Returns, locked, jobs whose wait is over or whose time is up, but for those locked by others.

    Args:
        tx: The transaction.
        most: How many of each kind at most.
    """
    return {row.job_id: job_of(row) for row in await tx.run(_LOCK_DUE, {"most": most})}


def save_jobs(tx: Transaction, jobs: Iterable[Job]) -> None:
    """Queues jobs that are locked to be written back."""
    rows = [_values(job) for job in jobs]
    if rows:
        tx.later(_SAVE, moved=rows)


def insert_progress(tx: Transaction, jobs: Iterable[Job], where: str) -> None:
    """Queues the changing part of new jobs.

    Args:
        tx: The transaction.
        jobs: The jobs.
        where: A condition on ``begun.job_id``, or an empty text.
    """
    values = attrgetter(*_PROGRESS)
    tx.later(_INSERT + where, begun=[values(job) for job in jobs])


async def read_waits(tx: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """Returns of each job when its first free chunk is due, in microseconds; without one it is missing."""
    rows = await tx.run(_WAITS, k=[(job_id,) for job_id in job_ids])
    return {row.job_id: row.due_time for row in rows if row.due_time is not None}


async def read_newer(tx: Transaction, known: Sequence[tuple[str, int]], tenant: str) -> list[Job]:
    """Returns, of the jobs known up to a seq, those that have a greater one now.

    Args:
        tx: The transaction.
        known: Job ids with the seq that the caller knows.
        tenant: Only its jobs; empty: anyone's.
    """
    return [job_of(row) for row in await tx.run(_NEWER, {"tenant": tenant}, k=known)]
