"""Checks the requests of an upload stream, from the first one to finish."""

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.fields import canonical_job_id, invalid_field
from services.gateway.requests.item_keys import check_key_count
from services.gateway.requests.item_texts import check_items
from services.gateway.requests.request_rules import violations_of
from services.gateway.requests.violations import Violations

MAX_UPLOAD_ITEM_COUNT = 10_000_000

_JOB_ID_REQUIRED = "is required in the first request of the stream; set it to the UUID of the job"


async def read_job_id(first: gateway_pb2.AppendItemsRequest | None) -> str:
    """Returns the job id of the first request, in canonical form.

    Args:
        first: First request. None if the stream ended without one.

    Raises:
        InvalidArgumentError: INVALID_FIELD: the job id is missing, or another field is set.
    """
    if first is None:
        raise invalid_field("job_id", _JOB_ID_REQUIRED)
    violations = await violations_of(first)
    if not first.job_id:
        violations.add("job_id", _JOB_ID_REQUIRED)
    for field, _ in first.ListFields():
        if field.name != "job_id" and not violations.names(field.name):
            violations.add(field.name, "must be unset in the first request; send it in a later request")
    violations.raise_if_any()
    return canonical_job_id(first.job_id)


async def check_batch(request: gateway_pb2.AppendItemsRequest, finished: bool) -> None:
    """Checks a request after the first one.

    Args:
        request: Request as the client sent it.
        finished: Whether an earlier request contained finish.

    Raises:
        InvalidArgumentError: INVALID_FIELD or ITEM_TOO_LARGE; names every wrong field of the request. Its
            metadata has the request's first_item_index, so that the client finds ``items[i]`` in the job.
    """
    if finished:
        raise invalid_field("finish", "was already sent; send no request after it")
    violations = await violations_of(request)
    _check_job_id_and_count(request, violations)
    check_key_count(request, violations)
    if not violations.names("items"):
        await check_items(request.items, violations)
    try:
        violations.raise_if_any()
    except InvalidArgumentError as error:
        error.metadata["first_item_index"] = str(request.first_item_index)
        raise


def _check_job_id_and_count(request: gateway_pb2.AppendItemsRequest, violations: Violations) -> None:
    if request.job_id and not violations.names("job_id"):
        violations.add("job_id", "must be set in the first request of the stream only; leave it unset")
    if request.first_item_index + len(request.items) > MAX_UPLOAD_ITEM_COUNT:
        violations.add(
            "items", f"must not bring the job above {MAX_UPLOAD_ITEM_COUNT:,} items; submit another job"
        )
