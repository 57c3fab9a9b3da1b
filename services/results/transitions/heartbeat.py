"""Heartbeat: keeps a worker and its leases alive, and returns news about its jobs and leases."""

import math
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.metrics import LEASES_LOST
from services.results.rows import chunk_rows
from services.results.rows.messages import canonical_id
from services.results.rows.worker_rows import ALIVE_FOR, LIVE, SECOND
from services.results.transitions.end_leases import end_leases
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

# A heartbeat sent 5 s after a lease was given lists it. It may take 3 s until its transaction has its time.
UNLISTED_AFTER = 8 * SECOND
# A heartbeat that waits longer here, in seconds, may be older than the leases that it does not list. Its
# worker has given it up and sent another.
LATE_SECONDS = 3.0

# Fields of a heartbeat that are stored unchanged, each in the column of its name.
_REPORTED = (
    "in_flight_count",
    "in_flight_limit",
    "leased_item_count",
    "limits_degraded",
    "items_per_second",
    "tokens_per_second",
    "limited_count",
    "cooldown_seconds",
)
_SAVE = f"""
INSERT INTO workers (incarnation, address, start_time, heartbeat_time, alive_until, ended, dead,
    {", ".join(_REPORTED)})
SELECT :incarnation, :address, n.now, n.now, n.now + :alive_for, false, false,
    {", ".join(f":{name}" for name in _REPORTED)}
FROM (SELECT NOW() AS now) n WHERE true
ON CONFLICT (incarnation) DO UPDATE SET address = excluded.address, dead = false,
    heartbeat_time = excluded.heartbeat_time, alive_until = excluded.alive_until,
    {", ".join(f"{name} = excluded.{name}" for name in _REPORTED)}
RETURNING ended, start_time = heartbeat_time AS fresh, heartbeat_time AS now"""
_REPLACE = """
UPDATE workers SET ended = true
WHERE address = :address AND incarnation <> :incarnation AND NOT ended RETURNING incarnation"""
_LEASED = """
SELECT c.job_id, c.chunk_index, c.fence, c.lease_time, p.stopping_to, p.pause_reason FROM chunks c
JOIN job_progress p ON p.job_id = c.job_id WHERE c.lease_incarnation = :incarnation"""
_CLASSES = (
    jobs_pb2.JOB_CLASS_INTERACTIVE,
    jobs_pb2.JOB_CLASS_DEFAULT,
    jobs_pb2.JOB_CLASS_BULK,
)
_CLASSES_WITH_WORK = f"""
SELECT k.job_class, EXISTS (
    SELECT 1 FROM job_progress p WHERE p.job_class = k.job_class AND p.leasable
    AND (p.wake_time IS NULL OR p.wake_time <= NOW())) AS has_work,
    (SELECT count(*) FROM workers w WHERE {LIVE}) AS live_count
FROM ROWS(k: job_class bigint) ORDER BY k.job_class"""


async def heartbeat(
    database: Database, request: results_pb2.HeartbeatRequest
) -> results_pb2.HeartbeatResponse:
    """Records a sign of life and returns the news for the worker.

    A worker that was declared dead is live again from here on, without leases.
    """
    late_time = time.monotonic() + LATE_SECONDS
    return await database.write(lambda tx: _beat_in(tx, request, late_time), sign_of_life=True)


async def _beat_in(
    tx: Transaction, request: results_pb2.HeartbeatRequest, late_time: float
) -> results_pb2.HeartbeatResponse:
    names = {"incarnation": request.incarnation, "address": request.address}
    reported = {name: _finite(getattr(request, name)) for name in _REPORTED}
    worker = (await tx.run(_SAVE, {**names, **reported, "alive_for": ALIVE_FOR}))[0]
    if worker.ended:
        return results_pb2.HeartbeatResponse(ended=True, lost_leases=request.leases)
    transition = Transition(tx)
    if worker.fresh:
        replaced = {row.incarnation: request.address for row in await tx.run(_REPLACE, names)}
        await end_leases(transition, replaced, loss_cause="replaced")
    leased = await tx.run(_LEASED, {"incarnation": request.incarnation})
    if not worker.fresh and time.monotonic() < late_time:
        await _end_unlisted_leases(transition, request, leased)
    response = results_pb2.HeartbeatResponse(effects=await transition.finish())
    _add_lease_news(response, request, leased)
    for row in await tx.run(_CLASSES_WITH_WORK, k=[(int(job_class),) for job_class in _CLASSES]):
        response.live_worker_count = row.live_count
        if row.has_work:
            response.classes_with_work.append(row.job_class)
    return response


def _finite(number: float) -> float:
    """Returns a number that every database stores and clients can add up: 0 for NaN and infinity.

    A worker does not lose its leases because it reports a speed that is not one.
    """
    return number if math.isfinite(number) else 0


def _add_lease_news(
    response: results_pb2.HeartbeatResponse,
    request: results_pb2.HeartbeatRequest,
    leased: Sequence[Row[Any]],
) -> None:
    existing = {(row.job_id, row.chunk_index, row.fence) for row in leased}
    response.lost_leases.extend(ref for ref in request.leases if _name(ref) not in existing)
    response.stop_job_ids.extend(sorted({row.job_id for row in leased if row.stopping_to}))
    paused = {row.job_id for row in leased if row.pause_reason and not row.stopping_to}
    response.pause_job_ids.extend(sorted(paused))


async def _end_unlisted_leases(
    transition: Transition, request: results_pb2.HeartbeatRequest, leased: Sequence[Row[Any]]
) -> None:
    """Ends leases that the worker does not list although it had time to learn of them.

    This does not count as a loss.
    """
    listed = {_name(ref) for ref in request.leases}
    unlisted = {
        (row.job_id, row.chunk_index): row.fence
        for row in leased
        if (row.job_id, row.chunk_index, row.fence) not in listed
        and row.lease_time < transition.now - UNLISTED_AFTER
    }
    if not unlisted:
        return
    await transition.lock({job_id for job_id, _ in unlisted})
    for chunk in transition.track_chunks(await chunk_rows.read_chunks(transition.tx, unlisted)):
        fence = unlisted[chunk.job_id, chunk.chunk_index]
        if chunk.job_id in transition.jobs and chunk.is_leased_to(request.incarnation, fence):
            transition.end_lease(chunk)
            transition.tx.after_commit(LEASES_LOST.labels("unlisted").inc)


def _name(ref: results_pb2.LeaseRef) -> tuple[str, int, int]:
    return canonical_id(ref.job_id), ref.chunk_index, ref.fence
