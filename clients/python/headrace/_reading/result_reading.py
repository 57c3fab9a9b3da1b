"""Reads the recorded results of a job, page by page."""

from collections.abc import AsyncGenerator

from headrace._reading.result_position import ResultPosition
from headrace._transport.connection import GatewayConnection
from headrace.errors import HeadraceError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

PAGE_SIZE = 1000


async def read_results(
    connection: GatewayConnection, request: gateway_pb2.GetResultsRequest, position: ResultPosition
) -> AsyncGenerator[list[jobs_pb2.Result], None]:
    """Yields all results of a query, ordered by item_index, in batches of up to 1,000.

    Args:
        connection: Connection to read from.
        request: Query. Its page fields are set here.
        position: Position to continue from. It moves with each batch.
    """
    request.page_size = PAGE_SIZE
    while True:
        request.page_token = position.cursor
        try:
            page = await connection.call(connection.stub.GetResults, request)
        except HeadraceError as error:
            if not position.start_over(error):
                raise
            continue
        is_last = not page.next_page_token
        if batch := position.take_new(page.results, page.next_page_token or position.cursor):
            yield batch
        if is_last:
            return
