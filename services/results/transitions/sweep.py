"""Sweep: ends dead workers' leases, wakes or ends jobs that are due, and prepares retries."""

import time

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows import worker_rows
from services.results.rows.job_rows import lock_due_jobs
from services.results.rows.messages import merge_effects, worker_message
from services.results.rows.worker_rows import ALIVE_FOR, LIVE, SECOND, is_silent
from services.results.transitions.end_worker import declare_dead
from services.results.transitions.retry_job import prepare_retry
from services.results.transitions.transition import Transition
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

OUTAGE_AFTER = 3 * SECOND
SWEEP_INTERVAL = 1 * SECOND
DELETE_WORKERS_AFTER = 24 * 3600 * SECOND
MAX_JOBS_PER_TRANSACTION = 200
MAX_ROUNDS = 10
PREPARE_SECONDS = 0.6

_LAST = "SELECT sweep_time, NOW() AS now FROM sweeps WHERE sweep_id = 1 FOR UPDATE SKIP LOCKED"
_SAVE_LAST = "UPDATE sweeps SET sweep_time = :now_is WHERE sweep_id = 1"
_EXTEND_ALL = f"""
UPDATE workers SET alive_until = LEAST(w.alive_until + :gap, :latest) FROM workers w
WHERE w.incarnation = workers.incarnation AND {LIVE}"""
_DELETE_OLD = "DELETE FROM workers WHERE (ended OR dead) AND heartbeat_time < :before"
_DEAD = f"SELECT w.incarnation FROM workers w WHERE {LIVE} AND w.alive_until < :now_is"


async def sweep(database: Database) -> results_pb2.SweepResponse:
    """Returns the effects of all repairs, each to one caller only, and the live and the silent workers."""
    parts = []
    for incarnation in await database.write(_begin, sign_of_life=True):
        log.warning("worker_lost", incarnation=incarnation)
        parts.append(await declare_dead(database, incarnation, port_closed=False))
    for _ in range(MAX_ROUNDS):
        effects, count = await database.write(_settle_due_jobs)
        parts.append(effects)
        if count < MAX_JOBS_PER_TRANSACTION:
            break
    parts += await _prepare_retries(database)
    response = await database.read(_list_workers)
    response.effects.CopyFrom(merge_effects(parts))
    return response


async def _begin(tx: Transaction) -> list[str]:
    """Returns the workers to declare dead; none while another sweep does this."""
    rows = await tx.run(_LAST)
    if not rows:
        return []
    gap = tx.now - rows[0].sweep_time
    if rows[0].sweep_time and gap > OUTAGE_AFTER:
        # The store was down, so it could not hear the workers either: this is not their silence.
        await tx.run(_EXTEND_ALL, {"gap": gap - SWEEP_INTERVAL, "latest": tx.now + ALIVE_FOR})
    await tx.run(_SAVE_LAST, {"now_is": tx.now})
    await tx.run(_DELETE_OLD, {"before": tx.now - DELETE_WORKERS_AFTER})
    return [row.incarnation for row in await tx.run(_DEAD, {"now_is": tx.now})]


async def _settle_due_jobs(tx: Transaction) -> tuple[results_pb2.Effects, int]:
    transition = Transition(tx)
    jobs = await lock_due_jobs(tx, MAX_JOBS_PER_TRANSACTION)
    transition.add_locked(jobs)
    return await transition.finish(), len(jobs)


async def _prepare_retries(database: Database) -> list[results_pb2.Effects]:
    """Prepares parts of retries, for no longer than PREPARE_SECONDS and one part."""
    parts = []
    end_time = time.monotonic() + PREPARE_SECONDS
    while (effects := await prepare_retry(database)) is not None:
        parts.append(effects)
        if time.monotonic() > end_time:
            break
    return parts


async def _list_workers(tx: Transaction) -> results_pb2.SweepResponse:
    response = results_pb2.SweepResponse()
    for row in await worker_rows.read_live(tx):
        response.live_workers.append(worker_message(row))
        if is_silent(row, row.now):
            response.silent_workers.append(worker_message(row))
    return response
