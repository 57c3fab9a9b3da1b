"""Rows of older schemas, after a migration to the newest."""

from itertools import product

import pytest
import uuid_utils
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import inspect, text

from headrace.jobs.v1 import jobs_pb2
from services.results.database import sql
from services.results.database.clock import Clock
from services.results.database.database import Database
from services.results.database.engine import open_engine
from services.results.database.migrations import migrate
from services.results.pages.changes import list_changes
from services.results.pages.horizon_check import HorizonCheck
from services.results.pages.items import get_items
from services.results.pages.job_events import list_job_events
from services.results.pages.jobs import get_jobs, list_jobs
from services.results.pages.recorded_results import list_recorded_results
from services.results.pages.results import list_results
from services.results.pages.usage import get_usage
from services.results.pages.workers import list_workers
from services.results.rows import carried_failures, item_rows, job_rows
from services.results.rows.item_rows import ItemRange
from services.results.rows.job_options import encode_worker_options
from services.results.rows.usage_rows import DAY
from services.results.transitions.append_items import append_items
from services.results.transitions.pause_job import pause_job
from services.results.transitions.retry_job import retry_job
from services.results.transitions.sweep import sweep
from services.stubs.results.v1 import results_pb2 as pb

OLD_WORDS = (
    "try_count",
    "failed_tries",
    "stop_as",
    "limits_apart",
    "item_timeout",
    "call_timeout",
    "cache_a",
)
STOPPED, FREE = jobs_pb2.JOB_STATE_CANCELLED, 0
FAILED_TWICE = '[[1,"RATE_LIMITED","slow"],[2,"BAD","wrong"]]'


@pytest.fixture
def database_url(database_name, make_database, tmp_path):
    return make_database() if database_name == "postgresql" else f"sqlite:///{tmp_path}/results.db"


async def insert(connection, table, **values):
    """Inserts a row. Unnamed columns without a default get 0 or an empty text."""
    columns = await connection.run_sync(lambda sync: inspect(sync).get_columns(table))
    row = {
        column["name"]: values.get(column["name"], column["type"].python_type())
        for column in columns
        if column["name"] in values or (not column["nullable"] and column["default"] is None)
    }
    assert set(values) <= set(row), "a column is missing"
    names = ", ".join(row)
    parameters = ", ".join(f":{name}" for name in row)
    await connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({parameters})"), row)


async def insert_job(connection, job_id, *, progress=None, **facts):
    await insert(connection, "jobs", job_id=job_id, tenant="a", request_id=job_id, job_class=2, **facts)
    counts = {"seq": 3, "round": 1, "total_count": 3, "chunk_size": 1}
    progress = {"state": jobs_pb2.JOB_STATE_RUNNING} | counts | (progress or {})
    await insert(connection, "job_progress", job_id=job_id, tenant="a", job_class=2, **progress)


async def test_jobs_and_results_from_before_uploads_are_read(database_url):
    job_id = str(uuid_utils.uuid7())
    await migrate(database_url, "0002")
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await insert_job(connection, job_id, kind="noop")
        for item_index, seq in ((0, 3), (1, 2)):
            succeeded = {"state": jobs_pb2.ITEM_STATE_SUCCEEDED, "output": "1"}
            await insert(connection, "results", job_id=job_id, item_index=item_index, seq=seq, **succeeded)
    await engine.dispose()
    await migrate(database_url)
    database = Database(database_url)
    request = pb.ListRecordedResultsRequest(job_id=job_id, tenant="a", page_size=10)
    page = await list_recorded_results(database, request)
    assert [result.item_index for result in page.results] == [1, 0]
    assert page.job.progress.total_count == 3
    await database.close()


