"""Trials: the first items of a job run, then it pauses until its owner resumes it."""

import random
from collections.abc import Sequence
from math import ceil, sqrt
from typing import NamedTuple

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.chunks import Cut, chunk_size, cut_chunks
from services.results.rules.deadlines import stop_deadline
from services.results.rules.facts import JobFacts

# Due time of a chunk that waits for the end of a trial.
HELD_DUE_TIME = 2**62
# With more items the bootstrap interval is the normal one, which takes no draws.
MAX_BOOTSTRAP_ITEMS = 500
_MAX_DRAWS = 100_000
_MAX_RESAMPLES = 1_000
_NORMAL_QUANTILE = 1.96
_TAIL = 0.025
_SEED = 2_026


class CostSums(NamedTuple):
    """Cost of the items of a trial, in millionths of a US dollar.

    Attributes:
        item_count: Number of the items.
        total: Sum of their costs.
        squares: Sum of the squares.
        is_known: Whether there is a price. Without one, tokens cost nothing.
    """

    item_count: int
    total: int
    squares: float
    is_known: bool


class TrialForecast(NamedTuple):
    """Cost of the items of a trial with its 95 % bootstrap interval. The sums are None without a price."""

    item_count: int
    low: int | None
    mean: int | None
    high: int | None


def cut_items(item_bytes: Sequence[int], size: int, first_index: int, trial_end: int | None) -> list[Cut]:
    """Cuts items of a job into chunks. Each is on one side of the end of the trial.

    The trial is cut as finely as a job of its own.

    Args:
        item_bytes: Size of the input of each item.
        size: Maximum items of a chunk, 1 or more.
        first_index: Index in the job of the first of these items.
        trial_end: Number of items of the trial; None if there is none.
    """
    head_count = max(0, (trial_end or 0) - first_index)
    if not head_count:
        return cut_chunks(item_bytes, size, first_index)
    head = cut_chunks(item_bytes[:head_count], min(size, chunk_size(trial_end or 0)), first_index)
    return head + cut_chunks(item_bytes[head_count:], size, first_index + head_count)


def is_held(job: JobFacts, first_index: int) -> bool:
    """Returns whether a chunk with this first item waits for the end of its job's trial."""
    return job.trial_end is not None and first_index >= job.trial_end


def is_on_trial(job: JobFacts) -> bool:
    """Returns whether a job has a trial, and other items are stored or may come."""
    return job.trial_end is not None and (job.upload_open or job.total_count > job.trial_end)


def is_paused_for_trial(job: JobFacts) -> bool:
    """Returns whether a job is paused because its trial is over."""
    return job.pause_reason == jobs_pb2.PAUSE_REASON_TRIAL


def pause_if_tried(job: JobFacts, now: int) -> None:
    """Pauses a live job, unless it is paused, once all items of its trial have results.

    Its deadline stands still until the end of the pause.
    """
    if not is_on_trial(job) or job.finish_time is not None or job.stopping_to or job.next_round:
        return
    is_stored = job.total_count >= (job.trial_end or 0)
    if is_stored and not job.pause_reason and job.open_chunk_count == job.held_chunk_count:
        job.pause_reason = jobs_pb2.PAUSE_REASON_TRIAL
        job.trial_pause_time = now
        stop_deadline(job)


def estimate_interval(sums: CostSums, costs: Sequence[int]) -> TrialForecast:
    """Returns the cost of a trial with the 95 % bootstrap interval of its sum, always equal for equal costs.

    Args:
        sums: Sums over all items.
        costs: Cost of each item, in order. Unused with more than MAX_BOOTSTRAP_ITEMS items.
    """
    if not sums.is_known or not sums.item_count:
        return TrialForecast(sums.item_count, None, None, None)
    if sums.item_count > MAX_BOOTSTRAP_ITEMS:
        spread = _NORMAL_QUANTILE * sqrt(max(0.0, sums.squares - sums.total**2 / sums.item_count))
        return TrialForecast(
            sums.item_count, max(0, int(sums.total - spread)), sums.total, ceil(sums.total + spread)
        )
    draw = random.Random(_SEED).choices
    resample_count = min(_MAX_RESAMPLES, _MAX_DRAWS // len(costs))
    resampled = sorted(sum(draw(costs, k=len(costs))) for _ in range(resample_count))
    low, high = resampled[int(_TAIL * resample_count)], resampled[-1 - int(_TAIL * resample_count)]
    return TrialForecast(sums.item_count, low, sums.total, high)


def extrapolate(part_sum: int, item_count: int, total_count: int) -> int:
    """Returns the sum over all items of a job from that over some of them, rounded, and never above 2^62."""
    return min(2**62, (2 * part_sum * total_count + item_count) // (2 * item_count))
