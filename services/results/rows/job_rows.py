"""Rows of jobs and job_progress: reading, locking, writing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Row

from services.results.database.transaction import Transaction
from services.results.rules.facts import JobFacts

_OF_JOBS = (
    "kind",
    "max_failed_ratio",
    "create_time",
    "schedule_time",
    "trace_id",
    "worker_options",
    "has_keys",
    "name",
    "labels",
)
# A transition that waits for the lock of a job has read its row of jobs before. Values that change the work
# on a job are therefore in job_progress, if they have changed at all.
_EXPRESSIONS = {
    "max_parallelism": "COALESCE(p.max_parallelism, j.max_parallelism)",
    "job_timeout": "NULLIF(COALESCE(p.job_timeout, j.job_timeout), 0)",
}
_TEXTS = ("error_reason", "error_message", "error_detail", "answered_models", "trial_forecast")
_BOOLEANS = ("upload_open", "leasable", "has_deferrals", "has_keys", "delete_wanted")
_NAMES = tuple(field.name for field in fields(JobFacts))
COLUMNS = ", ".join(
    f"{_EXPRESSIONS.get(name, f'j.{name}' if name in _OF_JOBS else f'p.{name}')} AS {name}" for name in _NAMES
)

# Columns that few jobs ever change. They are written only with one of them.
_RARE = (
    "job_class",
    "max_parallelism",
    "job_timeout",
    "trial_end",
    "held_chunk_count",
    "trial_pause_time",
    "trial_forecast",
    "deadline_base",
    "failures_round",
    "retention",
    "delete_wanted",
)


def _types(*names: str) -> dict[str, str]:
    return {
        name: "boolean" if name in _BOOLEANS else "text" if name in _TEXTS else "bigint" for name in names
    }


# Columns that a transition may change, with their types.
_CHANGING = _types(*(name for name in _NAMES if name not in (*_OF_JOBS, *_RARE, "job_id", "tenant")))
_PROGRESS = {"job_id": "text", "tenant": "text", "job_class": "bigint"} | _CHANGING
_OPTIONAL = _types(*_RARE[1:])
_values = attrgetter("job_id", *_CHANGING)
_rare_values = attrgetter(*_RARE)
_inserted_values = attrgetter(*_PROGRESS)

# Another revision than that of job_progress: the row of jobs was read as it was before a wait for the lock.
_LOCKED_COLUMNS = f"{COLUMNS}, j.revision AS read_revision, NOW() AS now"

_LOCK = f"""
SELECT {_LOCKED_COLUMNS} FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.job_id IN (SELECT k.job_id FROM ROWS(k: job_id text))
ORDER BY p.job_id FOR UPDATE OF p"""
_LOCK_FREE = _LOCK + " SKIP LOCKED"
# The clock is read once, in a SELECT of its own, so that an index ends the search at the first job that is
# not due. A job that another transaction woke in between is locked too, which does no harm. The third part
# repeats the condition of its index; otherwise the index would not be used.
_LOCK_DUE = f"""
SELECT {_LOCKED_COLUMNS} FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.job_id IN (
    SELECT d.job_id FROM (SELECT w.job_id FROM job_progress w WHERE w.wake_time <= (SELECT NOW())
                          ORDER BY w.wake_time LIMIT :limit) d
    UNION ALL
    SELECT d.job_id FROM (SELECT u.job_id FROM job_progress u WHERE u.upload_expire_time <= (SELECT NOW())
                          ORDER BY u.upload_expire_time LIMIT :limit) d
    UNION ALL
    SELECT d.job_id FROM (SELECT e.job_id FROM job_progress e WHERE e.expire_time <= (SELECT NOW())
                          AND e.expire_time IS NOT NULL AND e.stopping_to = 0 AND e.finish_time IS NULL
                          ORDER BY e.expire_time LIMIT :limit) d)
ORDER BY p.job_id FOR UPDATE OF p SKIP LOCKED"""

_LOCK_PREPARING = f"""
SELECT {_LOCKED_COLUMNS} FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.next_round > 0 ORDER BY p.job_id LIMIT 1 FOR UPDATE OF p SKIP LOCKED"""

_READ_AGAIN = f"""
SELECT j.job_id, {", ".join(f"j.{name}" for name in _OF_JOBS)} FROM ROWS(k: job_id text)
JOIN jobs j ON j.job_id = k.job_id"""


def _update(columns: Mapping[str, str]) -> str:
    # A save without a change leaves change_xid: the new version of the row needs no entries in indexes.
    return f"""
UPDATE job_progress SET {", ".join(f"{name} = moved.{name}" for name in columns)},
    change_xid = CASE WHEN moved.change_seq = job_progress.change_seq THEN job_progress.change_xid
                 ELSE CHANGE_XID() END
FROM ROWS(moved: job_id text, {", ".join(f"{name} {type_}" for name, type_ in columns.items())})
WHERE job_progress.job_id = moved.job_id"""


def _insertion(columns: Mapping[str, str]) -> str:
    return f"""
