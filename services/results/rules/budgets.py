"""Division of a job's budget among its leases, and the end of the budget.

The remainder of a budget is the budget less what is spent and less what is reserved for live leases. A lease
gets a part of the remainder as its allowance, so allowances are disjoint and none exceeds the remainder. A
recorded cost moves from reserved to spent. The end of a lease returns the rest of its allowance.
"""

from collections.abc import Sequence
from copy import copy

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import ChunkFacts, JobFacts

# Allowance in percent of the mean cost of the finished items: some items cost more, and some are tried again.
_ALLOWANCE_PERCENT = 150
# Microseconds that a job waits whose remainder is reserved by its other leases.
BUDGET_WAIT = 500_000


def remaining_micros(job: JobFacts) -> int:
    """Returns the remainder of a budget: neither spent nor reserved. Negative if it is overspent."""
    return (job.budget_micros or 0) - job.cost_micros - job.reserved_micros


def choose_allowance(job: JobFacts, chunk: ChunkFacts) -> int | None:
    """Returns the allowance for a lease of a chunk; None if the chunk must wait for other leases to end.

    The allowance is a little more than the chunk's items will cost by the mean of the finished items. Without
    a finished item it is a share of the budget by number of items. It is never less than the mean cost of an
    item, or than the amount that the chunk's last worker wanted for its next call. Some of the remainder is
    always left over, except for the only lease of a job, which may get all of it.

    Args:
        job: Job of the chunk. It has a budget.
        chunk: A free chunk.
    """
    rest, mean = remaining_micros(job), mean_item_micros(job)
    least = max(mean, chunk.allowance_micros, 1)
    if mean:
        wanted = -(-chunk.unfinished_count * mean * _ALLOWANCE_PERCENT // 100)
    else:
        open_count = max(1, job.total_count - job.succeeded_count - job.failed_count)
        wanted = (rest + job.reserved_micros) * chunk.unfinished_count // open_count
    wanted = max(wanted, least)
    if wanted < rest:
        return wanted
    if job.leased_chunk_count == 0:
        return rest if rest > 0 else None
    return rest - 1 if least < rest else None


def reserve_allowance(job: JobFacts, chunk: ChunkFacts) -> int | None:
    """Reserves and returns the allowance of one more lease; None, with the job unchanged, if it must wait."""
    allowance = choose_allowance(job, chunk)
    if allowance is not None:
        job.reserved_micros += allowance
        job.leased_chunk_count += 1
    return allowance


def within_budget(job: JobFacts, chunks: Sequence[ChunkFacts], now: int) -> Sequence[ChunkFacts]:
    """Returns the chunks that the budget of a job allows to lease together, in their order.

    If it allows none, other leases reserve the remainder. Then the job waits briefly, so that workers do not
    ask in a loop.

    Args:
        job: Job of the chunks.
        chunks: Free chunks.
        now: The time, in microseconds.
    """
    if job.budget_micros is None:
        return chunks
    trial = copy(job)
    affordable = [chunk for chunk in chunks if reserve_allowance(trial, chunk) is not None]
    if chunks and not affordable:
        job.not_before = now + BUDGET_WAIT
    return affordable


def mean_item_micros(job: JobFacts) -> int:
    """Returns the mean cost of a finished item, rounded up; 0 if none is finished or none cost anything."""
    finished_count = job.succeeded_count + job.failed_count
    return -(-job.cost_micros // finished_count) if finished_count else 0


def may_lease(job: JobFacts) -> bool:
    """Returns whether the remainder of a job's budget allows a lease now."""
    if job.budget_micros is None:
        return True
    rest = remaining_micros(job)
    return rest > 0 and (job.leased_chunk_count == 0 or rest > max(1, mean_item_micros(job)))


def has_remainder_lease(job: JobFacts) -> bool:
    """Returns whether the only lease of a job has the whole remainder of its budget as allowance."""
    return job.budget_micros is not None and job.leased_chunk_count == 1 and remaining_micros(job) <= 0


def pause_if_spent(job: JobFacts, needed_micros: int = 1) -> None:
    """Pauses a live job with unfinished items whose budget is too small, once no lease can return anything.

    Args:
        job: The job.
        needed_micros: Price of the call that the budget must cover.
    """
    if job.budget_micros is None or job.finish_time is not None or job.stopping_to or job.pause_reason:
        return
    if job.open_chunk_count and not job.leased_chunk_count and remaining_micros(job) < needed_micros:
        job.pause_reason = jobs_pb2.PAUSE_REASON_BUDGET


def is_paused_for_budget(job: JobFacts) -> bool:
    """Returns whether a job is paused because its budget is too small."""
    return job.pause_reason == jobs_pb2.PAUSE_REASON_BUDGET


def is_spent(job: JobFacts, budget_micros: int | None) -> bool:
    """Returns whether a job has spent a budget; False if the budget is None (no limit)."""
    return budget_micros is not None and job.cost_micros >= budget_micros
