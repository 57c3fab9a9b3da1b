"""Batches of an upload, and the expiry of an idle one."""

from typing import NamedTuple

from headrace.errors import AbortedError, FailedPreconditionError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.rules.facts import JobFacts

# Microseconds without a new item after which an open upload expires.
IDLE_TIMEOUT = 3600 * 1_000_000


class Batch(NamedTuple):
    """Items that a client appends to a job.

    Attributes:
        first_index: Index in the job of the first item.
        item_count: Number of items.
        finish_total_count: Total items of the job, if the batch closes the upload.
    """

    first_index: int
    item_count: int
    finish_total_count: int | None


class Addition(NamedTuple):
    """The new part of a batch.

    Attributes:
        skipped_count: Leading items that are stored already.
        new_count: Items after them, to store.
        closes: Whether it closes the open upload.
    """

    skipped_count: int
    new_count: int
    closes: bool


def judge_batch(job: JobFacts, batch: Batch) -> Addition:
    """Returns what a batch adds to a job. A job that was never an upload counts as a closed one.

    Raises:
        AbortedError: The batch starts after the stored items (UPLOAD_OFFSET, with metadata stored_count).
        FailedPreconditionError: The batch has new items for a closed upload (UPLOAD_CLOSED) or a total that
            differs from the stored one (UPLOAD_TOTAL), or the job began to end while the upload was open
            (JOB_ENDED).
    """
    if not batch.item_count and batch.finish_total_count is None:
        return Addition(0, 0, closes=False)
    if job.upload_open and job.stopping_to:
        raise FailedPreconditionError(
            "the job has ended or is ending and accepts no more items; see GetJob",
            reason=ErrorReason.JOB_ENDED,
        )
    stored = job.total_count
    skipped = min(max(0, stored - batch.first_index), batch.item_count)
    new_count = batch.item_count - skipped
    if new_count and not job.upload_open:
        raise FailedPreconditionError(
            f"the upload is closed with {stored} items and accepts no more",
            reason=ErrorReason.UPLOAD_CLOSED,
            metadata={"stored_count": str(stored)},
        )
    if new_count and batch.first_index > stored:
        raise _offset_error(stored)
    _check_total(job, batch.finish_total_count, stored + new_count)
    return Addition(skipped, new_count, closes=job.upload_open and batch.finish_total_count is not None)


def _check_total(job: JobFacts, finish_total_count: int | None, total_count: int) -> None:
    if finish_total_count is None or finish_total_count == total_count:
        return
    if job.upload_open and finish_total_count > total_count:
        raise _offset_error(job.total_count)
    raise FailedPreconditionError(
        f"the job has {total_count} items, not {finish_total_count}",
        reason=ErrorReason.UPLOAD_TOTAL,
        metadata={"stored_count": str(job.total_count)},
    )


def _offset_error(stored_count: int) -> AbortedError:
    return AbortedError(
        f"{stored_count} items are stored; continue with first_item_index {stored_count}",
        reason=ErrorReason.UPLOAD_OFFSET,
        metadata={"stored_count": str(stored_count)},
    )


def expire_if_idle(job: JobFacts, now: int) -> None:
    """Starts to expire a live job whose upload got no new item for an hour."""
    expire_time = job.upload_expire_time
    if job.upload_open and not job.stopping_to and expire_time is not None and expire_time <= now:
        job.stopping_to = jobs_pb2.JOB_STATE_EXPIRED
        job.set_error(
            ErrorReason.UPLOAD_TIMED_OUT, "the upload was not finished and got no new item for an hour"
        )
