"""Reads items of a job back, with their results."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from typing import Any

from headrace._data.item_keys import key_text
from headrace._messages.conversion import to_item
from headrace._messages.request_building import build_request
from headrace._reading.pages import read_pages
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Item

PAGE_SIZE = 1000
MAX_NAMES = 1000


def key_texts(keys: Iterable[Any]) -> list[str]:
    """Returns keys as text, each once. A single text is one key.

    Raises:
        InvalidArgumentError: A key is empty, too long, or neither text nor a number.
    """
    listed = [keys] if isinstance(keys, str) else keys
    return list(dict.fromkeys(key_text(key, f"keys[{place}]") for place, key in enumerate(listed)))


async def read_job_items(
    connection: GatewayConnection, job_id: str, indexes: Iterable[int], keys: Iterable[Any]
) -> AsyncGenerator[Item, None]:
    """Yields items of a job, each once, ordered by item_index in each query.

    Args:
        connection: Connection to read from.
        job_id: The job.
        indexes: Positions of items.
        keys: Keys of items. All items if both are empty.

    Raises:
        HeadraceError: The gateway refused the read, or none answered in time.
    """
    queries = list(_queries(job_id, list(dict.fromkeys(indexes)), key_texts(keys)))
    read: set[int] = set()
    for request in queries:
        async with aclosing(read_pages(connection, connection.stub.GetItems, request)) as pages:
            async for page in pages:
                for item in map(to_item, page.items):
                    if item.item_index not in read:
                        yield item
                    if len(queries) > 1:
                        read.add(item.item_index)


def _queries(job_id: str, indexes: list[int], keys: list[str]) -> Iterator[gateway_pb2.GetItemsRequest]:
    for begin in range(0, max(len(indexes), len(keys), 1), MAX_NAMES):
        part = slice(begin, begin + MAX_NAMES)
        yield build_request(
            gateway_pb2.GetItemsRequest,
            job_id=job_id,
            page_size=PAGE_SIZE,
            item_indexes=indexes[part],
            item_keys=keys[part],
        )
