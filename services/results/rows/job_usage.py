"""What jobs have used: each attempt once, whether or not its item gets a result."""

from collections.abc import Mapping, Sequence

from services.results.database.database import Transaction
from services.results.rows.item_rows import Attempts, ItemRange, NewResult, Usage, read_attempts
from services.results.rules.facts import Job


async def count_results(
    tx: Transaction, jobs: Mapping[str, Job], results: Sequence[NewResult]
) -> dict[tuple[str, int], int]:
    """Adds to their jobs' usage what new results have used beyond the attempts that are counted already.

    Returns what each cost of that, by job id and item index.
    """
    return await _count(tx, jobs, [(each.current_round, each) for each in results])


async def count_attempts(
    tx: Transaction, jobs: Mapping[str, Job], attempts: Sequence[Attempts]
) -> dict[tuple[str, int], int]:
    """Adds to their jobs' usage what attempts, not saved yet, have used beyond those saved; again: nothing.

    Returns what each cost of that, by job id and item index.
    """
    return await _count(tx, jobs, [(each.round, each) for each in attempts])


async def _count(
    tx: Transaction, jobs: Mapping[str, Job], spent: Sequence[tuple[int, NewResult | Attempts]]
) -> dict[tuple[str, int], int]:
    ranges = [
        ItemRange(each.job_id, in_round, each.item_index, each.item_index + 1)
        for in_round, each in spent
        if jobs[each.job_id].has_deferrals
    ]
    counted = await read_attempts(tx, ranges)
    costs = {}
    for _, each in spent:
        job, name = jobs[each.job_id], (each.job_id, each.item_index)
        before = counted[name].usage if name in counted else Usage()
        for count in Usage._fields:
            # A result of a lost lease knows less than the attempts made since: never take back what was counted.
            more = max(0, getattr(each, count) - getattr(before, count))
            setattr(job, count, getattr(job, count) + more)
        costs[name] = max(0, each.cost_micros - before.cost_micros)
    return costs
