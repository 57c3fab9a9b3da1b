"""Reads the history of a job, page by page."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from headrace._messages.history import to_history_event
from headrace._reading.pages import read_pages
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import JobHistoryEvent

PAGE_SIZE = 1000


async def read_history(
    connection: GatewayConnection, request: gateway_pb2.ListJobEventsRequest
) -> AsyncGenerator[JobHistoryEvent, None]:
    """Yields all events of a job, oldest first.

    Args:
        connection: Connection to read from.
        request: Query. Its page fields are set here.
    """
    request.page_size = PAGE_SIZE
    async with aclosing(read_pages(connection, connection.stub.ListJobEvents, request)) as pages:
        async for page in pages:
            for event in page.events:
                yield to_history_event(event)
