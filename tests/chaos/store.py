"""Reads the database itself: what holds is what is stored, whatever the services say."""

from collections.abc import Sequence

import asyncpg

from headrace.jobs.v1 import jobs_pb2
from tests.chaos.calls import Place
from tests.chaos.jobs import LABELS, StormJob

_TERMINAL = [
    jobs_pb2.JOB_STATE_SUCCEEDED,
    jobs_pb2.JOB_STATE_FAILED,
    jobs_pb2.JOB_STATE_CANCELLED,
    jobs_pb2.JOB_STATE_EXPIRED,
]
# What must be no row: a job that is not as its rows of results say. It may have used more calls than its
# results: attempts that came to none count too.
_WRONG_JOBS = """
SELECT j.request_id, p.state, p.total_count, p.succeeded_count, p.failed_count, i.item_count, r.item_count,
    r.row_count, r.wrong_count, p.call_count, r.call_count, c.open_count
FROM jobs j JOIN job_progress p USING (job_id)
CROSS JOIN LATERAL (SELECT coalesce(sum(b.item_count), 0) AS item_count FROM item_blocks b
    WHERE b.job_id = j.job_id) i
CROSS JOIN LATERAL (SELECT count(*) AS row_count, count(DISTINCT item_index) AS item_count,
    count(*) FILTER (WHERE state = 1) AS succeeded_count, count(*) FILTER (WHERE state = 2) AS failed_count,
    coalesce(sum(call_count), 0) AS call_count,
    count(*) FILTER (WHERE state = 1 AND output::json ->> 'label' <> ($2::text[])[item_index % 4 + 1])
        AS wrong_count
    FROM results r WHERE r.job_id = j.job_id) r
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE lease_incarnation IS NOT NULL OR unfinished_count <> 0)
    AS open_count FROM chunks c WHERE c.job_id = j.job_id) c
WHERE j.request_id = ANY($1) AND NOT (p.state = ANY($3::int[]) AND p.finish_time IS NOT NULL
    AND p.total_count = i.item_count AND r.row_count = p.total_count AND r.item_count = p.total_count
    AND r.succeeded_count = p.succeeded_count AND r.failed_count = p.failed_count
    AND r.wrong_count = 0 AND r.call_count <= p.call_count AND c.open_count = 0)
"""
_FACTS = """
SELECT coalesce(sum(p.total_count), 0) AS item_count, coalesce(sum(p.failed_count), 0) AS failed_count,
    (SELECT coalesce(sum(loss_count + quarantine_loss_count), 0) FROM chunks c
     WHERE c.job_id IN (SELECT job_id FROM jobs WHERE request_id = ANY($1))) AS loss_count
FROM job_progress p JOIN jobs j USING (job_id) WHERE j.request_id = ANY($1)
"""
_RECORDED = """
SELECT j.request_id, r.item_index, r.finish_time / 1e6 FROM results r JOIN jobs j USING (job_id)
WHERE j.request_id = ANY($1)
"""
_FAILED = """
SELECT j.request_id, r.item_index, r.error_reason, r.error_message, r.attempt_count FROM results r
JOIN jobs j USING (job_id) WHERE r.state = 2 AND j.request_id = ANY($1)
"""
_HELD = """
SELECT j.request_id, c.first_index, c.item_count FROM chunks c JOIN jobs j USING (job_id)
JOIN workers w ON w.incarnation = c.lease_incarnation
WHERE w.address = $1 AND NOT w.ended AND c.unfinished_count > 0
"""


class Store:
    """One connection for each question: the database is stopped in between.

    Args:
        database_url: As SQLAlchemy has it.
    """

    def __init__(self, database_url: str) -> None:
        self._dsn = database_url.replace("+asyncpg", "")

    async def wrong_jobs(self, jobs: Sequence[StormJob]) -> list[str]:
        """Returns each job that is missing, is there twice, has not ended, or whose numbers do not add up."""
        marks = [job.mark for job in jobs]
        known = {
            row["request_id"]: row["job_id"]
            for row in await self._fetch(
                "SELECT request_id, job_id FROM jobs WHERE request_id = ANY($1)", marks
            )
        }
        wrong = [
            f"{job.mark}: not stored as it was accepted" for job in jobs if known.get(job.mark) != job.job_id
        ]
        rows = await self._fetch(_WRONG_JOBS, marks, LABELS, _TERMINAL)
        return wrong + [f"numbers do not add up: {dict(row)}" for row in rows]

    async def unknown_jobs(self, prefix: str, jobs: Sequence[StormJob]) -> list[str]:
        """Returns stored jobs that are none of these, in words: a submit was stored twice.

        Args:
            prefix: With which the marks of all these jobs begin, and of no others.
            jobs: All that were answered with.
        """
        known = [job.job_id for job in jobs]
        statement = "SELECT request_id FROM jobs WHERE starts_with(request_id, $1) AND job_id <> ALL($2)"
        rows = await self._fetch(statement, prefix, known)
        return [f"{row['request_id']}: stored once more" for row in rows]

    async def facts(self, jobs: Sequence[StormJob]) -> asyncpg.Record:
        """Returns item_count, failed_count, and loss_count: leases that were taken from the dead."""
        return (await self._fetch(_FACTS, [job.mark for job in jobs]))[0]

    async def recorded_times(self, jobs: Sequence[StormJob]) -> dict[Place, float]:
        """Returns when each item's result was recorded, in seconds since 1970."""
        rows = await self._fetch(_RECORDED, [job.mark for job in jobs])
        return {(row[0], row[1]): float(row[2]) for row in rows}

    async def failed_items(self, jobs: Sequence[StormJob]) -> dict[Place, str]:
        """Returns each item that failed, and why, in words."""
        rows = await self._fetch(_FAILED, [job.mark for job in jobs])
        return {(row[0], row[1]): f"{row[2]} after {row[4]} attempts: {row[3]}" for row in rows}

    async def held_places(self, address: str) -> set[Place]:
        """Returns the items of the chunks that the worker at an address holds."""
        try:
            rows = await self._fetch(_HELD, address)
        except (OSError, asyncpg.PostgresError):
            return set()  # the database is away as well: then nobody can take over
        return {(row[0], index) for row in rows for index in range(row[1], row[1] + row[2])}

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._dsn, timeout=10)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()
