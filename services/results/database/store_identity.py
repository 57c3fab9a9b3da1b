"""The id of the store, which ends the positions of watches after a restore from a dump."""

import uuid

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.shared.logging import get_logger

log = get_logger(__name__)

_ROWS_PER_STATEMENT = 10_000

_LOCK = "SELECT s.store_id, s.database_identity FROM store_state s FOR UPDATE"
# A dump that is restored elsewhere gets other transaction numbers: of another cluster, or another database
# of the same one, whose newest changes the dump does not have.
_IDENTITY = """
SELECT CAST(c.system_identifier AS text) || '/' || CAST(d.oid AS text) AS identity
FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()"""
_ZERO = """
UPDATE job_progress SET change_xid = 0 WHERE job_id IN (
    SELECT z.job_id FROM job_progress z WHERE z.change_xid > 0 LIMIT :limit) RETURNING job_id"""
_FORGET_GONE = "DELETE FROM watch_gone"
_SAVE = """
UPDATE store_state SET store_id = :store_id, database_identity = :identity, gone_xid = :gone_xid"""


async def identify_store(database: Database) -> None:
    """Sets a new store_id in a database that was restored from a dump, once however many processes start.

    Positions from before the restore are void then, and changes from before it are not in the order of this
    database: WatchJobs begins anew. SQLite counts its changes in the file itself, so a copy keeps the id.

    Raises:
        UnavailableError: The database cannot be reached, or another process restores the order right now.
    """
    if not database.sqlite:
        await database.write(_identify_in)


async def _identify_in(tx: Transaction) -> None:
    identity = (await tx.run(_IDENTITY))[0].identity
    state = (await tx.run(_LOCK))[0]
    if state.database_identity == identity:
        return
    store_id = state.store_id
    if state.database_identity:
        store_id = uuid.uuid4().hex
        while len(await tx.run(_ZERO, {"limit": _ROWS_PER_STATEMENT})) == _ROWS_PER_STATEMENT:
            pass
        await tx.run(_FORGET_GONE)
        log.warning("store_restored", store_id=store_id)
    await tx.run(_SAVE, {"store_id": store_id, "identity": identity, "gone_xid": 0})
