"""ListRecordedResults: pages of the results of a job, in the order of their recording."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.pages.page_contents import fit_page, read_page_contents
from services.results.pages.page_limits import page_size
from services.results.pages.results import OF_ITEM_STATE, TEXT_BYTES, read_results
from services.results.rows import job_rows
from services.results.rows.messages import canonical_id, job_message
from services.results.rules.facts import JobFacts
from services.shared.job_errors import job_not_found
from services.stubs.results.v1 import results_pb2

# Maximum rows that one page reads. A page ends early if most of them are of an older round or another state.
MAX_ROWS_READ = 10_000

_RANGE = """FROM results e WHERE e.job_id = :job_id AND e.item_index >= 0
AND (e.seq, e.item_index) > (:seq, :item_index) AND (e.seq, e.item_index) <= (:end_seq, :end_index)"""
_IN_ORDER = " ORDER BY e.seq, e.item_index"
_KEYS = f"""
SELECT e.seq, e.item_index, e.round, {TEXT_BYTES} {_RANGE} AND (e.round = 0 OR e.round = :round)"""
_LIMIT = " LIMIT :limit"
# The last row to read, and the row after it if there is one. Both come from the index alone.
_LAST_ROW = f"SELECT e.seq, e.item_index {_RANGE}{_IN_ORDER} LIMIT 2 OFFSET :row_limit - 1"


class Place(NamedTuple):
    """Position of a result in the order of recording."""

    seq: int
    item_index: int


BEGIN = Place(0, -1)
LAST_ITEM_INDEX = 2**63 - 1


async def list_recorded_results(
    database: Database, request: results_pb2.ListRecordedResultsRequest
) -> results_pb2.ListRecordedResultsResponse:
    """Returns a page of a job's results after a place, within page_size and 1 MB.

    If ``more`` is false, the caller has read every result that the snapshot in the response counts: the
    snapshot is read first, then only results that it counts, and no later transaction can add to those.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.read(lambda tx: _list_in(tx, request))


async def _list_in(
    tx: Transaction, request: results_pb2.ListRecordedResultsRequest
) -> results_pb2.ListRecordedResultsResponse:
    found = await job_rows.read_newer(tx, [(canonical_id(request.job_id), 0)], request.tenant)
    if not found or found[0].tenant != request.tenant:
        raise job_not_found(request.job_id)
    job = found[0]
    after = Place(request.after.seq, request.after.item_index) if request.HasField("after") else BEGIN
    end, more = await _find_end(tx, request, job, after)
    size = page_size(request.page_size)
    keys = await _read_keys(tx, request, job, (after, end), size + 1)
    contents = await read_page_contents(
        tx, job.job_id, keys[:size], has_keys=job.has_keys, inputs=request.include_inputs
    )
    page = fit_page(keys[:size], contents)
    if len(page) < len(keys):
        end, more = Place(page[-1].seq, page[-1].item_index), True
    return results_pb2.ListRecordedResultsResponse(
        results=await read_results(tx, job.job_id, page, contents),
        next=results_pb2.RecordPosition(seq=end.seq, item_index=end.item_index),
        has_more=more,
        job=job_message(job, tx.retention),
    )


async def _find_end(
    tx: Transaction, request: results_pb2.ListRecordedResultsRequest, job: JobFacts, after: Place
) -> tuple[Place, bool]:
    """Returns the last place that a page reads, and whether there are rows after it."""
    # A caller may know of more than this snapshot: a place beyond its end is not moved back.
    end = max(after, Place(job.seq, LAST_ITEM_INDEX))
    if job.round == 1 and not request.item_state:  # No row is skipped.
        return end, False
    rows = await tx.run(_LAST_ROW, _range(job, after, end) | {"row_limit": MAX_ROWS_READ})
    return (Place(rows[0].seq, rows[0].item_index), True) if len(rows) > 1 else (end, False)


async def _read_keys(
    tx: Transaction,
    request: results_pb2.ListRecordedResultsRequest,
    job: JobFacts,
    between: tuple[Place, Place],
    limit: int,
) -> Sequence[Row[Any]]:
    template = _KEYS + (OF_ITEM_STATE if request.item_state else "") + _IN_ORDER + _LIMIT
    plain = {"round": job.round, "state": request.item_state, "limit": limit}
    return await tx.run(template, _range(job, *between) | plain)


def _range(job: JobFacts, after: Place, end: Place) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "seq": after.seq,
        "item_index": after.item_index,
        "end_seq": end.seq,
        "end_index": end.item_index,
    }
