"""Reads the recorded results of a job, page by page."""

from collections.abc import AsyncGenerator

from headrace._messages.conversion import to_result
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Result

PAGE_SIZE = 1000


async def read_results(
    connection: GatewayConnection, request: gateway_pb2.GetResultsRequest
) -> AsyncGenerator[Result, None]:
    """Yields all results of a query, ordered by item_index.

    Args:
        connection: Connection to read from.
        request: Query. Its page fields are set here.
    """
    request.page_size = PAGE_SIZE
    while True:
        page = await connection.call(connection.stub.GetResults, request)
        for result in page.results:
            yield to_result(result)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
