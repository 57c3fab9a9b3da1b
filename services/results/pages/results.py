"""ListResults: pages of the results of a job, by item_index."""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import Row

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.pages.page_contents import fit_page, read_page_contents
from services.results.pages.page_limits import page_size
from services.results.rows.item_contents import ItemContent
from services.results.rows.messages import canonical_id, result_message
from services.shared.job_errors import job_not_found
from services.stubs.results.v1 import results_pb2

_OWNED = """
SELECT p.round, p.total_count, j.has_keys FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.job_id = :job_id AND p.tenant = :tenant"""
# SQLite keeps the order of a CROSS JOIN: each key looks up its row, and none is compared with all rows.
_RESULTS = """
SELECT e.item_index, e.state, e.output, e.output_bytes, e.error_reason, e.error_message, e.attempt_count,
    e.call_count, e.input_tokens, e.output_tokens, e.cached_tokens, e.cost_micros, e.finish_time,
    e.failed_attempts, e.error_detail, e.answered_models
FROM ROWS(k: item_index bigint, round bigint) CROSS JOIN results e
WHERE e.job_id = :job_id AND e.item_index = k.item_index AND e.round = k.round"""
# Bytes of the texts of a result. Those of its error are an upper bound.
TEXT_BYTES = (
    "e.output_bytes + 4 * length(e.error_message) + 4 * length(e.error_detail) + length(e.failed_attempts)"
    " + 4 * length(e.answered_models) AS text_bytes"
)
_KEYS = f"""
SELECT e.item_index, e.round, {TEXT_BYTES} FROM results e
WHERE e.job_id = :job_id AND e.item_index > :after AND (e.round = 0 OR e.round = :round)"""
OF_ITEM_STATE = " AND e.state = :state"
_BY_INDEX = " ORDER BY e.item_index LIMIT :limit"


async def list_results(
    database: Database, request: results_pb2.ListResultsRequest
) -> results_pb2.ListResultsResponse:
    """Returns a page of a job's results by item_index, within page_size and 1 MB; at least one result.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.read(lambda tx: _list_in(tx, request))


async def _list_in(
    tx: Transaction, request: results_pb2.ListResultsRequest
) -> results_pb2.ListResultsResponse:
    job_id = canonical_id(request.job_id)
    job = await read_owned(tx, request.job_id, request.tenant)
    size = page_size(request.page_size)
    plain = {
        "job_id": job_id,
        "after": request.after_item_index,
        "round": job.round,
        "state": request.item_state,
        "limit": size + 1,
    }
    keys = await tx.run(_KEYS + (OF_ITEM_STATE if request.item_state else "") + _BY_INDEX, plain)
    contents = await read_page_contents(
        tx, job_id, keys[:size], has_keys=job.has_keys, inputs=request.include_inputs
    )
    page = fit_page(keys[:size], contents)
    results = await read_results(tx, job_id, page, contents)
    return results_pb2.ListResultsResponse(results=results, has_more=len(keys) > len(page))


async def read_owned(tx: Transaction, job_id: str, tenant: str) -> Row[Any]:
    """Returns ``round``, ``total_count`` and ``has_keys`` of a tenant's job.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    found: Sequence[Row[Any]] = await tx.run(_OWNED, {"job_id": canonical_id(job_id), "tenant": tenant})
    if not found:
        raise job_not_found(job_id)
    return found[0]


async def read_results(
    tx: Transaction,
    job_id: str,
    keys: Sequence[Row[Any]],
    contents: Sequence[ItemContent] | None = None,
) -> list[jobs_pb2.Result]:
    """Returns the results of a job, in the order of their keys.

    Args:
        tx: The transaction.
        job_id: The job.
        keys: Keys (item_index, round) of the results.
        contents: Contents of the items that travel with them, at least one for each key. Default: none.
    """
    if not keys:
        return []
    rows = await tx.run(_RESULTS, {"job_id": job_id}, k=[(key.item_index, key.round) for key in keys])
    found = {row.item_index: row for row in rows}
    results = []
    for key, content in zip(keys, contents or repeat(None), strict=False):
        if key.item_index in found:
            result = result_message(found[key.item_index])
            if content is not None:
                result.item_key, result.input = content
            results.append(result)
    return results