@pytest.fixture
async def renamed(database_url):
    """A database with rows of revision 0006 in each table that 0007 changes, migrated to the newest schema.

    Returns the database and the worker options that each job was created with, by job id.
    """
    await migrate(database_url, "0006")
    engine = open_engine(database_url)
    options = {}
    async with engine.begin() as connection:
        for item, call, caches in product((None, 7_250_000), (None, 1_000, 3_600_000_000), (False, True)):
            job_id = str(uuid_utils.uuid7())
            timeouts = {"item_timeout": item, "call_timeout": call}
            await insert_job(connection, job_id, kind="noop", cache_answers=caches, **timeouts)
            options[job_id] = jobs_pb2.JobOptions(cache_responses=caches)
            for name, length in timeouts.items():
                if length is not None:
                    getattr(options[job_id], name).FromMicroseconds(length)
        stored = list(options)
        for job_id, stop_as in ((stored[0], FREE), (stored[1], STOPPED)):
            await connection.execute(
                text("UPDATE job_progress SET expire_time = 1, stop_as = :stop_as WHERE job_id = :job_id"),
                {"job_id": job_id, "stop_as": stop_as},
            )
        await insert(
            connection, "item_tries", job_id=stored[2], item_index=1, round=1, try_count=2, due_time=9,
            call_count=5, failed_tries=FAILED_TWICE, work_time=1_500,
        )  # fmt: skip
        failed = {"state": jobs_pb2.ITEM_STATE_FAILED, "round": 1, "error_reason": "BAD"}
        await insert(
            connection, "results", job_id=stored[2], item_index=0, seq=3, try_count=2,
            failed_tries=FAILED_TWICE, **failed,
        )  # fmt: skip
        beaten = Clock().local_now()
        for incarnation, apart in (("together", False), ("apart", True)):
            times = {"start_time": 1, "heartbeat_time": beaten, "alive_until": beaten + 30_000_000}
            await insert(
                connection,
                "workers",
                incarnation=incarnation,
                address=incarnation,
                limits_apart=apart,
                **times,
            )
    await engine.dispose()
    await migrate(database_url)
    database = Database(database_url)
    yield database, options
    await database.close()


async def test_options_that_only_workers_read_are_in_one_column(renamed):
    database, options = renamed
    jobs = await database.read(
        lambda tx: job_rows.read_newer(tx, [(job_id, 0) for job_id in options], tenant="a")
    )
    assert {job.job_id for job in jobs} == set(options)
    for job in jobs:
        assert job.worker_options == encode_worker_options(options[job.job_id])
    snapshots = await get_jobs(database, pb.GetJobsRequest(jobs=[pb.KnownJob(job_id=i) for i in options]))
    for job in snapshots.jobs:
        expected = options[job.job_id]
        assert job.options.HasField("item_timeout") == expected.HasField("item_timeout")
        assert job.options.item_timeout == expected.item_timeout
        assert job.options.HasField("call_timeout") == expected.HasField("call_timeout")
        assert job.options.call_timeout == expected.call_timeout
        assert job.options.cache_responses == expected.cache_responses
    assert Duration(seconds=7, nanos=250_000_000) in [job.options.item_timeout for job in snapshots.jobs]


async def test_attempts_are_found_under_their_new_names(renamed):
    database, options = renamed
    job_id = list(options)[2]
    found = await database.read(lambda tx: item_rows.read_attempts(tx, [ItemRange(job_id, 1, 0, 3)]))
    attempts = found[job_id, 1]
    assert (attempts.attempt_count, attempts.failed_attempts) == (2, FAILED_TWICE)
    assert (attempts.due_time, attempts.work_time, attempts.usage.call_count) == (9, 1_500, 5)


async def test_results_show_their_failed_attempts(renamed):
    database, options = renamed
    request = pb.ListResultsRequest(job_id=list(options)[2], tenant="a", page_size=10, after_item_index=-1)
    (result,) = (await list_results(database, request)).results
    assert result.attempt_count == 2
    assert [(each.attempt_number, each.error.reason) for each in result.failed_attempts] == [
        (1, "RATE_LIMITED"),
        (2, "BAD"),
    ]


async def test_errors_from_before_the_providers_words_have_none(renamed):
    database, options = renamed
    request = pb.ListResultsRequest(job_id=list(options)[2], tenant="a", page_size=10, after_item_index=-1)
    (result,) = (await list_results(database, request)).results
    assert (result.error.reason, result.error.detail) == ("BAD", "")
    assert [each.error.detail for each in result.failed_attempts] == ["", ""]


async def test_workers_say_whether_their_limits_are_degraded(renamed):
    database, _ = renamed
    workers = (await list_workers(database)).workers
    assert {worker.incarnation: worker.limits_degraded for worker in workers} == {
        "together": False,
        "apart": True,
    }


async def test_an_overdue_job_is_found_by_its_deadline_unless_it_is_stopping(renamed):
    database, options = renamed
    stored = list(options)
    due = await database.write(lambda tx: job_rows.lock_due_jobs(tx, 10))
    assert list(due) == [stored[0]]
    known = [(job_id, 0) for job_id in stored[:2]]
    jobs = await database.read(lambda tx: job_rows.read_newer(tx, known, "a"))
    assert {job.job_id: job.stopping_to for job in jobs} == {stored[0]: FREE, stored[1]: STOPPED}


