"""Lists the jobs of a tenant, page by page."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime

from headrace._messages.conversion import to_job
from headrace._messages.enum_names import from_job_states
from headrace._messages.request_building import build_request
from headrace._messages.times import from_instant
from headrace._reading.pages import read_pages
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Job, JobState


def list_request(
    *,
    states: Iterable[JobState | str],
    kind: str,
    labels: Mapping[str, str] | None,
    name: str,
    created_after: datetime | None,
    created_before: datetime | None,
    finished_after: datetime | None,
    page_size: int,
) -> gateway_pb2.ListJobsRequest:
    """Returns the request for the first page of a list of jobs.

    Raises:
        InvalidArgumentError: The request cannot hold some of the values; ``violations`` names each.
    """
    return build_request(
        gateway_pb2.ListJobsRequest,
        states=from_job_states(states),
        kind=kind,
        labels=labels,
        name=name,
        created_after=from_instant(created_after),
        created_before=from_instant(created_before),
        finished_after=from_instant(finished_after),
        page_size=page_size,
    )


async def list_jobs(
    connection: GatewayConnection, request: gateway_pb2.ListJobsRequest
) -> AsyncGenerator[Job, None]:
    """Yields all jobs of a query, newest first.

    Args:
        connection: Connection to read from.
        request: Query. Its page_token is set here.
    """
    async with aclosing(read_pages(connection, connection.stub.ListJobs, request)) as pages:
        async for page in pages:
            for job in page.jobs:
                yield to_job(job)
