"""ListFailureReasons: the failed items of a job, grouped by reason."""

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.pages.results import read_owned
from services.results.rows.messages import canonical_id
from services.stubs.results.v1 import results_pb2

MAX_GROUPS = 50

_PRESENT = "e.job_id = :job_id AND (e.round = 0 OR e.round = :round) AND e.state = :state"
# The examples are read after the groups are cut to the limit.
_GROUPS = f"""
SELECT g.reason, g.item_count, g.first_item_index, e.error_message, e.error_detail FROM (
    SELECT e.error_reason AS reason, count(*) AS item_count, min(e.item_index) AS first_item_index
    FROM results e WHERE {_PRESENT}
    GROUP BY e.error_reason ORDER BY item_count DESC, first_item_index LIMIT :limit) g
JOIN results e ON e.item_index = g.first_item_index AND {_PRESENT}
ORDER BY g.item_count DESC, g.first_item_index"""


async def list_failure_reasons(
    database: Database, request: results_pb2.ListFailureReasonsRequest
) -> results_pb2.ListFailureReasonsResponse:
    """Returns the failed items of a job's current round by reason: the 50 largest groups, largest first.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.read(lambda tx: _list_in(tx, request))


async def _list_in(
    tx: Transaction, request: results_pb2.ListFailureReasonsRequest
) -> results_pb2.ListFailureReasonsResponse:
    plain = {
        "job_id": canonical_id(request.job_id),
        "round": (await read_owned(tx, request.job_id, request.tenant)).round,
        "state": jobs_pb2.ITEM_STATE_FAILED,
        "limit": MAX_GROUPS,
    }
    groups = [
        jobs_pb2.FailureGroup(
            reason=row.reason,
            item_count=row.item_count,
            first_item_index=row.first_item_index,
            first_message=row.error_message,
            first_detail=row.error_detail,
        )
        for row in await tx.run(_GROUPS, plain)
    ]
    return results_pb2.ListFailureReasonsResponse(groups=groups)
