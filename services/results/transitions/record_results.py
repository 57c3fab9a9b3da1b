"""RecordResults: records results, failed attempts, deaths and releases."""

from collections.abc import Sequence

from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.failures import ContentRefusedError
from services.results.rows.messages import merge_effects
from services.results.rows.record_limits import enforce_record_limits, fail_item
from services.results.transitions.record_transaction import record_in
from services.stubs.results.v1 import results_pb2

Response = results_pb2.RecordResultsResponse


async def record_results(database: Database, request: results_pb2.RecordResultsRequest) -> Response:
    """Returns the outcome of each job's records.

    All records share one transaction. If the database refuses their content, each job is recorded alone, and
    then each item of the job alone. An item that is refused even alone fails with OUTPUT_REFUSED.
    """
    for record in request.jobs:
        enforce_record_limits(record)
    parts = await _record(database, request.incarnation, list(request.jobs))
    return Response(
        outcomes=[outcome for part in parts for outcome in part.outcomes],
        effects=merge_effects([part.effects for part in parts]),
    )


async def _record(
    database: Database, incarnation: str, records: Sequence[results_pb2.JobRecord]
) -> list[Response]:
    try:
        return [await _record_together(database, incarnation, *records)]
    except ContentRefusedError:
        if len(records) == 1 and not records[0].items:
            raise
    if len(records) > 1:
        return [part for record in records for part in await _record(database, incarnation, [record])]
    return await _record_items_alone(database, incarnation, records[0])


async def _record_items_alone(
    database: Database, incarnation: str, record: results_pb2.JobRecord
) -> list[Response]:
    parts = []
    for item in record.items:
        alone = results_pb2.JobRecord(job_id=record.job_id, items=[item])
        try:
            part = await _record_together(database, incarnation, alone)
        except ContentRefusedError:
            fail_item(
                alone.items[0], ErrorReason.OUTPUT_REFUSED, "the store cannot store the output of this item"
            )
            part = await _record_together(database, incarnation, alone)
        del part.outcomes[:]  # One outcome per job: the last call returns the final one.
        parts.append(part)
    rest = results_pb2.JobRecord()
    rest.CopyFrom(record)
    del rest.items[:]
    return [*parts, await _record_together(database, incarnation, rest)]


async def _record_together(database: Database, incarnation: str, *records: results_pb2.JobRecord) -> Response:
    return await database.write(lambda tx: record_in(tx, incarnation, records))
