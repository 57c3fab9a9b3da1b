"""What the requests of an upload stream may hold, from the first one to finish."""

from headrace.errors import InvalidArgumentError
from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.fields import canonical_job_id, invalid_field
from services.gateway.requests.item_texts import check_items
from services.gateway.requests.request_rules import violations_of

MAX_UPLOAD_ITEM_COUNT = 10_000_000

_NAMES_THE_JOB = "is required: the first request of the stream names the job by its UUID"


async def named_job(first: gateway_pb2.AppendItemsRequest | None) -> str:
    """Returns the id of the job that the first request names, in canonical form.

    Args:
        first: None: the stream ended without a request.

    Raises:
        InvalidArgumentError: It names none, or holds anything else.
    """
    if first is None:
        raise invalid_field("job_id", _NAMES_THE_JOB)
    violations = await violations_of(first)
    if not first.job_id:
        violations.add("job_id", _NAMES_THE_JOB)
    for field, _ in first.ListFields():
        if field.name != "job_id" and not violations.names(field.name):
            violations.add(field.name, "must not be in the first request, which only names the job")
    violations.raise_if_any()
    return canonical_job_id(first.job_id)


async def check_batch(request: gateway_pb2.AppendItemsRequest, finished: bool) -> None:
    """Checks a later request.

    Args:
        request: As the client sent it.
        finished: Whether a request before it held finish.

    Raises:
        InvalidArgumentError: INVALID_FIELD or ITEM_TOO_LARGE; names every wrong field of this request, and
            in its metadata where the request begins, for the client to find ``items[i]`` in the job.
    """
    if finished:
        raise invalid_field("finish", "was sent before; no request may follow it")
    violations = await violations_of(request)
    if request.job_id and not violations.names("job_id"):
        violations.add("job_id", "must be in the first request of the stream only")
    if request.first_item_index + len(request.items) > MAX_UPLOAD_ITEM_COUNT:
        violations.add("items", f"must not bring the job to more than {MAX_UPLOAD_ITEM_COUNT:,} items")
    if not violations.names("items"):
        await check_items(request.items, violations)
    try:
        violations.raise_if_any()
    except InvalidArgumentError as error:
        error.metadata["first_item_index"] = str(request.first_item_index)
        raise
