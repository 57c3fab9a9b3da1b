"""ListRecordedResults: results in the order of their recording, page by page."""

# ruff: noqa: S608  # statements are put together from constants alone

from typing import Any, NamedTuple

from headrace.errors import NotFoundError
from headrace.results.v1 import results_pb2
from services.results import job_rows
from services.results.database import Database, Transaction
from services.results.facts import Job
from services.results.messages import canonical_id, job_message
from services.results.pages import MAX_PAGE_SIZE, ROOM, fitting, read_results

# Rows that one page looks at, at most: where most are of an older round or another state, it ends early.
MAX_ROWS_SEEN = 10_000

_BEYOND = """
FROM results e WHERE e.job_id = :job_id AND e.seq > 0 AND (e.seq, e.item_index) > (:seq, :item_index)
AND e.seq <= :last_seq ORDER BY e.seq, e.item_index"""
_KEYS = f"""
SELECT s.seq, s.item_index, s.round, s.room FROM (
    SELECT e.seq, e.item_index, e.round, e.state, {ROOM} AS room {_BEYOND} LIMIT :most_seen) s
WHERE (s.round = 0 OR s.round = :round)"""
_OF_ITEM_STATE = " AND s.state = :state"
_IN_ORDER = " ORDER BY s.seq, s.item_index LIMIT :most"
# The last row that is looked at, and whether there is one after it.
_LAST_SEEN = f"SELECT e.seq, e.item_index {_BEYOND} LIMIT 2 OFFSET :most_seen - 1"


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
    size = max(1, min(request.page_size, MAX_PAGE_SIZE))
    plain = _parameters(request, job, size)
    template = _KEYS + (_OF_ITEM_STATE if request.item_state else "") + _IN_ORDER
    keys = await tx.run(template, plain)
    page = fitting(keys[:size])
    if len(page) < len(keys):
        next_place, more = Place(page[-1].seq, page[-1].item_index), True
    else:
        next_place, more = await _end_of_search(tx, plain, job)
    return results_pb2.ListRecordedResultsResponse(
        results=await read_results(tx, job.job_id, page),
        next=results_pb2.RecordPlace(seq=next_place.seq, item_index=next_place.item_index),
        more=more,
        job=job_message(job),
    )


def _parameters(request: results_pb2.ListRecordedResultsRequest, job: Job, size: int) -> dict[str, int | str]:
    after = Place(request.after.seq, request.after.item_index) if request.HasField("after") else BEGIN
    return {
        "job_id": job.job_id,
        "seq": after.seq,
        "item_index": after.item_index,
        "last_seq": job.seq,
        "round": job.round,
        "state": request.item_state,
        "most_seen": MAX_ROWS_SEEN,
        "most": size + 1,
    }


async def _end_of_search(tx: Transaction, plain: dict[str, Any], job: Job) -> tuple[Place, bool]:
    """Returns the place up to which everything was looked at, and whether there is more after it."""
    skips = job.round > 1 or plain["state"]
    last_seen = await tx.run(_LAST_SEEN, plain) if skips else []
    if len(last_seen) > 1:
        return Place(last_seen[0].seq, last_seen[0].item_index), True
    # A place beyond it, of whoever knows more, is not moved back.
    return max(Place(plain["seq"], plain["item_index"]), Place(job.seq, LAST_ITEM_INDEX)), False
