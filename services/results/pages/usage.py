"""GetUsage: sums of the usage of a tenant's jobs, purged ones included."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.rows.usage_rows import COUNTS, LIVE_USAGE, label_value
from services.stubs.results.v1 import results_pb2

MAX_GROUPS = 10_000
# Below the 4 MB that clients receive by default.
MAX_BYTES = 3 * 1024 * 1024

_EPOCH = date(1970, 1, 1)
_GROUP = ("day", "model", "kind", "label_value")
_SUMS = ", ".join(f"CAST(COALESCE(sum({name}), 0) AS bigint) AS {name}" for name in COUNTS)
_OF_KIND = " AND u.kind = :kind"
_OF_MODEL = " AND u.model = :model"


async def get_usage(database: Database, request: results_pb2.GetUsageRequest) -> results_pb2.GetUsageResponse:
    """Returns the sums by group, in the order of day, model, kind and label value, and the sum of all.

    One statement reads jobs and purged jobs, so a job that is purged meanwhile counts once.
    """
    plain = {
        "tenant": request.tenant,
        "first_day": request.first_day,
        "last_day": request.last_day,
        "kind": request.kind,
        "model": request.model,
        "label_key": request.by_label,
        "limit": MAX_GROUPS,
    }
    labels = {"wanted": sorted(request.labels.items())}
    template = _template(request, database.sqlite)
    rows = await database.read(lambda tx: tx.run(template, plain, **labels))
    rows = sorted(rows, key=lambda row: (row.day, row.model, row.kind, row.label_value))
    groups = [_group(request, row) for row in rows if not row.is_total]
    total = next(row for row in rows if row.is_total)
    return results_pb2.GetUsageResponse(groups=_fitting(groups), total=_sums(total))


def _template(request: results_pb2.GetUsageRequest, sqlite: bool) -> str:
    """Returns the statement. The last of its rows is the total."""
    columns = ", ".join(f"{sql} AS {name}" for name, sql in _grouping(request, sqlite).items())
    names = ", ".join(_GROUP)
    where = "u.tenant = :tenant AND u.day >= :first_day AND u.day <= :last_day"
    where += (_OF_KIND if request.kind else "") + (_OF_MODEL if request.model else "")
    if request.labels:
        value = label_value(sqlite, "u.labels", "wanted.key")
        missing = f"{value} IS NULL OR {value} <> wanted.value"
        where += f" AND NOT EXISTS (SELECT 1 FROM ROWS(wanted: key text, value text) WHERE {missing})"
    return f"""
WITH used AS (
    {LIVE_USAGE} WHERE p.tenant = :tenant AND p.job_class > 0
    UNION ALL SELECT h.tenant, h.day, h.model, h.kind, h.labels, h.job_id, h.folded,
        {", ".join(f"h.{name}" for name in COUNTS)}
    FROM usage_history h WHERE h.tenant = :tenant AND h.day >= :first_day AND h.day <= :last_day),
found AS (SELECT {columns}, {", ".join(COUNTS)} FROM used u WHERE {where}),
grouped AS (SELECT {names}, {_SUMS} FROM found GROUP BY {names})
SELECT * FROM (
    SELECT 0 AS is_total, {names}, {", ".join(COUNTS)} FROM grouped ORDER BY {names} LIMIT :limit) g
UNION ALL SELECT 1, 0, '', '', '', {_SUMS} FROM grouped"""


def _grouping(request: results_pb2.GetUsageRequest, sqlite: bool) -> dict[str, str]:
    """Returns the SQL of what the usage is grouped by, constants for the rest."""
    value = f"COALESCE({label_value(sqlite, 'u.labels', 'CAST(:label_key AS text)')}, '')"
    return {
        "day": "u.day" if request.by_day else "0",
        "model": "u.model" if request.by_model else "''",
        "kind": "u.kind" if request.by_kind else "''",
        "label_value": value if request.by_label else "''",
    }


def _group(request: results_pb2.GetUsageRequest, row: Row[Any]) -> jobs_pb2.UsageGroup:
    group = _sums(row)
    if request.by_day:
        group.day = (_EPOCH + timedelta(days=row.day)).isoformat()
    group.model, group.kind, group.label_value = row.model, row.kind, row.label_value
    return group


def _sums(row: Row[Any]) -> jobs_pb2.UsageGroup:
    return jobs_pb2.UsageGroup(
        job_count=row.job_count,
        succeeded_count=row.succeeded_count,
        failed_count=row.failed_count,
        usage=jobs_pb2.Usage(
            call_count=row.call_count,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cached_tokens=row.cached_tokens,
            cost_micros=row.cost_micros,
        ),
    )


def _fitting(groups: Sequence[jobs_pb2.UsageGroup]) -> Sequence[jobs_pb2.UsageGroup]:
    """Returns the groups, from the first on, that fit in MAX_BYTES."""
    total = 0
    for count, group in enumerate(groups):
        total += group.ByteSize() + 6
        if total > MAX_BYTES:
            return groups[:count]
    return groups
