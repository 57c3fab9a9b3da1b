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
SELECT i.job_id FROM {table} i WHERE i.tenant = :tenant AND {equal} AND {bounds}
ORDER BY i.job_id DESC LIMIT :count"""
_BOUNDS = "i.job_id < :before AND i.job_id >= :from"
# PostgreSQL would search such a range of ids in the primary key, among the jobs of all tenants: it plans
# before it knows how few jobs there are. Only the wanted index has these pairs.
_BOUNDS_OF_PAIRS = (
    "(i.{column}, i.job_id) < ({value}, :before) AND (i.{column}, i.job_id) >= ({value}, :from)"
)

_OF_STATES = " AND p.state IN (SELECT s.state FROM ROWS(s: state bigint))"
_OF_KIND = " AND j.kind = :kind"
_OF_NAME = " AND j.name = :name"
# A count, as PostgreSQL would read all labels of all jobs for NOT EXISTS.
_WITH_LABELS = """ AND :label_count = (
    SELECT count(*) FROM ROWS(w: key text, value text) JOIN job_labels l
    ON l.tenant = p.tenant AND l.key = w.key AND l.value = w.value AND l.job_id = p.job_id)"""
_CREATED_AFTER = " AND j.create_time >= :created_after"
_CREATED_BEFORE = " AND j.create_time < :created_before"
_FINISHED_AFTER = " AND p.finish_time >= :finished_after"


class _Index(NamedTuple):
    """Statement that reads the ids of every job that is looked for, and of others, from an index.

    Attributes:
        text: The statement.
        plain: Its parameters.
        label_key: Key of the label that all its jobs have. Empty: none.
    """

    text: str
    plain: dict[str, Any]
    label_key: str = ""

    @classmethod
    def of(cls, sqlite: bool, table: str, equal: str, pair: tuple[str, str], **plain: Any) -> "_Index":
        """Returns an index of a table.

        Args:
            sqlite: Whether the database is SQLite.
            table: The table.
            equal: Condition on the columns between tenant and job_id, or that of a partial index.
            pair: Column before job_id in the index, and the parameter that it equals.
            plain: Parameters of the condition.
        """
        bounds = _BOUNDS if sqlite else _BOUNDS_OF_PAIRS.format(column=pair[0], value=pair[1])
        return cls(_READ_INDEX.format(table=table, equal=equal, bounds=bounds), plain)


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
    labels = [pair for pair in request.labels.items() if pair[0] != index.label_key]
    values = (
        bounds
        | index.plain
        | _values_of(request)
        | {"label_count": len(labels), "limit": limit + 1, "count": MAX_LOOKED_AT}
    )
    rows = await tx.run(
        _statement(index, request, bool(labels)),
        values | {"from": first_id},
        s=[(int(state),) for state in request.states],
        w=labels,
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
    indexes = _indexes(tx.sqlite, request)
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


def _indexes(sqlite: bool, request: results_pb2.ListJobsRequest) -> list[_Index]:
    """Returns the indexes that hold every job that is looked for; the last one holds all jobs."""
    found = []
    if request.name:
        equal = "i.name = :name AND i.name <> ''"
        found.append(_Index.of(sqlite, "jobs", equal, ("name", ":name"), name=request.name))
    for key, value in request.labels.items():
        equal, pair = "i.key = :index_key AND i.value = :index_value", ("value", ":index_value")
        index = _Index.of(sqlite, "job_labels", equal, pair, index_key=key, index_value=value)
        found.append(index._replace(label_key=key))
    if request.states:
        found.append(_states_index(sqlite, request.states))
    return [*found, _Index.of(sqlite, "job_progress", "i.job_class > 0", ("tenant", ":tenant"))]


def _states_index(sqlite: bool, states: Sequence[int]) -> _Index:
    """Returns the index of several states. Each is read in its own order."""
    parts, plain = [], {}
    for place, state in enumerate(states):
        name = f"state_{place}"
        equal = f"i.state = :{name} AND i.job_class > 0"
        part = _Index.of(sqlite, "job_progress", equal, ("state", f":{name}"))
        parts.append(f"SELECT * FROM ({part.text}) {name}")
        plain[name] = int(state)
    text = f"SELECT u.job_id FROM ({' UNION ALL '.join(parts)}) u ORDER BY u.job_id DESC LIMIT :count"
    return _Index(text, plain)


async def _look_at(tx: Transaction, index: _Index, bounds: dict[str, Any], limit: int) -> tuple[int, str]:
    """Returns the number of jobs in an index, up to a limit, and the oldest of these."""
    values = bounds | index.plain | {"count": limit}
    text = f"SELECT count(*) AS job_count, min(d.job_id) AS first_id FROM ({index.text}) d"
    row = (await tx.run(text, values))[0]
    return row.job_count, row.first_id or ""


def _statement(index: _Index, request: results_pb2.ListJobsRequest, has_labels: bool) -> str:
    conditions = [
        _OF_STATES if request.states else "",
        _OF_KIND if request.kind else "",
        _OF_NAME if request.name else "",
        _WITH_LABELS if has_labels else "",
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
