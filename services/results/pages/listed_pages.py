"""Reading jobs and results, page by page."""

# ruff: noqa: S608  # statements are put together from constants alone

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from headrace.errors import NotFoundError
from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database, Transaction
from services.results.rows import job_rows, worker_rows
from services.results.rows.job_rows import COLUMNS, job_of
from services.results.rows.messages import canonical_id, job_message, result_message, worker_message
from services.stubs.results.v1 import results_pb2

MAX_PAGE_SIZE = 1_000
MAX_PAGE_BYTES = 1024 * 1024
WORKERS_SEEN_WITHIN = 3600 * worker_rows.SECOND

_JOBS = f"""
SELECT {COLUMNS} FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.tenant = :tenant AND p.job_id < :before AND p.job_class > 0"""
_OF_STATES = " AND p.state IN (SELECT s.state FROM ROWS(s: state bigint))"
_OF_KIND = " AND j.kind = :kind"
_NEWEST_FIRST = " ORDER BY p.job_id DESC LIMIT :most"
_AFTER_ALL_IDS = "~"

_ROUND = "SELECT p.round FROM job_progress p WHERE p.job_id = :job_id AND p.tenant = :tenant"
# SQLite keeps the order of a CROSS JOIN: each key looks up its row, and none is compared with all rows.
_RESULTS = """
SELECT e.item_index, e.state, e.output, e.output_bytes, e.error_reason, e.error_message, e.attempt_count,
    e.call_count, e.input_tokens, e.output_tokens, e.cached_tokens, e.cost_micros, e.finish_time,
    e.failed_attempts
FROM ROWS(k: item_index bigint, round bigint) CROSS JOIN results e
WHERE e.job_id = :job_id AND e.item_index = k.item_index AND e.round = k.round"""
# Bytes of a result but for what all take; those of a message are guessed, and never too low.
ROOM = "e.output_bytes + 4 * length(e.error_message) + length(e.failed_attempts)"
_KEYS = f"""
SELECT e.item_index, e.round, {ROOM} AS capacity FROM results e
WHERE e.job_id = :job_id AND e.item_index > :after AND (e.round = 0 OR e.round = :round)"""
_OF_ITEM_STATE = " AND e.state = :state"
_BY_INDEX = " ORDER BY e.item_index LIMIT :most"
# Capacity that a result takes besides its output and its error.
_RESULT_BYTES = 100


async def list_jobs(database: Database, request: results_pb2.ListJobsRequest) -> results_pb2.ListJobsResponse:
    """Returns a page of a tenant's jobs, newest first: at most page_size and 1 MB, and at least one."""
    size = max(1, min(request.page_size, MAX_PAGE_SIZE))
    template = _JOBS + (_OF_STATES if request.states else "") + (_OF_KIND if request.kind else "")
    plain = {
        "tenant": request.tenant,
        "before": canonical_id(request.before_job_id) or _AFTER_ALL_IDS,
        "most": size + 1,
        "kind": request.kind,
    }
    rows = {"s": [(int(state),) for state in request.states]}
    found = await database.read(lambda tx: tx.run(template + _NEWEST_FIRST, plain, **rows))
    jobs = [job_message(job_of(row)) for row in found]
    page = jobs[: count_fitting([job.ByteSize() for job in jobs[:size]])]
    return results_pb2.ListJobsResponse(jobs=page, has_more=len(jobs) > len(page))


async def get_jobs(database: Database, request: results_pb2.GetJobsRequest) -> results_pb2.GetJobsResponse:
    """Returns the snapshots that are newer than the caller knows."""
    known = [(canonical_id(job.job_id), job.known_seq) for job in request.jobs]
    found = await database.read(lambda tx: job_rows.read_newer(tx, known, request.tenant))
    return results_pb2.GetJobsResponse(jobs=[job_message(job) for job in found])


async def list_results(
    database: Database, request: results_pb2.ListResultsRequest
) -> results_pb2.ListResultsResponse:
    """Returns a page of a job's results by item_index: at most page_size and 1 MB, and at least one.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    return await database.read(lambda tx: _list_results_in(tx, request))


async def _list_results_in(
    tx: Transaction, request: results_pb2.ListResultsRequest
) -> results_pb2.ListResultsResponse:
    job_id = canonical_id(request.job_id)
    found = await tx.run(_ROUND, {"job_id": job_id, "tenant": request.tenant})
    if not found:
        raise NotFoundError("there is no such job")
    size = max(1, min(request.page_size, MAX_PAGE_SIZE))
    plain = {
        "job_id": job_id,
        "after": request.after_item_index,
        "round": found[0].round,
        "state": request.item_state,
        "most": size + 1,
    }
    keys = await tx.run(_KEYS + (_OF_ITEM_STATE if request.item_state else "") + _BY_INDEX, plain)
    page = fitting(keys[:size])
    results = await read_results(tx, job_id, page)
    return results_pb2.ListResultsResponse(results=results, has_more=len(keys) > len(page))


async def read_results(tx: Transaction, job_id: str, keys: Sequence[Row[Any]]) -> list[jobs_pb2.Result]:
    """Returns a job's results by their keys (item_index, round), in the order of these."""
    if not keys:
        return []
    rows = await tx.run(_RESULTS, {"job_id": job_id}, k=[(key.item_index, key.round) for key in keys])
    found = {row.item_index: row for row in rows}
    return [result_message(found[key.item_index]) for key in keys if key.item_index in found]


def fitting(keys: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Returns the first keys whose results, by their ``capacity``, fit in a page, at least one."""
    return keys[: count_fitting([key.capacity + _RESULT_BYTES for key in keys])]


def count_fitting(sizes: Sequence[int]) -> int:
    """Returns how many members of a page, from the first on, fit in it by their bytes: at least one."""
    total = 0
    for place, size in enumerate(sizes):
        total += size
        if total > MAX_PAGE_BYTES and place:
            return place
    return len(sizes)


async def list_workers(database: Database) -> results_pb2.ListWorkersResponse:
    """Returns the workers seen in the last hour, live ones first, then by start_time."""
    rows = await database.read(lambda tx: worker_rows.read_workers(tx, WORKERS_SEEN_WITHIN))
    return results_pb2.ListWorkersResponse(workers=[worker_message(row) for row in rows])