async def test_the_index_of_deadlines_has_the_new_name_in_its_condition_and_is_used(renamed):
    database, _ = renamed
    statement = sql.prepare(job_rows._LOCK_DUE, database.sqlite)
    parameters = sql.parameters(statement, database.sqlite, Clock(), {"limit": 200}, {})
    explain = "EXPLAIN QUERY PLAN " if database.sqlite else "EXPLAIN "
    definition = (
        "SELECT sql FROM sqlite_master WHERE name = 'job_progress_expiring'"
        if database.sqlite
        else "SELECT indexdef FROM pg_indexes WHERE indexname = 'job_progress_expiring'"
    )
    async with database.engine.connect() as connection:
        values = parameters if database.sqlite else tuple(parameters[name] for name in statement.names)
        plan = str((await connection.exec_driver_sql(explain + statement.text, values)).fetchall())
        condition = (await connection.execute(text(definition))).scalar_one()
    assert "job_progress_expiring" in plan
    assert "stopping_to = 0" in condition


# SQLAlchemy cannot read such an index of SQLite; PostgreSQL shows its name.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
async def test_no_table_column_or_index_has_an_old_name(renamed):
    database, _ = renamed

    def names(connection):
        schema = inspect(connection)
        for table in schema.get_table_names():
            yield table
            yield from (f"{table}.{column['name']}" for column in schema.get_columns(table))
            yield from (str(index["name"]) for index in schema.get_indexes(table))
            yield str(schema.get_pk_constraint(table)["name"])

    found = await database.inspect(lambda connection: list(names(connection)))
    assert "item_attempts.attempt_count" in found
    assert not [name for name in found for word in (*OLD_WORDS, "item_tries") if word in name]
    if not database.sqlite:
        assert "item_attempts_pkey" in found


@pytest.fixture
async def retried(database_url):
    """A database of revision 0008 with a failed job in its second round, migrated to the newest schema.

    Returns the database and the id of the job, which has three items.
    """
    await migrate(database_url, "0008")
    engine = open_engine(database_url)
    job_id = str(uuid_utils.uuid7())
    ended = {"state": jobs_pb2.JOB_STATE_FAILED, "stopping_to": jobs_pb2.JOB_STATE_FAILED, "finish_time": 9}
    async with engine.begin() as connection:
        progress = ended | {"round": 2, "failed_count": 3, "chunk_count": 3}
        await insert_job(connection, job_id, kind="noop", progress=progress, max_failed_ratio=1.0)
        await insert(connection, "retry_requests", job_id=job_id, request_id="first", round=2)
        for index in range(3):
            await insert(
                connection, "chunks", job_id=job_id, chunk_index=index, first_index=index, item_count=1
            )
            failed = {"state": jobs_pb2.ITEM_STATE_FAILED, "round": 2, "error_reason": "BAD", "seq": 2}
            await insert(connection, "results", job_id=job_id, item_index=index, **failed)
    await engine.dispose()
    await migrate(database_url)
    database = Database(database_url)
    yield database, job_id
    await database.close()


@pytest.mark.parametrize("limit", [2, 10_000])
async def test_a_job_from_before_prepared_retries_is_retried(retried, monkeypatch, limit):
    monkeypatch.setattr(carried_failures, "MAX_CARRIED_ITEMS", limit)
    database, job_id = retried
    names = {"job_id": job_id, "tenant": "a"}
    unchanged = await retry_job(database, pb.RetryJobRequest(**names, request_id="first"))
    assert unchanged.job.state == jobs_pb2.JOB_STATE_FAILED
    request = pb.RetryJobRequest(**names, request_id="second", item_indexes=[1])
    assert (await retry_job(database, request)).job.state == jobs_pb2.JOB_STATE_PENDING
    await sweep(database)
    (job,) = await database.read(lambda tx: job_rows.read_newer(tx, [(job_id, 0)], "a"))
    assert (job.round, job.next_round, job.failed_count, job.open_chunk_count) == (3, 0, 2, 1)


@pytest.fixture
async def without_keys(database_url):
    """A database of revision 0010 with an upload of two items, one of them done, on the newest schema.

    Returns the database and the id of the job.
    """
    await migrate(database_url, "0010")
    engine = open_engine(database_url)
    job_id = str(uuid_utils.uuid7())
    async with engine.begin() as connection:
        progress = {"total_count": 2, "chunk_count": 1, "upload_open": True, "upload_expire_time": 2**60}
        await insert_job(connection, job_id, kind="noop", progress=progress, max_failed_ratio=1.0)
        await insert(
            connection, "item_blocks", job_id=job_id, first_index=0, item_count=2, inputs='["1", "2"]'
        )
        await insert(connection, "chunks", job_id=job_id, item_count=2, unfinished_count=1, input_bytes=2)
        succeeded = {"state": jobs_pb2.ITEM_STATE_SUCCEEDED, "output": "7", "seq": 3}
        await insert(connection, "results", job_id=job_id, item_index=0, **succeeded)
    await engine.dispose()
    await migrate(database_url)
    database = Database(database_url)
    yield database, job_id
    await database.close()


