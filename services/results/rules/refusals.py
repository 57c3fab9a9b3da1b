"""Jobs whose first items are all refused by the provider."""

from headrace.reasons import ErrorReason
from services.results.rules.facts import JobFacts

# Number of finished items that decide.
FIRST_ITEM_COUNT = 20


def is_refusal(reason: str) -> bool:
    """Returns whether an error reason of an item says that the provider refused its content."""
    return reason == ErrorReason.PROVIDER_REFUSED_INPUT


def completes_first_items(job: JobFacts, new_count: int) -> bool:
    """Returns whether new failures complete the first 20 finished items of a job's round, all of them failed.

    That is once in a round, so a resumed job is not paused again. A job that has a success, is ending, or has
    no other items is never affected. Failures carried into the round are not counted.

    Args:
        job: The job, with the new failures counted.
        new_count: Number of the new failures.
    """
    if job.succeeded_count or job.stopping_to or job.finish_time is not None:
        return False
    finished_count = job.failed_count - job.carried_count
    is_completing = finished_count - new_count < FIRST_ITEM_COUNT <= finished_count
    return is_completing and (job.upload_open or job.failed_count < job.total_count)


def refused_message(message: str) -> str:
    """Returns the message of the job's error for the message of the items' errors."""
    return (
        f"the first {FIRST_ITEM_COUNT} items were all refused: {message}; look at the job's failures, "
        "then resume it to run the other items"
    )
