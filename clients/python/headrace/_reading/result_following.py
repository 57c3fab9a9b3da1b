"""Follows the results of a job as they are recorded, over as many connections as it takes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from headrace._messages.conversion import to_result
from headrace._reading.seen_results import SeenResults
from headrace._transport.connection import GatewayConnection, is_passing
from headrace._transport.resumption import Resumption
from headrace.errors import HeadraceError, UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from headrace.resources import Result


class ResultPosition:
    """Position of a read: the cursor that continues it, and the results already returned."""

    def __init__(self) -> None:
        self.cursor = ""
        self.is_at_end = False
        self._seen = SeenResults()
        self._started_again = False

    def advance(self, response: gateway_pb2.StreamResultsResponse) -> list[jobs_pb2.Result]:
        """Returns the results of a message that were not returned before."""
        self.cursor = response.cursor
        self.is_at_end = response.HasField("job")
        # A cursor repeats nothing. An item that comes again was retried, and its later result counts.
        return [result for result in response.results if self._seen.add(result) or not self._started_again]

    def may_continue(self, error: HeadraceError) -> bool:
        """Returns whether to call again after an error. Drops a cursor that the store no longer knows.

        That happens after the store was restored from a backup. Results recorded since the backup are
        recorded again, and the read starts over, without the results already returned.
        """
        if error.reason == ErrorReason.INVALID_CURSOR and self.cursor:
            self.cursor = ""
            self._started_again = True
            return True
        return is_passing(error)


async def follow_results(
    connection: GatewayConnection, request: gateway_pb2.StreamResultsRequest
) -> AsyncGenerator[Result, None]:
    """Yields each result of a job once, in the order of recording, until the job has ended.

    Reads only as fast as the caller iterates. Holds one message of up to 1,000 results.

    Args:
        connection: Connection to read from.
        request: Query. Its cursor is set here.

    Raises:
        HeadraceError: The gateway refused the read, or none answered for the connection's resume_timeout.
    """
    position = ResultPosition()
    resumption = Resumption(connection)
    while True:
        try:
            async with aclosing(_read_stream(connection, request, position, resumption)) as results:
                async for result in results:
                    yield to_result(result)
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
) -> AsyncGenerator[jobs_pb2.Result, None]:
    request.cursor = position.cursor
    resumption.begin_stream()
    call = connection.stub.StreamResults(request, metadata=connection.metadata)
    try:
        with connection.errors_of_calls():
            await call.initial_metadata()
            if not call.done():  # a failed call has (empty) metadata too
                resumption.open_stream()
            async for response in call:
                resumption.note_news()
                for result in position.advance(response):
                    yield result
                if position.is_at_end:
                    return
    finally:
        call.cancel()  # leaving the loop does not end the call on the server
