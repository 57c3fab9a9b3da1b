"""Follows the results of a job as they are recorded, over as many connections as it takes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from headrace._reading.result_position import ResultPosition
from headrace._transport.connection import GatewayConnection
from headrace._transport.resumption import Resumption
from headrace.errors import HeadraceError, UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2


async def follow_results(
    connection: GatewayConnection,
    request: gateway_pb2.StreamResultsRequest,
    position: ResultPosition,
) -> AsyncGenerator[list[jobs_pb2.Result], None]:
    """Yields each result of a job once, in the order of recording, until the job has ended.

    Results come in batches of up to 1,000. The next one is read when the caller asks for it.

    Args:
        connection: Connection to read from.
        request: Query. Its cursor is set here.
        position: Position to continue from. It moves with each batch.

    Raises:
        HeadraceError: The gateway refused the read, or none answered for the connection's resume_timeout.
    """
    resumption = Resumption(connection)
    while True:
        try:
            async with aclosing(_read_stream(connection, request, position, resumption)) as batches:
                async for batch in batches:
                    yield batch
            if position.is_at_end:
                return
            raise UnavailableError("the stream ended before the job did")
        except HeadraceError as error:
            if not position.may_continue(error) or not await resumption.wait():
                raise


async def _read_stream(
    connection: GatewayConnection,
    request: gateway_pb2.StreamResultsRequest,
    position: ResultPosition,
    resumption: Resumption,
) -> AsyncGenerator[list[jobs_pb2.Result], None]:
    request.cursor = position.cursor
    async with aclosing(resumption.read(connection.stub.StreamResults, request)) as responses:
        async for response in responses:
            resumption.note_news()
            position.is_at_end = response.HasField("job")
            position.last_seq = response.job.seq if position.is_at_end else None
            if batch := position.take_new(response.results, response.cursor):
                yield batch
            if position.is_at_end:
                return
