"""Lists the jobs of a tenant, page by page."""

from collections.abc import AsyncGenerator

from headrace._messages.conversion import to_job
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Job


async def list_jobs(
    connection: GatewayConnection, request: gateway_pb2.ListJobsRequest
) -> AsyncGenerator[Job, None]:
    """Yields all jobs of a query, newest first.

    Args:
        connection: Connection to read from.
        request: Query. Its page_token is set here.
    """
    while True:
        page = await connection.call(connection.stub.ListJobs, request)
        for job in page.jobs:
            yield to_job(job)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