async def test_items_from_before_keys_have_none_and_are_read_back(without_keys):
    database, job_id = without_keys
    names = {"job_id": job_id, "tenant": "a"}
    found = await get_items(database, pb.GetItemsRequest(**names, page_size=10, after_item_index=-1))
    assert [(item.item_key, item.input, item.result.output) for item in found.items] == [
        ("", "1", "7"),
        ("", "2", ""),
    ]
    request = pb.ListResultsRequest(**names, page_size=10, after_item_index=-1, include_inputs=True)
    (result,) = (await list_results(database, request)).results
    assert (result.item_key, result.input) == ("", "1")


async def test_an_upload_from_before_keys_gets_keys_with_its_next_items(without_keys):
    database, job_id = without_keys
    names = {"job_id": job_id, "tenant": "a"}
    added = {"first_item_index": 2, "items": ["3"], "item_keys": ["c"]}
    assert (await append_items(database, pb.AppendItemsRequest(**names, **added))).stored_count == 3
    found = await get_items(database, pb.GetItemsRequest(**names, page_size=10, after_item_index=-1))
    assert [(item.item_key, item.input) for item in found.items] == [("", "1"), ("", "2"), ("c", "3")]


async def test_a_job_from_before_labels_has_none_and_its_next_change_is_listed(database_url):
    job_id = str(uuid_utils.uuid7())
    await migrate(database_url, "0010")
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await insert_job(connection, job_id, kind="noop")
    await engine.dispose()
    await migrate(database_url)
    database = Database(database_url)
    check = HorizonCheck()
    begin = (await list_changes(database, check, pb.ListChangesRequest(tenant="a"))).next
    (job,) = (await list_jobs(database, pb.ListJobsRequest(tenant="a", page_size=1))).jobs
    assert (job.name, dict(job.labels), job.change_seq) == ("", {}, 1)
    after = pb.ListChangesRequest(tenant="a", page_size=10, after=begin)
    assert not (await list_changes(database, check, after)).jobs
    paused = (await pause_job(database, pb.PauseJobRequest(job_id=job_id, tenant="a"))).job
    assert paused.change_seq == paused.seq == 4
    (changed,) = (await list_changes(database, check, after)).jobs
    assert changed.job == paused
    await database.close()


async def test_rows_of_the_former_version_are_valid_on_the_new_schema(database_url):
    await migrate(database_url)
    engine = open_engine(database_url)
    job_id = str(uuid_utils.uuid7())
    async with engine.begin() as connection:
        await insert_job(connection, job_id, kind="noop")  # without the new columns
    await engine.dispose()
    database = Database(database_url)
    (job,) = (await list_jobs(database, pb.ListJobsRequest(tenant="a", page_size=1))).jobs
    assert (job.job_id, job.change_seq) == (job_id, 1)
    await database.close()


async def test_a_job_from_before_histories_has_one_and_counts_in_the_usage(database_url):
    await migrate(database_url, "0010")
    engine = open_engine(database_url)
    job_id = str(uuid_utils.uuid7())
    created = 20_000 * DAY
    async with engine.begin() as connection:
        facts = {"start_time": created + 1, "call_count": 7, "cost_micros": 9}
        await insert_job(connection, job_id, kind="noop", progress=facts, create_time=created)
    await engine.dispose()
    await migrate(database_url)
    database = Database(database_url)
    names = {"job_id": job_id, "tenant": "a"}
    await pause_job(database, pb.PauseJobRequest(**names, actor="me"))
    request = pb.ListJobEventsRequest(**names, page_size=10, after_number=-1)
    events = (await list_job_events(database, request)).events
    assert [event.change for event in events] == [
        jobs_pb2.JOB_CHANGE_CREATED,
        jobs_pb2.JOB_CHANGE_STARTED,
        jobs_pb2.JOB_CHANGE_PAUSED,
    ]
    usage = await get_usage(
        database, pb.GetUsageRequest(tenant="a", last_day=20_000, by_day=True, by_model=True)
    )
    (group,) = usage.groups
    assert (group.day, group.model, group.usage.call_count, group.usage.cost_micros) == (
        "2024-10-04",
        "",
        7,
        9,
    )
    await database.close()
