"""ListJobs and GetJobs: pages of jobs, and snapshots of known ones."""

from services.results.database.database import Database
from services.results.pages.page_limits import count_fitting, page_size
from services.results.rows import job_rows
from services.results.rows.job_rows import COLUMNS, job_of
from services.results.rows.messages import canonical_id, job_message
from services.shared.job_errors import job_not_found
from services.stubs.results.v1 import results_pb2

_JOBS = f"""
SELECT {COLUMNS} FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.tenant = :tenant AND p.job_id < :before AND p.job_class > 0"""
_OF_STATES = " AND p.state IN (SELECT s.state FROM ROWS(s: state bigint))"
_OF_KIND = " AND j.kind = :kind"
_NEWEST_FIRST = " ORDER BY p.job_id DESC LIMIT :limit"
_AFTER_ALL_IDS = "~"
_WITH_PARAMS = f"""
SELECT {COLUMNS}, j.params FROM job_progress p JOIN jobs j ON j.job_id = p.job_id
WHERE p.job_id = :job_id AND p.tenant = :tenant"""


async def list_jobs(database: Database, request: results_pb2.ListJobsRequest) -> results_pb2.ListJobsResponse:
    """Returns a page of a tenant's jobs, newest first, within page_size and 1 MB; at least one job."""
    size = page_size(request.page_size)
    template = _JOBS + (_OF_STATES if request.states else "") + (_OF_KIND if request.kind else "")
    plain = {
        "tenant": request.tenant,
        "before": canonical_id(request.before_job_id) or _AFTER_ALL_IDS,
        "limit": size + 1,
        "kind": request.kind,
    }
    rows = {"s": [(int(state),) for state in request.states]}
    found = await database.read(lambda tx: tx.run(template + _NEWEST_FIRST, plain, **rows))
    jobs = [job_message(job_of(row), database.retention) for row in found]
    page = jobs[: count_fitting([job.ByteSize() for job in jobs[:size]])]
    return results_pb2.ListJobsResponse(jobs=page, has_more=len(jobs) > len(page))


async def get_jobs(database: Database, request: results_pb2.GetJobsRequest) -> results_pb2.GetJobsResponse:
    """Returns the snapshots that are newer than the caller knows."""
    known = [(canonical_id(job.job_id), job.known_seq) for job in request.jobs]
    found = await database.read(lambda tx: job_rows.read_newer(tx, known, request.tenant))
    return results_pb2.GetJobsResponse(jobs=[job_message(job, database.retention) for job in found])


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
