"""EndWorker: ends a worker that will not come back."""

from headrace.errors import InvalidArgumentError
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows.worker_rows import is_silent, lock_worker
from services.results.transitions.end_leases import end_leases
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

Request = results_pb2.EndWorkerRequest

_END = "UPDATE workers SET ended = true WHERE incarnation = :incarnation"
_DECLARE_DEAD = "UPDATE workers SET dead = true WHERE incarnation = :incarnation"


async def end_worker(database: Database, request: Request) -> results_pb2.EndWorkerResponse:
    """Returns the effects; none if the worker is unknown, ended, dead, or not silent for long enough.

    Raises:
        InvalidArgumentError: The cause is missing.
    """
    if request.cause == Request.CAUSE_DRAINED:
        effects = await database.write(lambda tx: _end(tx, request.incarnation))
    elif request.cause == Request.CAUSE_PORT_CLOSED:
        effects = await declare_dead(database, request.incarnation, port_closed=True)
    else:
        raise InvalidArgumentError("cause is missing: set CAUSE_DRAINED or CAUSE_PORT_CLOSED")
    return results_pb2.EndWorkerResponse(effects=effects)


async def declare_dead(database: Database, incarnation: str, *, port_closed: bool) -> results_pb2.Effects:
    """Declares a worker dead that has been silent for too long, and ends its leases as losses, once.

    Args:
        database: The database.
        incarnation: The worker.
        port_closed: Whether its port refuses connections. Then 5 s of silence are enough instead of 30 s.
    """
    return await database.write(lambda tx: _declare_dead_in(tx, incarnation, port_closed))


async def _end(tx: Transaction, incarnation: str) -> results_pb2.Effects:
    worker = await lock_worker(tx, incarnation)
    transition = Transition(tx)
    if worker is not None and not worker.ended:
        await tx.run(_END, {"incarnation": incarnation})
        await end_leases(transition, {incarnation: worker.address}, loss_cause=None)
    return await transition.finish()


async def _declare_dead_in(tx: Transaction, incarnation: str, port_closed: bool) -> results_pb2.Effects:
    worker = await lock_worker(tx, incarnation)
    transition = Transition(tx)
    if worker is not None and not worker.ended and not worker.dead:
        is_over = is_silent(worker, tx.now) if port_closed else worker.alive_until < tx.now
        if is_over:
            await tx.run(_DECLARE_DEAD, {"incarnation": incarnation})
            await end_leases(transition, {incarnation: worker.address}, loss_cause="dead")
    return await transition.finish()
