"""What a fault of the worker itself comes to, for the item it happened to."""

from headrace.jobs.v1 import jobs_pb2
from services.shared.logging import get_logger
from services.stubs.results.v1 import results_pb2
from services.worker.items.item_runner import ItemOutcome
from services.worker.items.job_logging import fields_of

log = get_logger(__name__)


def fault_outcome(
    spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, fault: BaseException
) -> ItemOutcome:
    """Returns the failure of an item that the worker could not run, and logs it without the fault's text."""
    log.error("item_not_run", item_index=item.item_index, error=type(fault).__name__, **fields_of(spec))
    error = jobs_pb2.Error(reason="INTERNAL", message="the worker could not run this item")
    attempt_count, attempts = item.attempt_count + 1, tuple(item.failed_attempts)
    return ItemOutcome(None, error, None, False, attempt_count, item.usage, attempts)
