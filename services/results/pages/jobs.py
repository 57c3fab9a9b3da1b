"""ListJobs and GetJobs: pages of jobs, and snapshots of known ones."""

from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.pages.job_search import Found, search_jobs
from services.results.pages.page_limits import count_fitting, page_size
from services.results.rows import job_rows
from services.results.rows.job_rows import COLUMNS, job_of
from services.results.rows.messages import canonical_id, job_message
from services.shared.job_errors import job_not_found
from services.stubs.results.v1 import results_pb2

# Bytes of the snapshots in one response of GetJobs.
MAX_RESPONSE_BYTES = 8 * 1024 * 1024

_JOBS = f"""
SELECT {COLUMNS} FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.tenant = :tenant AND p.job_id < :before AND p.job_class > 0
ORDER BY p.job_id DESC LIMIT :limit"""
_AFTER_ALL_IDS = "~"
_FILTERS = (
    "states",
    "kind",
    "labels",
    "name",
    "created_after",
    "created_before",
    "finished_after",
)
_WITH_PARAMS = f"""
SELECT {COLUMNS}, j.params FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.job_id = :job_id AND p.tenant = :tenant"""


async def list_jobs(database: Database, request: results_pb2.ListJobsRequest) -> results_pb2.ListJobsResponse:
    """Returns a page of a tenant's jobs, newest first, within page_size and 1 MB.

    It may be empty although more follow: a page with filters looks at up to 10,000 jobs.
    """
    size = page_size(request.page_size)
    is_filtered = any(field.name in _FILTERS for field, _ in request.ListFields())
    find = search_jobs if is_filtered else _newest_jobs
    found = await database.read(lambda tx: find(tx, request, size))
    jobs = [job_message(job_of(row), database.retention) for row in found.rows]
    page = jobs[: count_fitting([job.ByteSize() for job in jobs])]
    if len(page) < len(jobs):
        return results_pb2.ListJobsResponse(jobs=page, has_more=True, next_before_job_id=page[-1].job_id)
    end_job_id = found.end_job_id if found.has_more else ""
    return results_pb2.ListJobsResponse(jobs=page, has_more=found.has_more, next_before_job_id=end_job_id)


async def _newest_jobs(tx: Transaction, request: results_pb2.ListJobsRequest, limit: int) -> Found:
    before = canonical_id(request.before_job_id) or _AFTER_ALL_IDS
    rows = await tx.run(_JOBS, {"tenant": request.tenant, "before": before, "limit": limit + 1})
    if len(rows) > limit:
        return Found(rows[:limit], rows[limit - 1].job_id, has_more=True)
    return Found(rows, "", has_more=False)


async def get_jobs(database: Database, request: results_pb2.GetJobsRequest) -> results_pb2.GetJobsResponse:
    """Returns the snapshots that are newer than the caller knows, up to 8 MB, and names the others."""
    known = [(canonical_id(job.job_id), job.known_seq) for job in request.jobs]
    found = await database.read(lambda tx: job_rows.read_newer(tx, known, request.tenant))
    response, total = results_pb2.GetJobsResponse(), 0
    for job in found:
        message = job_message(job, database.retention)
        total += message.ByteSize() if job.labels or job.error_message else 0
        if total > MAX_RESPONSE_BYTES and response.jobs:
            response.left_out_job_ids.append(job.job_id)
        else:
            response.jobs.append(message)
    return response


async def get_params(
    database: Database, request: results_pb2.GetParamsRequest
) -> results_pb2.GetParamsResponse:
    """Returns the params of a job with its snapshot.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    plain = {"tenant": request.tenant, "job_id": canonical_id(request.job_id)}
    found = await database.read(lambda tx: tx.run(_WITH_PARAMS, plain))
    if not found:
        raise job_not_found(request.job_id)
    job = job_message(job_of(found[0]), database.retention)
    return results_pb2.GetParamsResponse(job=job, params=found[0].params)
