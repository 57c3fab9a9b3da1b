"""Rows of usage_history: the usage of purged jobs, which sums of usage need after the jobs are gone."""

import hashlib
from collections.abc import Sequence

from services.results.database.transaction import Transaction

DAY = 86_400_000_000
COUNTS = (
    "job_count",
    "succeeded_count",
    "failed_count",
    "call_count",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_micros",
)
# The job is one; the other counts are columns of job_progress.
_OF_PROGRESS = ", ".join(f"p.{name}" for name in COUNTS[1:])
_SHARED = ("tenant", "day", "model", "kind", "labels")
_COLUMNS = ", ".join((*_SHARED, "job_id", "folded", *COUNTS))
_TYPES = {"day": "bigint", "folded": "boolean"} | dict.fromkeys(COUNTS, "bigint")
_SPECS = ", ".join(f"{name.strip()} {_TYPES.get(name.strip(), 'text')}" for name in _COLUMNS.split(","))

# Usage of the jobs that are not purged, in the columns of usage_history.
LIVE_USAGE = f"""
SELECT j.tenant, j.create_time / {DAY} AS day, COALESCE(j.model, '') AS model, j.kind,
    COALESCE(j.labels, '') AS labels, j.job_id, false AS folded, 1 AS job_count, {_OF_PROGRESS}
FROM job_progress p JOIN jobs j ON j.job_id = p.job_id"""

_SAVE = f"""
INSERT INTO usage_history ({_COLUMNS}) SELECT {_COLUMNS} FROM (
    {LIVE_USAGE} WHERE p.job_id IN (SELECT used.job_id FROM ROWS(used: job_id text))) u
WHERE true ON CONFLICT DO NOTHING"""
_LOCK_UNFOLDED = f"""
SELECT {", ".join(_SHARED)}, job_id, {", ".join(COUNTS)} FROM usage_history
WHERE NOT folded AND day < :before_day ORDER BY day LIMIT :limit FOR UPDATE SKIP LOCKED"""
_DELETE = """
DELETE FROM usage_history WHERE (tenant, day, job_id) IN (
    SELECT apart.tenant, apart.day, apart.job_id FROM ROWS(apart: tenant text, day bigint, job_id text))"""
_ADD = f"""
INSERT INTO usage_history ({_COLUMNS}) SELECT {_COLUMNS} FROM ROWS(sums: {_SPECS})
WHERE true ON CONFLICT (tenant, day, job_id) DO UPDATE SET
    {", ".join(f"{name} = usage_history.{name} + excluded.{name}" for name in COUNTS)}"""


def save_usage(tx: Transaction, job_ids: Sequence[tuple[str]]) -> None:
    """Queues the copy of the usage of locked jobs. Queue it before their deletion."""
    tx.later(_SAVE, used=job_ids)


def label_value(sqlite: bool, labels: str, key: str) -> str:
    """Returns the SQL of the value of a label; NULL if there is none.

    Args:
        sqlite: Whether it is for SQLite.
        labels: SQL of the labels, as JSON text. May be NULL or empty.
        key: SQL of the key.
    """
    if sqlite:
        # Keys hold no quotes. Quoted, they may hold any other character.
        return f"""json_extract(NULLIF({labels}, ''), '$."' || {key} || '"')"""
    return f"(CAST(NULLIF({labels}, '') AS json) ->> {key})"


async def fold_rows(tx: Transaction, before_day: int, limit: int) -> int:
    """Sums rows of days before a day that agree in all but their job, and returns the number of summed rows.

    Readers see either the rows or their sum. Any number of callers may run this at once.

    Args:
        tx: The transaction.
        before_day: Day, in days since 1970.
        limit: Maximum rows to sum.
    """
    rows = await tx.run(_LOCK_UNFOLDED, {"before_day": before_day, "limit": limit})
    if not rows:
        return 0
    sums: dict[tuple[str, int, str, str, str], list[int]] = {}
    for row in rows:
        counts = sums.setdefault(tuple(row[: len(_SHARED)]), [0] * len(COUNTS))
        for place, count in enumerate(row[len(_SHARED) + 1 :]):
            counts[place] += count
    await tx.run(_DELETE, apart=[(row.tenant, row.day, row.job_id) for row in rows])
    # In one order, so that two callers cannot wait for each other.
    folded = [(*shared, _digest(*shared), True, *counts) for shared, counts in sorted(sums.items())]
    await tx.run(_ADD, sums=folded)
    return len(rows)


def _digest(tenant: str, day: int, model: str, kind: str, labels: str) -> str:
    """Returns the job_id of a folded row, which no job has."""
    digest = hashlib.sha256()
    for text in (tenant, str(day), model, kind, labels):
        digest.update(len(text.encode()).to_bytes(8, "big") + text.encode())
    return f"folded {digest.hexdigest()[:32]}"
