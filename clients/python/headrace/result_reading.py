"""Results of a job: all that are recorded, in order, or each one as the job records it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from headrace.connection import GatewayConnection
from headrace.conversion import from_item_state, to_result
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import ItemState, Result
from headrace.watching import watch_job

PAGE_SIZE = 1000


async def read_results(
    connection: GatewayConnection, query: gateway_pb2.GetResultsRequest, timeout: float | None = None
) -> AsyncGenerator[Result, None]:
    """Yields all results of a query, page after page, ordered by item_index.

    Args:
        connection: Where to read.
        query: Which results; its page fields are set here.
        timeout: Seconds for a page with all repeats; default: that of the connection.
    """
    request = gateway_pb2.GetResultsRequest()
    request.CopyFrom(query)
    request.page_size = PAGE_SIZE
    while True:
        page = await connection.call(connection.stub.GetResults, request, timeout)
        for result in page.results:
            yield to_result(result)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def follow_results(
    connection: GatewayConnection, job_id: str, item_state: ItemState | str | None
) -> AsyncGenerator[Result, None]:
    """Yields each result of a job once, as it is recorded, until the job has ended.

    Whatever was recorded up to a snapshot is there once the snapshot was seen, so each snapshot of a watch
    says how far to read: from the seq of the one before to its own.
    """
    query = gateway_pb2.GetResultsRequest(job_id=job_id, item_state=from_item_state(item_state))
    async with aclosing(watch_job(connection, job_id)) as events:
        async for event in events:
            if event.job.seq <= query.after_seq:
                continue
            query.up_to_seq = event.job.seq
            async with aclosing(read_results(connection, query, connection.resume_timeout)) as results:
                async for result in results:
                    yield result
            query.after_seq = event.job.seq
