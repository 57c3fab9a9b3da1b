"""How a job's budget is divided among its leases, and when it is spent.

What a job may still cost is its budget without what is spent and without what is reserved for live leases. A
lease gets a part of it as its allowance, so allowances are disjoint and none is more than there is. A cost
that is recorded moves from reserved to spent; the end of a lease gives the rest of its allowance back.
"""

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import Chunk, Job

# Of what items cost so far, in hundredths: some cost more than the mean, and some are tried again.
_ALLOWANCE_PERCENT = 150


def remaining_micros(job: Job) -> int:
    """Returns what is neither spent nor reserved of a budget; below 0 where more was spent."""
    return (job.budget_micros or 0) - job.cost_micros - job.reserved_micros


def choose_allowance(job: Job, chunk: Chunk) -> int | None:
    """Returns the allowance of a chunk to be leased, None where it has to wait for others to end.

    It is a little more than its items will cost by the mean of those that are finished; as long as none is,
    a part by their number. Never less than an item costs, or than the chunk's last holder wanted for its next
    call; and always something is left, unless nothing else is leased: then it may be all there is.

    Args:
        job: Its job, which has a budget.
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


def mean_item_micros(job: Job) -> int:
    """Returns what a finished item of a job cost, rounded up; 0: none is finished, or none cost anything."""
    finished_count = job.succeeded_count + job.failed_count
    return -(-job.cost_micros // finished_count) if finished_count else 0


def may_lease(job: Job) -> bool:
    """Returns whether what remains of a job's budget allows a lease now."""
    if job.budget_micros is None:
        return True
    rest = remaining_micros(job)
    return rest > 0 and (job.leased_chunk_count == 0 or rest > max(1, mean_item_micros(job)))


def holds_remainder(job: Job) -> bool:
    """Returns whether the one lease of a job has all that its budget has left."""
    return job.budget_micros is not None and job.leased_chunk_count == 1 and remaining_micros(job) <= 0


def pause_if_spent(job: Job, needed_micros: int = 1) -> None:
    """Pauses a live job with work to do whose budget does not suffice, once no lease can give anything back.

    Args:
        job: The job.
        needed_micros: Price of the call that it does not suffice for.
    """
    if job.budget_micros is None or job.finish_time is not None or job.stopping_to or job.pause_reason:
        return
    if job.open_chunk_count and not job.leased_chunk_count and remaining_micros(job) < needed_micros:
        job.pause_reason = jobs_pb2.PAUSE_REASON_BUDGET


def is_paused_for_budget(job: Job) -> bool:
    """Returns whether a job is paused because its budget does not suffice."""
    return job.pause_reason == jobs_pb2.PAUSE_REASON_BUDGET


def is_spent(job: Job, budget_micros: int | None) -> bool:
    """Returns whether a budget would leave a job nothing to spend; None: no limit."""
    return budget_micros is not None and job.cost_micros >= budget_micros
