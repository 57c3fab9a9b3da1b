"""ListWorkers: the workers seen in the last hour."""

from services.results.database.database import Database
from services.results.rows.messages import worker_message
from services.results.rows.worker_rows import SECOND, read_workers
from services.stubs.results.v1 import results_pb2

SEEN_WITHIN = 3600 * SECOND


async def list_workers(database: Database) -> results_pb2.ListWorkersResponse:
    """Returns the workers seen in the last hour, live ones first, then by start_time."""
    rows = await database.read(lambda tx: read_workers(tx, SEEN_WITHIN))
    return results_pb2.ListWorkersResponse(workers=[worker_message(row) for row in rows])