INSERT INTO job_progress ({", ".join(columns)}, change_xid) SELECT {", ".join(columns)}, CHANGE_XID()
FROM ROWS(begun: {", ".join(f"{name} {type_}" for name, type_ in columns.items())})"""


_SAVE, _SAVE_ALL = _update(_CHANGING), _update(_CHANGING | _types(*_RARE))
_INSERT, _INSERT_ALL = _insertion(_PROGRESS), _insertion(_PROGRESS | _OPTIONAL)

_FIRST_DUE_TIMES = """
SELECT k.job_id, (
    SELECT c.due_time FROM chunks c
    WHERE c.job_id = k.job_id AND c.lease_incarnation IS NULL AND c.unfinished_count > 0
    ORDER BY c.due_time LIMIT 1) AS due_time
FROM ROWS(k: job_id text)"""

_NEWER = f"""
SELECT {COLUMNS} FROM ROWS(k: job_id text, known_seq bigint)
JOIN job_progress p ON p.job_id = k.job_id JOIN jobs j ON j.job_id = p.job_id
WHERE p.seq > k.known_seq AND (CAST(:tenant AS text) = '' OR p.tenant = :tenant)"""


def job_of(row: Row[Any]) -> JobFacts:
    """Returns the job of a row that starts with COLUMNS."""
    job = JobFacts(*row[: len(_NAMES)])
    for name in _BOOLEANS:  # Numbers on SQLite.
        setattr(job, name, bool(getattr(job, name)))
    return job


async def lock_jobs(
    tx: Transaction, job_ids: Iterable[str], *, only_free: bool = False
) -> dict[str, JobFacts]:
    """Locks jobs until the transaction ends and returns them by id, without unknown ones.

    Locks are taken by ascending id, so that two transactions cannot wait for each other. Read everything else
    about the jobs after this.

    Args:
        tx: The transaction.
        job_ids: Jobs to lock.
        only_free: Whether to skip jobs that another transaction has locked.
    """
    wanted = sorted(set(job_ids))
    if not wanted:
        return {}
    rows = await tx.run(_LOCK_FREE if only_free else _LOCK, k=[(job_id,) for job_id in wanted])
    return await _locked(tx, rows)


async def lock_due_jobs(tx: Transaction, limit: int) -> dict[str, JobFacts]:
    """Locks and returns jobs that are due: to wake, to expire as an idle upload, or past their deadline.

    Skips jobs that another transaction has locked.

    Args:
        tx: The transaction.
        limit: Maximum jobs of each of the three groups.
    """
    return await _locked(tx, await tx.run(_LOCK_DUE, {"limit": limit}))


async def lock_preparing_job(tx: Transaction) -> dict[str, JobFacts]:
    """Locks and returns a job with a retry to prepare, if there is one; skips locked jobs."""
    return await _locked(tx, await tx.run(_LOCK_PREPARING))


async def _locked(tx: Transaction, rows: Sequence[Row[Any]]) -> dict[str, JobFacts]:
    """Returns locked jobs by id. Reads those again that were updated while the lock was awaited."""
    jobs = {row.job_id: job_of(row) for row in rows}
    updated = [(row.job_id,) for row in rows if row.revision != row.read_revision]
    for row in await tx.run(_READ_AGAIN, k=updated) if updated else ():
        for name in _OF_JOBS:
            setattr(jobs[row.job_id], name, getattr(row, name))
    return jobs


def save_jobs(tx: Transaction, jobs: Collection[JobFacts], before: Mapping[str, JobFacts]) -> None:
    """Queues the update of locked jobs.

    Args:
        tx: The transaction.
        jobs: The jobs.
        before: The same jobs as they were read, by id.
    """
    if any(_rare_values(job) != _rare_values(before[job.job_id]) for job in jobs):
        tx.later(_SAVE_ALL, moved=[(*_values(job), job.job_class, *_optional_values(job)) for job in jobs])
    elif jobs:
        tx.later(_SAVE, moved=[_values(job) for job in jobs])


def _optional_values(job: JobFacts) -> tuple[Any, ...]:
    values = {name: getattr(job, name) for name in _OPTIONAL}
    values["job_timeout"] = job.job_timeout or 0  # NULL would be that of jobs.
    return tuple(values.values())


def insert_progress(tx: Transaction, jobs: Collection[JobFacts], where: str) -> None:
    """Queues the insertion of new jobs into job_progress.

    Args:
        tx: The transaction.
        jobs: The jobs.
        where: Condition on their job_id, or an empty text.
    """
    if any(job.trial_end is not None or job.retention is not None for job in jobs):
        rows = [(*_inserted_values(job), *_optional_values(job)) for job in jobs]
        tx.later(_INSERT_ALL + where, begun=rows)
    else:
        tx.later(_INSERT + where, begun=[_inserted_values(job) for job in jobs])


async def read_first_due_times(tx: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """Returns the due time of the first free chunk of each job that has one, in microseconds."""
    rows = await tx.run(_FIRST_DUE_TIMES, k=[(job_id,) for job_id in job_ids])
    return {row.job_id: row.due_time for row in rows if row.due_time is not None}


async def read_newer(tx: Transaction, known: Sequence[tuple[str, int]], tenant: str) -> list[JobFacts]:
    """Returns the jobs with a greater seq than the caller knows.

    Args:
        tx: The transaction.
        known: (job id, known seq) per job.
        tenant: Owner of the jobs. Default if empty: any tenant.
    """
    return [job_of(row) for row in await tx.run(_NEWER, {"tenant": tenant}, k=known)]
