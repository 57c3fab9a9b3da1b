"""Reads a query page by page."""

from collections.abc import AsyncGenerator
from typing import Any

from headrace._transport.connection import GatewayConnection


async def read_pages(connection: GatewayConnection, method: Any, request: Any) -> AsyncGenerator[Any, None]:
    """Yields the pages of a query, each when it is asked for.

    Args:
        connection: Connection to read from.
        method: Method of the stub.
        request: Query. Its page_token is set here.

    Raises:
        HeadraceError: The gateway refused the read, or none answered in time.
    """
    while True:
        page = await connection.call(method, request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
