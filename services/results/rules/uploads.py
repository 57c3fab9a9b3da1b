"""What becomes of a batch of an upload, and when an idle upload expires."""

from typing import NamedTuple

from headrace.errors import AbortedError, FailedPreconditionError
from headrace.jobs.v1 import jobs_pb2
from services.results.rules.facts import Job

# Microseconds without a new item, after which an open upload expires.
IDLE_FOR = 3600 * 1_000_000


class Batch(NamedTuple):
    """What somebody appends to a job.

    Attributes:
        first_index: Place in the job of its first item.
        item_count: How many items.
        finish_total_count: Items of the job in all, where it closes the upload.
    """

    first_index: int
    item_count: int
    finish_total_count: int | None


class Addition(NamedTuple):
    """What of a batch is new.

    Attributes:
        skipped_count: Items from its first on that are stored already.
        new_count: Items after them, to store.
        closes: Whether the open upload is closed then.
    """

    skipped_count: int
    new_count: int
    closes: bool


def judge_batch(job: Job, batch: Batch) -> Addition:
    """Returns what a batch adds to a job; a job that never was an upload is one that is closed.

    Raises:
        AbortedError: It is beyond the stored items (UPLOAD_OFFSET, with metadata stored_count).
        FailedPreconditionError: It has new items for a closed upload (UPLOAD_CLOSED), another total than is
            stored (UPLOAD_TOTAL), or the job began to end while the upload was open (JOB_ENDED).
    """
    if not batch.item_count and batch.finish_total_count is None:
        return Addition(0, 0, closes=False)
    if job.upload_open and job.stopping_to:
        raise FailedPreconditionError(
            "the job ended or is being ended, and takes no more items: see GetJob", reason="JOB_ENDED"
        )
    stored = job.total_count
    skipped = min(max(0, stored - batch.first_index), batch.item_count)
    new_count = batch.item_count - skipped
    if new_count and not job.upload_open:
        raise FailedPreconditionError(
            f"the upload was closed with {stored} items, and takes no more", reason="UPLOAD_CLOSED"
        )
    if new_count and batch.first_index > stored:
        raise _beyond(stored)
    _check_total(job, batch.finish_total_count, stored + new_count)
    return Addition(skipped, new_count, closes=job.upload_open and batch.finish_total_count is not None)


def _check_total(job: Job, finish_total_count: int | None, total_count: int) -> None:
    if finish_total_count is None or finish_total_count == total_count:
        return
    if job.upload_open and finish_total_count > total_count:
        raise _beyond(job.total_count)
    raise FailedPreconditionError(
        f"the job has {total_count} items, not {finish_total_count}", reason="UPLOAD_TOTAL"
    )


def _beyond(stored_count: int) -> AbortedError:
    return AbortedError(
        f"{stored_count} items are stored: go on from there",
        reason="UPLOAD_OFFSET",
        metadata={"stored_count": str(stored_count)},
    )


def expire_if_idle(job: Job, now: int) -> None:
    """Begins to end a live job whose upload got no new item for too long."""
    expire_time = job.upload_expire_time
    if job.upload_open and not job.stopping_to and expire_time is not None and expire_time <= now:
        job.stopping_to = jobs_pb2.JOB_STATE_EXPIRED
        job.error_reason = "UPLOAD_TIMED_OUT"
        job.error_message = "the upload was not finished, and brought no new item for an hour"
