"""GetItems: pages of the items of a job with their results, by item_index."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.pages.page_contents import MAX_TOGETHER_BYTES, RESULT_BYTES
from services.results.pages.page_limits import count_fitting, page_size
from services.results.pages.results import TEXT_BYTES, read_owned, read_results
from services.results.rows.item_contents import ItemContent, read_item_contents
from services.results.rows.key_rows import find_items
from services.results.rows.messages import canonical_id
from services.stubs.results.v1 import results_pb2

_RESULT = """
FROM results e WHERE e.job_id = :job_id AND e.item_index = k.item_index AND e.round IN (0, :round)
ORDER BY e.round LIMIT 1"""
# Scalar subqueries, not a join: PostgreSQL may plan a join, while the table is empty, to read the whole job.
_RESULT_KEYS = f"""
SELECT k.item_index, (SELECT e.round {_RESULT}) AS round, (SELECT {TEXT_BYTES} {_RESULT}) AS text_bytes
FROM ROWS(k: item_index bigint)"""


async def get_items(database: Database, request: results_pb2.GetItemsRequest) -> results_pb2.GetItemsResponse:
    """Returns a page of a job's items, within page_size and 1 MB; at least one item.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.read(lambda tx: _get_in(tx, request))


async def _get_in(tx: Transaction, request: results_pb2.GetItemsRequest) -> results_pb2.GetItemsResponse:
    job = await read_owned(tx, request.job_id, request.tenant)
    job_id = canonical_id(request.job_id)
    wanted = await _wanted_indexes(tx, job, request)
    size = page_size(request.page_size)
    contents = await read_item_contents(tx, job_id, wanted[:size], inputs=True)
    found = await _result_keys(tx, job_id, job.round, wanted[: len(contents)])
    sizes = [_size(content, found.get(index)) for index, content in zip(wanted, contents, strict=False)]
    page = wanted[: count_fitting(sizes)]
    results = await read_results(tx, job_id, [found[index] for index in page if index in found])
    by_index = {result.item_index: result for result in results}
    items = [
        _item(index, content, by_index.get(index)) for index, content in zip(page, contents, strict=False)
    ]
    return results_pb2.GetItemsResponse(items=items, has_more=len(wanted) > len(page))


async def _wanted_indexes(
    tx: Transaction, job: Row[Any], request: results_pb2.GetItemsRequest
) -> Sequence[int]:
    """Returns the positions of the wanted items after the last page: the named ones, or enough for a page."""
    begin = max(0, request.after_item_index + 1)
    if not (request.item_indexes or request.item_keys):
        return range(begin, min(job.total_count, begin + page_size(request.page_size) + 1))
    named = set(request.item_indexes)
    if request.item_keys and job.has_keys:
        named |= set(await find_items(tx, canonical_id(request.job_id), request.item_keys))
    return sorted(index for index in named if begin <= index < job.total_count)


async def _result_keys(
    tx: Transaction, job_id: str, current_round: int, indexes: Sequence[int]
) -> Mapping[int, Row[Any]]:
    if not indexes:
        return {}
    plain = {"job_id": job_id, "round": current_round}
    rows = await tx.run(_RESULT_KEYS, plain, k=[(index,) for index in indexes])
    return {row.item_index: row for row in rows if row.round is not None}


def _size(content: ItemContent, result_key: Row[Any] | None) -> int:
    return content.size + RESULT_BYTES + (result_key.text_bytes if result_key is not None else 0)


def _item(index: int, content: ItemContent, result: jobs_pb2.Result | None) -> jobs_pb2.Item:
    item = jobs_pb2.Item(item_index=index, item_key=content.key, input=content.input)
    if result is not None:
        result.item_key = content.key
        if result.ByteSize() + item.ByteSize() <= MAX_TOGETHER_BYTES:
            item.result.CopyFrom(result)
    return item
