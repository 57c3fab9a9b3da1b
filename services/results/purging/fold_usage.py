"""Sums the usage of jobs that were purged long ago, so that their rows do not grow without end."""

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.rows.usage_rows import DAY, fold_rows

MAX_ROWS_PER_TRANSACTION = 1_000
# Days since the creation of a job. Usage of younger ones keeps a row for each.
FOLD_AFTER_DAYS = 31


async def fold_usage(database: Database) -> int:
    """Folds rows of usage_history that are a month old, at most MAX_ROWS_PER_TRANSACTION of them.

    Returns:
        The number of rows that were summed.
    """
    return await database.write(_fold_in)


async def _fold_in(tx: Transaction) -> int:
    now: int = (await tx.run("SELECT NOW() AS now"))[0].now
    return await fold_rows(tx, now // DAY - FOLD_AFTER_DAYS, MAX_ROWS_PER_TRANSACTION)
