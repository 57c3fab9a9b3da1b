"""ListRecordedResults: results in the order of their recording, page by page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from headrace.errors import NotFoundError
from services.results.database.database import Database, Transaction
from services.results.pages.listed_pages import MAX_PAGE_SIZE, ROOM, fitting, read_results
from services.results.rows import job_rows
from services.results.rows.messages import canonical_id, job_message
from services.results.rules.facts import Job
from services.stubs.results.v1 import results_pb2

# Rows that one page looks at, at most: where most are of an older round or another state, it ends early.
MAX_ROWS_SEEN = 10_000

_RANGE = """FROM results e WHERE e.job_id = :job_id AND e.item_index >= 0
AND (e.seq, e.item_index) > (:seq, :item_index) AND (e.seq, e.item_index) <= (:end_seq, :end_index)"""
_IN_ORDER = " ORDER BY e.seq, e.item_index"
_KEYS = f"""
SELECT e.seq, e.item_index, e.round, {ROOM} AS capacity {_RANGE} AND (e.round = 0 OR e.round = :round)"""
_OF_ITEM_STATE = " AND e.state = :state"
_MOST = " LIMIT :most"
# The last row to look at, and whether there is one after it; the index alone tells.
_LAST_SEEN = f"SELECT e.seq, e.item_index {_RANGE}{_IN_ORDER} LIMIT 2 OFFSET :most_seen - 1"


class Place(NamedTuple):
    """The place of a result in the order of recording."""

    seq: int
    item_index: int


BEGIN = Place(0, -1)
LAST_ITEM_INDEX = 2**63 - 1


async def list_recorded_results(
    database: Database, request: results_pb2.ListRecordedResultsRequest
) -> results_pb2.ListRecordedResultsResponse:
    """Returns a page of a job's results after a place: at most page_size and 1 MB.

    Without ``more`` everything that its snapshot counts has been read: the snapshot is read first, and then
    only results that it counts, which no later transaction can add to.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.read(lambda tx: _list_in(tx, request))


async def _list_in(
    tx: Transaction, request: results_pb2.ListRecordedResultsRequest
) -> results_pb2.ListRecordedResultsResponse:
    found = await job_rows.read_newer(tx, [(canonical_id(request.job_id), 0)], request.tenant)
    if not found or found[0].tenant != request.tenant:
        raise NotFoundError("there is no such job")
    job = found[0]
    after = Place(request.after.seq, request.after.item_index) if request.HasField("after") else BEGIN
    end, more = await _find_end(tx, request, job, after)
    size = max(1, min(request.page_size, MAX_PAGE_SIZE))
    keys = await _read_keys(tx, request, job, (after, end), size + 1)
    page = fitting(keys[:size])
    if len(page) < len(keys):
        end, more = Place(page[-1].seq, page[-1].item_index), True
    return results_pb2.ListRecordedResultsResponse(
        results=await read_results(tx, job.job_id, page),
        next=results_pb2.RecordPosition(seq=end.seq, item_index=end.item_index),
        has_more=more,
        job=job_message(job),
    )


async def _find_end(
    tx: Transaction, request: results_pb2.ListRecordedResultsRequest, job: Job, after: Place
) -> tuple[Place, bool]:
    """Returns up to where a page looks, and whether there are rows after that."""
    # A place beyond the end, of whoever knows more, is not moved back.
    end = max(after, Place(job.seq, LAST_ITEM_INDEX))
    if job.round == 1 and not request.item_state:  # nothing is skipped
        return end, False
    plain = _range(job, after, end) | {"most_seen": MAX_ROWS_SEEN}
    rows = await tx.run(_LAST_SEEN, plain)
    return (Place(rows[0].seq, rows[0].item_index), True) if len(rows) > 1 else (end, False)


async def _read_keys(
    tx: Transaction,
    request: results_pb2.ListRecordedResultsRequest,
    job: Job,
    between: tuple[Place, Place],
    most: int,
) -> Sequence[Row[Any]]:
    template = _KEYS + (_OF_ITEM_STATE if request.item_state else "") + _IN_ORDER + _MOST
    plain = {"round": job.round, "state": request.item_state, "most": most}
    return await tx.run(template, _range(job, *between) | plain)


def _range(job: Job, after: Place, end: Place) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "seq": after.seq,
        "item_index": after.item_index,
        "end_seq": end.seq,
        "end_index": end.item_index,
    }
