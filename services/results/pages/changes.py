"""ListChanges: the jobs of a tenant that changed, in the order in which the changes became visible."""

from typing import Any, TypeAlias

from sqlalchemy import Row

from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.transaction import Transaction
from services.results.pages.horizon_check import HorizonCheck
from services.results.pages.page_limits import count_fitting, page_size
from services.results.rows import job_rows
from services.results.rows.job_labels import decode_labels
from services.results.rows.messages import job_message
from services.results.rules.facts import JobFacts
from services.stubs.results.v1 import results_pb2

Request: TypeAlias = results_pb2.ListChangesRequest
Response: TypeAlias = results_pb2.ListChangesResponse

_READ_STATE = """
SELECT s.store_id, s.gone_xid, CHANGE_HORIZON() AS horizon, NEXT_XID() AS next_xid FROM store_state s"""
# A change with a number below the horizon has been committed, and none can be any more: the horizon is read
# before. A job that has changed again since then has a number above it, and comes in a later page.
_READ_CHANGES = """
SELECT c.change_xid, c.job_id, c.kind, c.labels, c.state FROM (
    SELECT * FROM (
        SELECT p.change_xid, p.job_id, '' AS kind, '' AS labels, 0 AS state FROM job_progress p
        WHERE p.tenant = :tenant AND (p.change_xid, p.job_id) > (:after_xid, :after_job_id)
        AND p.change_xid < :horizon AND p.change_xid > 0
        ORDER BY p.change_xid, p.job_id LIMIT :limit) changed
    UNION ALL
    SELECT * FROM (
        SELECT g.change_xid, g.job_id, g.kind, g.labels, g.state FROM watch_gone g
        WHERE g.tenant = :tenant AND (g.change_xid, g.job_id) > (:after_xid, :after_job_id)
        AND g.change_xid < :horizon
        ORDER BY g.change_xid, g.job_id LIMIT :limit) gone) c
ORDER BY c.change_xid, c.job_id LIMIT :limit"""


async def list_changes(database: Database, check: HorizonCheck, request: Request) -> Response:
    """Returns a page of changes after a position, within page_size and 1 MB.

    Args:
        database: The database.
        check: Notes the horizon.
        request: The tenant and the position.
    """
    return await database.read(lambda tx: _list_in(tx, check, request))


async def _list_in(tx: Transaction, check: HorizonCheck, request: Request) -> Response:
    state = (await tx.run(_READ_STATE))[0]
    check.note(state.horizon, state.next_xid)
    end = results_pb2.ChangePosition(store_id=state.store_id, change_xid=state.horizon)
    after = request.after
    if not request.HasField("after"):
        return Response(next=end)
    if after.store_id != state.store_id or not state.gone_xid < after.change_xid <= state.horizon:
        return Response(next=end, reset=True)
    if after.change_xid == state.horizon:
        return Response(next=after)
    return await _read_page(tx, request, end)


async def _read_page(tx: Transaction, request: Request, end: results_pb2.ChangePosition) -> Response:
    size = page_size(request.page_size)
    values = {
        "tenant": request.tenant,
        "after_xid": request.after.change_xid,
        "after_job_id": request.after.job_id,
        "horizon": end.change_xid,
        "limit": size + 1,
    }
    rows = await tx.run(_READ_CHANGES, values)
    present = [(row.job_id, 0) for row in rows[:size] if not row.state]
    jobs = {job.job_id: job for job in await job_rows.read_newer(tx, present, request.tenant)}
    # A job that was purged in between is missing. It comes once more, as gone.
    changed = [(row, _changed_job(tx, row, jobs, request.tenant)) for row in rows[:size]]
    fitting_count = count_fitting([job.ByteSize() if job else 0 for _, job in changed])
    response = Response(jobs=[job for _, job in changed[:fitting_count] if job], next=end)
    if fitting_count < len(rows):
        last = rows[fitting_count - 1]
        response.next.change_xid, response.next.job_id = last.change_xid, last.job_id
        response.has_more = True
    return response


def _changed_job(
    tx: Transaction, row: Row[Any], jobs: dict[str, JobFacts], tenant: str
) -> results_pb2.ChangedJob | None:
    if row.state:
        job = jobs_pb2.Job(job_id=row.job_id, tenant=tenant, kind=row.kind, state=row.state)
        job.labels.update(decode_labels(row.labels))
        return results_pb2.ChangedJob(job=job, gone=True, was_retried=True, was_updated=True)
    facts = jobs.get(row.job_id)
    if facts is None:
        return None
    return results_pb2.ChangedJob(
        job=job_message(facts, tx.retention),
        was_retried=facts.round > 1 or facts.next_round > 1,
        was_updated=facts.revision > 0,
    )
