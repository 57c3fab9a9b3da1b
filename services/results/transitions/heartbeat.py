"""Heartbeat: keeps a worker and its leases alive, and tells it what it should know."""

# ruff: noqa: S608  # statements are put together from constants alone

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database, Transaction
from services.results.metrics import LEASES_LOST
from services.results.rows import chunk_rows
from services.results.rows.messages import canonical_id
from services.results.rows.worker_rows import ALIVE_FOR, LIVE, SECOND
from services.results.transitions.lease_ending import take_back
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

# A heartbeat that left 5 s after a lease was given would name it; one may take 3 s to arrive.
UNLISTED_AFTER = 8 * SECOND

# What a heartbeat tells of its worker is kept as it is, column by field.
_TOLD = (
    "in_flight_count",
    "in_flight_limit",
    "leased_item_count",
    "limits_degraded",
    "items_per_second",
    "tokens_per_second",
    "limited_count",
    "cooldown_seconds",
)
_BEAT = f"""
INSERT INTO workers (incarnation, address, start_time, heartbeat_time, alive_until, ended, dead,
    {", ".join(_TOLD)})
SELECT :incarnation, :address, n.now, n.now, n.now + :alive_for, false, false,
    {", ".join(f":{name}" for name in _TOLD)}
FROM (SELECT NOW() AS now) n WHERE true
ON CONFLICT (incarnation) DO UPDATE SET address = excluded.address, dead = false,
    heartbeat_time = excluded.heartbeat_time, alive_until = excluded.alive_until,
    {", ".join(f"{name} = excluded.{name}" for name in _TOLD)}
RETURNING ended, start_time = heartbeat_time AS fresh, heartbeat_time AS now"""
_REPLACE = """
UPDATE workers SET ended = true
WHERE address = :address AND incarnation <> :incarnation AND NOT ended RETURNING incarnation"""
_HELD = """
SELECT c.job_id, c.chunk_index, c.fence, c.lease_time, p.stopping_to, p.pause_reason FROM chunks c
JOIN job_progress p ON p.job_id = c.job_id WHERE c.lease_incarnation = :incarnation"""
_CLASSES = (
    jobs_pb2.JOB_CLASS_INTERACTIVE,
    jobs_pb2.JOB_CLASS_DEFAULT,
    jobs_pb2.JOB_CLASS_BULK,
)
_WAITING = f"""
SELECT k.job_class, EXISTS (
    SELECT 1 FROM job_progress p WHERE p.job_class = k.job_class AND p.leasable
    AND (p.wake_time IS NULL OR p.wake_time <= NOW())) AS waiting,
    (SELECT count(*) FROM workers w WHERE {LIVE}) AS live_count
FROM ROWS(k: job_class bigint) ORDER BY k.job_class"""


async def heartbeat(
    database: Database, request: results_pb2.HeartbeatRequest
) -> results_pb2.HeartbeatResponse:
    """Returns what a worker should know; a worker declared dead is live again from here, holding nothing."""
    return await database.write(lambda tx: _beat_in(tx, request), sign_of_life=True)


async def _beat_in(tx: Transaction, request: results_pb2.HeartbeatRequest) -> results_pb2.HeartbeatResponse:
    names = {"incarnation": request.incarnation, "address": request.address}
    told = {name: getattr(request, name) for name in _TOLD}
    worker = (await tx.run(_BEAT, {**names, **told, "alive_for": ALIVE_FOR}))[0]
    if worker.ended:
        return results_pb2.HeartbeatResponse(ended=True, lost_leases=request.leases)
    transition = Transition(tx)
    if worker.fresh:
        replaced = [row.incarnation for row in await tx.run(_REPLACE, names)]
        await take_back(transition, replaced, loss_cause="replaced")
    held = await tx.run(_HELD, {"incarnation": request.incarnation})
    if not worker.fresh:
        await _release_unlisted(transition, request, held)
    response = results_pb2.HeartbeatResponse(effects=await transition.finish())
    present = {(row.job_id, row.chunk_index, row.fence) for row in held}
    response.lost_leases.extend(ref for ref in request.leases if _name(ref) not in present)
    response.stop_job_ids.extend(sorted({row.job_id for row in held if row.stopping_to}))
    paused = {row.job_id for row in held if row.pause_reason and not row.stopping_to}
    response.pause_job_ids.extend(sorted(paused))
    for row in await tx.run(_WAITING, k=[(int(job_class),) for job_class in _CLASSES]):
        response.live_worker_count = row.live_count
        if row.waiting:
            response.classes_with_work.append(row.job_class)
    return response


async def _release_unlisted(
    transition: Transition, request: results_pb2.HeartbeatRequest, held: Sequence[Row[Any]]
) -> None:
    """Ends leases that the worker does not know of, though it had the time to hear of them. No loss."""
    listed = {_name(ref) for ref in request.leases}
    unlisted = {
        (row.job_id, row.chunk_index): row.fence
        for row in held
        if (row.job_id, row.chunk_index, row.fence) not in listed
        and row.lease_time < transition.now - UNLISTED_AFTER
    }
    if not unlisted:
        return
    await transition.lock({job_id for job_id, _ in unlisted})
    for chunk in transition.watch_chunks(await chunk_rows.read_chunks(transition.tx, unlisted)):
        fence = unlisted[chunk.job_id, chunk.chunk_index]
        if chunk.job_id in transition.jobs and chunk.is_held(request.incarnation, fence):
            transition.end_lease(chunk)
            transition.tx.after_commit(LEASES_LOST.labels("unlisted").inc)


def _name(ref: results_pb2.LeaseRef) -> tuple[str, int, int]:
    return canonical_id(ref.job_id), ref.chunk_index, ref.fence
