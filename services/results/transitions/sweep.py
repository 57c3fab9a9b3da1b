"""Sweep: finds what is due."""

# ruff: noqa: S608  # statements are put together from constants alone

from services.results.database.database import Database, Transaction
from services.results.rows import worker_rows
from services.results.rows.job_rows import lock_due_jobs
from services.results.rows.messages import merge_effects, worker_message
from services.results.rows.worker_rows import ALIVE_FOR, LIVE, SECOND, is_silent
from services.results.transitions.end_worker import declare_dead
from services.results.transitions.transition import Transition
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

OUTAGE_AFTER = 3 * SECOND
SWEEP_EVERY = 1 * SECOND
FORGET_WORKERS_AFTER = 24 * 3600 * SECOND
JOBS_AT_ONCE = 200
MAX_ROUNDS = 10

_LAST = "SELECT sweep_time, NOW() AS now FROM sweeps WHERE sweep_id = 1 FOR UPDATE SKIP LOCKED"
_SAVE_LAST = "UPDATE sweeps SET sweep_time = :now_is WHERE sweep_id = 1"
_EXTEND = f"""
UPDATE workers SET alive_until = LEAST(w.alive_until + :gap, :latest) FROM workers w
WHERE w.incarnation = workers.incarnation AND {LIVE}"""
_FORGET = "DELETE FROM workers WHERE (ended OR dead) AND heartbeat_time < :before"
_DEAD = f"SELECT w.incarnation FROM workers w WHERE {LIVE} AND w.alive_until < :now_is"


async def sweep(database: Database) -> results_pb2.SweepResponse:
    """Returns what was due, each repair to one caller, and which workers live or are silent."""
    parts = []
    for incarnation in await database.write(_begin, sign_of_life=True):
        log.warning("worker_lost", incarnation=incarnation)
        parts.append(await declare_dead(database, incarnation, port_closed=False))
    for _ in range(MAX_ROUNDS):
        effects, count = await database.write(_wake)
        parts.append(effects)
        if count < JOBS_AT_ONCE:
            break
    response = await database.read(_list_workers)
    response.effects.CopyFrom(merge_effects(parts))
    return response


async def _begin(tx: Transaction) -> list[str]:
    """Returns the workers to declare dead; none while another sweep is at it."""
    rows = await tx.run(_LAST)
    if not rows:
        return []
    gap = tx.now - rows[0].sweep_time
    if rows[0].sweep_time and gap > OUTAGE_AFTER:
        # Workers could not be heard either, as far as the store knows: it is not their silence.
        await tx.run(_EXTEND, {"gap": gap - SWEEP_EVERY, "latest": tx.now + ALIVE_FOR})
    await tx.run(_SAVE_LAST, {"now_is": tx.now})
    await tx.run(_FORGET, {"before": tx.now - FORGET_WORKERS_AFTER})
    return [row.incarnation for row in await tx.run(_DEAD, {"now_is": tx.now})]


async def _wake(tx: Transaction) -> tuple[results_pb2.Effects, int]:
    transition = Transition(tx)
    jobs = await lock_due_jobs(tx, JOBS_AT_ONCE)
    transition.adopt(jobs)
    return await transition.finish(), len(jobs)


async def _list_workers(tx: Transaction) -> results_pb2.SweepResponse:
    response = results_pb2.SweepResponse()
    for row in await worker_rows.read_live(tx):
        response.live_workers.append(worker_message(row))
        if is_silent(row, row.now):
            response.silent_workers.append(worker_message(row))
    return response
