"""Searches for jobs: what the store is asked, and the query that page tokens are bound to."""

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.fields import page_size_or
from services.gateway.requests.labels import label_pairs
from services.gateway.requests.page_tokens import PagedQuery
from services.gateway.requests.violations import Violations
from services.stubs.results.v1 import results_pb2

_DEFAULT_JOBS_PER_PAGE = 50
_TIMES = ("created_after", "created_before", "finished_after")


def job_search(
    request: gateway_pb2.ListJobsRequest, tenant: str
) -> tuple[PagedQuery, results_pb2.ListJobsRequest]:
    """Returns the query of a checked request, and the request to the store for its page.

    Raises:
        InvalidArgumentError: INVALID_PAGE_TOKEN: not a token of this query.
    """
    states = sorted(request.states)
    times = [getattr(request, name).ToNanoseconds() if request.HasField(name) else None for name in _TIMES]
    # A search without the newer filters has the tokens of versions that did not know them.
    newer = [label_pairs(request.labels), request.name, *times]
    is_plain = newer == [[], "", None, None, None]
    query = PagedQuery("ListJobs", tenant, states, request.kind, *([] if is_plain else newer))
    search = results_pb2.ListJobsRequest(
        tenant=tenant,
        page_size=page_size_or(_DEFAULT_JOBS_PER_PAGE, request.page_size),
        before_job_id=query.job_position(request.page_token),
        states=states,
        kind=request.kind,
        labels=request.labels,
        name=request.name,
        **{name: getattr(request, name) for name in _TIMES if request.HasField(name)},
    )
    return query, search


def check_timestamps(request: Message, violations: Violations) -> None:
    """Adds the timestamps among the fields of a request that are outside of the years 1 to 9999."""
    for field, value in request.ListFields():
        if isinstance(value, Timestamp) and not violations.names(field.name) and not is_valid(value):
            violations.add(field.name, "must be a valid timestamp, from year 1 to 9999")


def is_valid(timestamp: Timestamp) -> bool:
    """Returns whether a timestamp is from year 1 to 9999 and has nanos from 0 to 999,999,999."""
    try:
        timestamp.ToDatetime()
    except ValueError:
        return False
    return True
