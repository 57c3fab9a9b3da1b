"""Candidates for leasing, read from job_progress; virtual times of tenants, in tenant_shares."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from headrace.errors import FailedPreconditionError
from headrace.reasons import ErrorReason
from services.results.database.transaction import Transaction
from services.results.rows.messages import canonical_id
from services.results.rules.fairness import Candidate, Choice, ChunkSize, Share
from services.stubs.results.v1 import results_pb2

MAX_TENANTS = 32
# More jobs take longer, and meanwhile a job of another tenant waits for the next call.
MAX_JOBS_PER_TENANT = 100

_FREE = """p.job_class = s.job_class AND p.tenant = s.tenant AND p.leasable
    AND (p.wake_time IS NULL OR p.wake_time <= NOW())"""
_TENANTS = f"""
SELECT s.tenant, s.job_class, s.virtual_time, s.job_clock FROM tenant_shares s
WHERE s.job_class = :job_class AND (s.tenant = '' OR EXISTS (SELECT 1 FROM job_progress p WHERE {_FREE}))
    AND s.tenant NOT IN (SELECT excluded.tenant FROM ROWS(excluded: tenant text))
ORDER BY s.tenant <> '', s.virtual_time, s.tenant LIMIT :tenant_limit"""
_FIRST_JOBS = f"FROM job_progress p WHERE {_FREE} ORDER BY p.virtual_time, p.job_id LIMIT :job_limit"
# The lock of the worker's row serialises its calls, so a repeated call finds the leases of the first, and
# nobody declares the worker dead meanwhile. Everything else is read without a lock.
_CANDIDATES = f"""
WITH worker AS (
    SELECT w.ended OR w.dead OR w.alive_until < NOW() AS gone, NOW() AS now, EXISTS (
        SELECT 1 FROM chunks c WHERE c.lease_incarnation = w.incarnation AND c.quarantined) AS is_risky
    FROM workers w WHERE w.incarnation = :incarnation FOR UPDATE)
SELECT worker.gone, worker.now, worker.is_risky, s.tenant, s.virtual_time AS tenant_time, s.job_clock,
    p.job_id, p.virtual_time, p.chunk_size, COALESCE(p.max_parallelism, j.max_parallelism) AS max_parallelism,
    p.open_chunk_count - p.held_chunk_count AS open_chunk_count, p.leased_chunk_count,
    p.quarantined_chunk_count
FROM worker LEFT JOIN ({_TENANTS}) s ON true
LEFT JOIN LATERAL (SELECT * {_FIRST_JOBS}) p ON true
LEFT JOIN jobs j ON j.job_id = p.job_id"""
# SQLite lacks LATERAL, and PostgreSQL would plan this form badly.
_CANDIDATES_SQLITE = _CANDIDATES.replace(
    f"LATERAL (SELECT * {_FIRST_JOBS}) p ON true",
    f"job_progress p ON p.job_id IN (SELECT p.job_id {_FIRST_JOBS})",
)
_SAVE = """
UPDATE tenant_shares SET virtual_time = GREATEST(tenant_shares.virtual_time, served.floor) + served.taken,
    job_clock = GREATEST(tenant_shares.job_clock, served.job_clock)
FROM ROWS(served: job_class bigint, tenant text, floor bigint, taken bigint, job_clock bigint)
WHERE tenant_shares.job_class = served.job_class AND tenant_shares.tenant = served.tenant"""


@dataclass
class Candidates:
    """Jobs with chunks to lease, read without a lock.

    Attributes:
        class_clock: Virtual time of the class.
        shares: Share of each tenant with such a job.
        candidates: First of these jobs, in the order of fairness. Sizes of chunks are upper bounds.
        more: Whether there may be other such jobs.
        is_risky: Whether a quarantined chunk is leased to the worker. Then it gets no other one: if it dies,
            nothing says which of them killed it.
    """

    class_clock: int
    shares: dict[str, Share]
    candidates: list[Candidate]
    more: bool
    is_risky: bool


async def read_candidates(tx: Transaction, request: results_pb2.LeaseChunksRequest) -> Candidates:
    """Returns jobs of the requested class, enough to fill the capacity, without the excluded ones.

    Locks the row of the worker.

    Raises:
        FailedPreconditionError: The worker is not live (WORKER_NOT_LIVE).
    """
    excluded = {canonical_id(job_id) for job_id in request.excluded_job_ids}
    job_limit = min(max(request.capacity, 1), MAX_JOBS_PER_TENANT) + 1 + len(excluded)
    plain = {
        "incarnation": request.incarnation,
        "job_class": request.job_class,
        "tenant_limit": MAX_TENANTS + 1,
        "job_limit": job_limit,
    }
    excluded_tenants = [(tenant,) for tenant in request.excluded_tenants if tenant]
    rows = await tx.run(_CANDIDATES_SQLITE if tx.sqlite else _CANDIDATES, plain, excluded=excluded_tenants)
    if not rows or rows[0].gone:
        raise FailedPreconditionError(
            "the worker is not live; send a heartbeat first", reason=ErrorReason.WORKER_NOT_LIVE
        )
    shares = {row.tenant: Share(row.tenant_time, row.job_clock) for row in rows}
    jobs = [row for row in rows if row.job_id is not None]
    counts = Counter(row.tenant for row in jobs)
    candidates = [_candidate(row, request.capacity) for row in jobs if row.job_id not in excluded]
    return Candidates(
        class_clock=shares[""].virtual_time if "" in shares else 0,
        shares=shares,
        candidates=[candidate for candidate in candidates if candidate.chunks],
        more=len(counts) >= MAX_TENANTS or max(counts.values(), default=0) >= job_limit,
        is_risky=bool(rows[0].is_risky),
    )


def _candidate(row: Row[Any], capacity: int) -> Candidate:
    count = row.open_chunk_count - row.leased_chunk_count - row.quarantined_chunk_count
    if row.quarantined_chunk_count and not row.is_risky:
        count += 1
    if row.max_parallelism:
        count = min(count, max(0, row.max_parallelism - row.leased_chunk_count))
    # One more than can fit, so that the choice sees that more is left.
    count = min(count, capacity // row.chunk_size + 2)
    return Candidate(row.job_id, row.tenant, row.virtual_time, [ChunkSize(row.chunk_size)] * count)


def save_shares(tx: Transaction, job_class: int, choice: Choice) -> None:
    """Queues the advance of the virtual times of a class and of the tenants in a choice.

    Other transactions move the same rows at the same time, so this writes a step, not a value. It runs last,
    so that the rows stay locked only for the duration of a commit.
    """
    if not choice.shares:
        return
    rows = [("", choice.class_clock, 0, 0)]
    rows += [
        (tenant, floor, taken, choice.job_clocks[tenant])
        for tenant, (floor, taken) in sorted(choice.shares.items())
    ]
    tx.later(_SAVE, served=[(job_class, *row) for row in rows])
