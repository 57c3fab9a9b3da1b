"""Forgets how far tenants are that have no job any more."""

# ruff: noqa: S608  # statements are put together from constants alone

from collections.abc import Sequence

from services.results.database.database import Database, Transaction

SHARES_AT_ONCE = 1_000

_WITHOUT_JOBS = """NOT EXISTS (
    SELECT 1 FROM job_progress p WHERE p.tenant = tenant_shares.tenant AND p.job_class > 0)"""
# The row of tenant '' is that of the class itself.
_FIND = f"""
SELECT job_class, tenant FROM tenant_shares WHERE tenant <> '' AND {_WITHOUT_JOBS}
ORDER BY job_class, tenant LIMIT :most"""
# A job that is just being created has found the row and cannot be seen yet. So none is meanwhile: those under
# way are waited for, for a moment, and those that come wait for the deletion.
_WAIT_A_MOMENT = "SET LOCAL lock_timeout = '100ms'"
_LET_NONE_BE_CREATED = "LOCK TABLE jobs IN SHARE MODE"
_DELETE = f"""
DELETE FROM tenant_shares WHERE (job_class, tenant) IN (
    SELECT idle.job_class, idle.tenant FROM ROWS(idle: job_class bigint, tenant text)) AND {_WITHOUT_JOBS}"""


async def purge_shares(database: Database) -> int:
    """Returns how many rows of tenants without jobs are gone, at most SHARES_AT_ONCE.

    Such a tenant is as far behind as one that comes new: both go on from where the others stand.

    Raises:
        UnavailableError: Jobs are created without a gap now; or the database cannot be reached.
    """
    found = await database.read(lambda tx: tx.run(_FIND, {"most": SHARES_AT_ONCE}))
    idle = [(row.job_class, row.tenant) for row in found]
    if idle:
        await database.write(lambda tx: _delete_in(tx, idle))
    return len(idle)


async def _delete_in(tx: Transaction, idle: Sequence[tuple[int, str]]) -> None:
    if not tx.sqlite:  # it has one writer
        await tx.run(_WAIT_A_MOMENT)
        await tx.run(_LET_NONE_BE_CREATED)
    await tx.run(_DELETE, idle=idle)
