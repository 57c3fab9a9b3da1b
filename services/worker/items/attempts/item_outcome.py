"""The outcome of one attempt of an item."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.worker.items.job_logging import fields_of

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class ItemOutcome:
    """The outcome of one attempt of an item.

    Attributes:
        output: JSON text. Set if the attempt succeeded.
        error: Set if it did not succeed.
        retry_delay: Seconds until the next attempt. None: the item is finished.
        job_failed: The error fails the whole job: none of its items can succeed.
        attempt_count: Attempts of this round, this one included.
        usage: Usage of all attempts, this one included.
        failed_attempts: The last ten failed attempts of this round; includes this one if it failed.
        worked_seconds: Time worked on the item in this round, this attempt included.
        needed_micros: Price of the call that was held back and ended the attempt. The attempt does not count,
            and the item waits for an allowance. 0: the attempt ended in another way.
        is_provider_fault: Whether the attempt counts, and failed as every attempt does in an outage.
    """

    output: str | None = None
    error: jobs_pb2.Error | None = None
    retry_delay: float | None = None
    job_failed: bool = False
    attempt_count: int
    usage: jobs_pb2.Usage
    failed_attempts: Sequence[jobs_pb2.FailedAttempt] = ()
    worked_seconds: float = 0.0
    needed_micros: int = 0
    is_provider_fault: bool = False


def fault_outcome(
    spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, fault: BaseException
) -> ItemOutcome:
    """Returns the failure of an item that the worker could not run, and logs it without the fault's text."""
    log.error("item_not_run", item_index=item.item_index, error=type(fault).__name__, **fields_of(spec))
    return ItemOutcome(
        error=jobs_pb2.Error(reason=ErrorReason.INTERNAL, message="the worker could not run this item"),
        attempt_count=item.attempt_count + 1,
        usage=item.usage,
        failed_attempts=tuple(item.failed_attempts),
    )
