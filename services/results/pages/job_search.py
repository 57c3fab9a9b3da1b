"""Searches jobs by their properties. A page looks at a bounded number of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.results.database.transaction import Transaction
from services.results.rows.job_rows import COLUMNS
from services.results.rows.messages import canonical_id, microseconds
from services.stubs.results.v1 import results_pb2

# Jobs that a page looks at.
MAX_LOOKED_AT = 10_000
# Jobs of a label or a state that are counted to find the rarest.
MAX_COUNTED = 1_001
# Job ids are made by clocks of gateways, create_time by that of the database: maximum distance, in
# microseconds.
CLOCK_DISTANCE = 3_600_000_000
_BEFORE_ALL_IDS, _AFTER_ALL_IDS = "", "~"

# Reads the ids of some jobs of a tenant from an index, newest first.
_READ_INDEX = """
SELECT i.job_id FROM {table} i WHERE i.tenant = :tenant AND i.job_id < :before AND i.job_id >= :from AND
{where} ORDER BY i.job_id DESC LIMIT :count"""
_NEWEST = _READ_INDEX.format(table="job_progress", where="i.job_class > 0")
_BY_STATE = _READ_INDEX.format(table="job_progress", where="i.state = :{name} AND i.job_class > 0")
_BY_LABEL = _READ_INDEX.format(table="job_labels", where="i.key = :index_key AND i.value = :index_value")
_BY_NAME = _READ_INDEX.format(table="jobs", where="i.name = :name AND i.name <> ''")

_OF_STATES = " AND p.state IN (SELECT s.state FROM ROWS(s: state bigint))"
_OF_KIND = " AND j.kind = :kind"
_OF_NAME = " AND j.name = :name"
_WITH_LABELS = """ AND NOT EXISTS (
    SELECT 1 FROM ROWS(w: key text, value text) WHERE NOT EXISTS (
        SELECT 1 FROM job_labels l WHERE l.tenant = p.tenant AND l.key = w.key AND l.value = w.value
        AND l.job_id = p.job_id))"""
_CREATED_AFTER = " AND j.create_time >= :created_after"
_CREATED_BEFORE = " AND j.create_time < :created_before"
_FINISHED_AFTER = " AND p.finish_time >= :finished_after"


class _Index(NamedTuple):
    """Statement that reads the ids of every job that is looked for, and of others, from an index."""

    text: str
    plain: dict[str, Any]


class Found(NamedTuple):
    """Part of a search.

    Attributes:
        rows: Jobs, newest first, each with COLUMNS.
        end_job_id: The search has looked at all newer jobs, and at this one.
        has_more: Whether older jobs may be found.
    """

    rows: Sequence[Row[Any]]
    end_job_id: str
    has_more: bool


async def search_jobs(tx: Transaction, request: results_pb2.ListJobsRequest, limit: int) -> Found:
    """Finds jobs of a tenant, newest first. Looks at up to MAX_LOOKED_AT of them, in the best index.

    Args:
        tx: The transaction.
        request: The search.
        limit: Maximum jobs to return.
    """
    bounds = _bounds_of(request)
    index = await _best_index(tx, request, bounds)
    count, first_id = await _look_at(tx, index, bounds, MAX_LOOKED_AT)
    if not count:
        return Found([], "", has_more=False)
    is_cut = count == MAX_LOOKED_AT
    values = bounds | index.plain | _values_of(request) | {"limit": limit + 1, "count": MAX_LOOKED_AT}
    rows = await tx.run(
        _statement(index, request),
        values | {"from": first_id},
        s=[(int(state),) for state in request.states],
        w=list(request.labels.items()),
    )
    if len(rows) > limit:
        return Found(rows[:limit], rows[limit - 1].job_id, has_more=True)
    return Found(rows, first_id, has_more=is_cut)


def _bounds_of(request: results_pb2.ListJobsRequest) -> dict[str, Any]:
    before, first = canonical_id(request.before_job_id) or _AFTER_ALL_IDS, _BEFORE_ALL_IDS
    if request.HasField("created_before"):
        before = min(before, _id_at(microseconds(request.created_before) + CLOCK_DISTANCE))
    if request.HasField("created_after"):
        first = _id_at(microseconds(request.created_after) - CLOCK_DISTANCE)
    return {"tenant": request.tenant, "before": before, "from": first}


def _id_at(instant: int) -> str:
    """Returns the first UUIDv7 of a time in microseconds."""
    digits = f"{min(max(instant // 1000, 0), 2**48 - 1):012x}"
    return f"{digits[:8]}-{digits[8:]}"


async def _best_index(
    tx: Transaction, request: results_pb2.ListJobsRequest, bounds: dict[str, Any]
) -> _Index:
    """Returns the index with the fewest jobs. Of those with many, a name or a label goes first."""
    indexes = [_Index(_BY_NAME, {"name": request.name})] if request.name else []
    indexes += [
        _Index(_BY_LABEL, {"index_key": key, "index_value": value}) for key, value in request.labels.items()
    ]
    if request.states:
        indexes.append(_states_index(request.states))
    indexes.append(_Index(_NEWEST, {}))
    if len(indexes) == 1:
        return indexes[0]
    best, fewest = indexes[0], MAX_COUNTED + 1
    for index in indexes:
        count, _ = await _look_at(tx, index, bounds, MAX_COUNTED)
        if count < fewest:
            best, fewest = index, count
        if not count:
            break
    return best


def _states_index(states: Sequence[int]) -> _Index:
    """Returns the index of several states. Each is read in its own order."""
    names = [f"state_{place}" for place in range(len(states))]
    parts = [f"SELECT * FROM ({_BY_STATE.replace('{name}', name)}) {name}" for name in names]
    text = f"SELECT u.job_id FROM ({' UNION ALL '.join(parts)}) u ORDER BY u.job_id DESC LIMIT :count"
    return _Index(text, {name: int(state) for name, state in zip(names, states, strict=True)})


async def _look_at(tx: Transaction, index: _Index, bounds: dict[str, Any], limit: int) -> tuple[int, str]:
    """Returns the number of jobs in an index, up to a limit, and the oldest of these."""
    values = bounds | index.plain | {"count": limit}
    text = f"SELECT count(*) AS job_count, min(d.job_id) AS first_id FROM ({index.text}) d"
    row = (await tx.run(text, values))[0]
    return row.job_count, row.first_id or ""


def _statement(index: _Index, request: results_pb2.ListJobsRequest) -> str:
    conditions = [
        _OF_STATES if request.states else "",
        _OF_KIND if request.kind else "",
        _OF_NAME if request.name else "",
        _WITH_LABELS if request.labels else "",
        _CREATED_AFTER if request.HasField("created_after") else "",
        _CREATED_BEFORE if request.HasField("created_before") else "",
        _FINISHED_AFTER if request.HasField("finished_after") else "",
    ]
    return f"""
SELECT {COLUMNS} FROM ({index.text}) d
JOIN job_progress p ON p.job_id = d.job_id JOIN jobs j ON j.job_id = d.job_id
WHERE true{"".join(conditions)} ORDER BY d.job_id DESC LIMIT :limit"""


def _values_of(request: results_pb2.ListJobsRequest) -> dict[str, Any]:
    return {
        "kind": request.kind,
        "name": request.name,
        "created_after": microseconds(request.created_after),
        "created_before": microseconds(request.created_before),
        "finished_after": microseconds(request.finished_after),
    }
