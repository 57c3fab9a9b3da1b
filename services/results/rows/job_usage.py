"""Usage of jobs. Each attempt is counted once, whether or not its item gets a result."""

from collections.abc import Mapping, Sequence

from services.results.database.transaction import Transaction
from services.results.rows.item_rows import Attempts, ItemRange, NewResult, Usage, read_attempts
from services.results.rules.facts import JobFacts
from services.shared.answered_models import merge_models


async def count_results(
    tx: Transaction, jobs: Mapping[str, JobFacts], results: Sequence[NewResult]
) -> dict[tuple[str, int], int]:
    """Adds the usage of new results to their jobs, less the attempts that are counted already.

    Returns:
        The added cost by job id and item index.
    """
    return await _count(tx, jobs, [(result.current_round, result) for result in results])


async def count_attempts(
    tx: Transaction, jobs: Mapping[str, JobFacts], attempts: Sequence[Attempts]
) -> dict[tuple[str, int], int]:
    """Adds the usage of attempts that are not saved yet to their jobs, less the saved attempts.

    Counting the same attempts again, once they are saved, adds nothing.

    Returns:
        The added cost by job id and item index.
    """
    return await _count(tx, jobs, [(entry.round, entry) for entry in attempts])


async def _count(
    tx: Transaction, jobs: Mapping[str, JobFacts], entries: Sequence[tuple[int, NewResult | Attempts]]
) -> dict[tuple[str, int], int]:
    ranges = [
        ItemRange(entry.job_id, in_round, entry.item_index, entry.item_index + 1)
        for in_round, entry in entries
        if jobs[entry.job_id].has_deferrals
    ]
    counted = await read_attempts(tx, ranges)
    costs = {}
    for _, entry in entries:
        job, name = jobs[entry.job_id], (entry.job_id, entry.item_index)
        before = counted[name].usage if name in counted else Usage()
        for count in Usage._fields:
            # A result of a lost lease knows less than the attempts made since: never subtract counted usage.
            added = max(0, getattr(entry, count) - getattr(before, count))
            setattr(job, count, getattr(job, count) + added)
        if entry.answered_models and entry.answered_models != job.answered_models:
            job.answered_models = join_models(job.answered_models, entry.answered_models)
        costs[name] = max(0, entry.cost_micros - before.cost_micros)
    return costs


def join_models(*texts: str) -> str:
    """Returns the names of models in several texts as one, one on each line."""
    return "\n".join(merge_models(*(text.split("\n") for text in texts)))
