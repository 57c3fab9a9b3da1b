"""Deletes the shares of tenants without jobs."""

from collections.abc import Sequence

from services.results.database.database import Database
from services.results.database.transaction import Transaction

MAX_SHARES_PER_TRANSACTION = 1_000

_WITHOUT_JOBS = """NOT EXISTS (
    SELECT 1 FROM job_progress p WHERE p.tenant = tenant_shares.tenant AND p.job_class > 0)"""
# The row of tenant '' belongs to the class itself.
_FIND = f"""
SELECT job_class, tenant FROM tenant_shares WHERE tenant <> '' AND {_WITHOUT_JOBS}
ORDER BY job_class, tenant LIMIT :limit"""
# A job that is being created has found the row but is not visible yet. So the deletion locks out creations:
# it waits briefly for those under way, and new ones wait for the deletion.
_LIMIT_WAIT = "SET LOCAL lock_timeout = '100ms'"
_LOCK_OUT_CREATIONS = "LOCK TABLE jobs IN SHARE MODE"
_DELETE = f"""
DELETE FROM tenant_shares WHERE (job_class, tenant) IN (
    SELECT idle.job_class, idle.tenant FROM ROWS(idle: job_class bigint, tenant text)) AND {_WITHOUT_JOBS}"""


async def purge_shares(database: Database) -> int:
    """Deletes rows of tenants without jobs, at most MAX_SHARES_PER_TRANSACTION of them.

    Such a tenant loses nothing: like a newcomer, it continues from the virtual time of the others.

    Returns:
        The number of deleted rows.

    Raises:
        UnavailableError: Jobs are being created without a gap, or the database cannot be reached.
    """
    found = await database.read(lambda tx: tx.run(_FIND, {"limit": MAX_SHARES_PER_TRANSACTION}))
    idle = [(row.job_class, row.tenant) for row in found]
    if idle:
        await database.write(lambda tx: _delete_in(tx, idle))
    return len(idle)


async def _delete_in(tx: Transaction, idle: Sequence[tuple[int, str]]) -> None:
    if not tx.sqlite:  # SQLite has one writer.
        await tx.run(_LIMIT_WAIT)
        await tx.run(_LOCK_OUT_CREATIONS)
    await tx.run(_DELETE, idle=idle)
