"""The store, on each of its databases, behind a real gRPC server in this process."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import uuid_utils
from sqlalchemy import text

from headrace.jobs.v1 import jobs_pb2
from services.results.app import ResultsApp
from services.results.database.clock import Clock
from services.results.database.database import Database
from services.results.database.engine import open_engine
from services.results.database.migrations import migrate
from services.results.database.sql import Statement
from services.results.purging.purger import Purger
from services.results.settings import ResultsSettings
from services.stubs.results.v1 import results_pb2 as pb
from services.stubs.results.v1 import results_pb2_grpc

if TYPE_CHECKING:
    from services.stubs.results.v1.results_pb2_grpc import ResultsServiceAsyncStub

TABLES = (
    "jobs",
    "job_progress",
    "item_blocks",
    "chunks",
    "item_attempts",
    "results",
    "workers",
    "retry_requests",
    "job_events",
    "purges",
    "item_keys",
    "job_labels",
)
OPTION_NAMES = frozenset(jobs_pb2.JobOptions.DESCRIPTOR.fields_by_name)


class FakeWorker:
    """One incarnation of a worker: it sends heartbeats, leases and records."""

    def __init__(self, store: "Store", address: str) -> None:
        self.store = store
        self.address = address
        self.incarnation = str(uuid_utils.uuid7())

    async def beat(self, *leases: pb.Lease) -> pb.HeartbeatResponse:
        return await self.store.stub.Heartbeat(
            pb.HeartbeatRequest(
                incarnation=self.incarnation, address=self.address, leases=[lease.ref for lease in leases]
            )
        )

    async def lease(self, capacity: int = 1_000, call_id: str = "", **fields: Any) -> pb.LeaseChunksResponse:
        fields.setdefault("job_class", jobs_pb2.JOB_CLASS_DEFAULT)
        return await self.store.stub.LeaseChunks(
            pb.LeaseChunksRequest(
                capacity=capacity,
                incarnation=self.incarnation,
                call_id=call_id or str(uuid.uuid4()),
                **fields,
            )
        )

    async def lease_all(self) -> list[pb.Lease]:
        """Leases until no work is left."""
        leases: list[pb.Lease] = []
        while found := (await self.lease()).leases:
            leases += found
        return leases

    async def record(self, *records: pb.JobRecord) -> pb.RecordResultsResponse:
        return await self.store.stub.RecordResults(
            pb.RecordResultsRequest(incarnation=self.incarnation, jobs=records)
        )

    async def succeed(self, *leases: pb.Lease) -> pb.RecordResultsResponse:
        """Records a success of every item of these leases."""
        return await self.record(*(record_of(lease, output='"done"') for lease in leases))

    async def fail(self, *leases: pb.Lease, reason: str = "BAD") -> pb.RecordResultsResponse:
        """Records a failure of every item of these leases."""
        error = jobs_pb2.Error(reason=reason, message="it did not work")
        return await self.record(*(record_of(lease, error=error) for lease in leases))

    async def release(self, *leases: pb.Lease, job_delay_ms: int = 0) -> pb.RecordResultsResponse:
        return await self.record(*(release_of(lease, job_delay_ms) for lease in leases))


def record_of(lease: pb.Lease, indexes: Sequence[int] | None = None, **fields: Any) -> pb.JobRecord:
    """Returns the record of all or some items of a lease, each with these fields."""
    fields.setdefault("attempt_count", 1)
    fields.setdefault("usage", jobs_pb2.Usage(call_count=1, input_tokens=10, output_tokens=2, cost_micros=5))
    record = pb.JobRecord(job_id=lease.ref.job_id)
    for item in lease.items:
        if indexes is None or item.item_index in indexes:
            record.items.add(
                item_index=item.item_index,
                chunk_index=lease.ref.chunk_index,
                fence=lease.ref.fence,
                round=lease.round,
                **fields,
            )
    return record


def release_of(lease: pb.Lease, job_delay_ms: int = 0) -> pb.JobRecord:
    record = pb.JobRecord(job_id=lease.ref.job_id)
    record.releases.add(chunk_index=lease.ref.chunk_index, fence=lease.ref.fence, job_delay_ms=job_delay_ms)
    return record


def deferral_of(
    lease: pb.Lease, indexes: Sequence[int], delay_ms: int, attempt_count: int = 1
) -> pb.JobRecord:
    record = release_of(lease)
    for index in indexes:
        record.deferrals.add(
            item_index=index,
            chunk_index=lease.ref.chunk_index,
            fence=lease.ref.fence,
            delay_ms=delay_ms,
            attempt_count=attempt_count,
            usage=jobs_pb2.Usage(call_count=attempt_count),
            error=jobs_pb2.Error(reason="RATE_LIMITED"),
        )
    return record


class Store:
    """A store, empty at first, with a clock that tests move."""

    record_of = staticmethod(record_of)
    release_of = staticmethod(release_of)
    deferral_of = staticmethod(deferral_of)

    def __init__(self, stub: "ResultsServiceAsyncStub", running: "RunningStore") -> None:
        self.stub = stub
        self.clock = running.clock
        self.sqlite = running.sqlite
        self._engine = running.engine
        self.database = running.database
        self._ports = iter(range(1, 1_000))

    def advance(self, seconds: float) -> None:
        """Advances the clock of the store."""
        self.clock.offset += int(seconds * 1_000_000)

    def new_job(self, items: int | Sequence[str] = 1, **fields: Any) -> pb.NewJob:
        """Returns a new job to store; fields named as in JobOptions become its options."""
        job_id = str(uuid_utils.uuid7())
        texts = [str(index) for index in range(items)] if isinstance(items, int) else items
        options: dict[str, Any] = {"job_class": jobs_pb2.JOB_CLASS_DEFAULT, "max_failed_ratio": 0.5}
        options |= {name: fields.pop(name) for name in OPTION_NAMES & fields.keys()}
        values: dict[str, Any] = {
            "job_id": job_id,
            "tenant": "default",
            "request_id": job_id,
            "content_hash": b"h" * 32,
            "kind": "noop",
            "params": "{}",
            "items": texts,
            "options": jobs_pb2.JobOptions(**options),
        }
        return pb.NewJob(**(values | fields))

    async def create(self, items: int | Sequence[str] = 1, **fields: Any) -> jobs_pb2.Job:
        """Stores a job and returns it."""
        return (await self.create_all(self.new_job(items, **fields))).outcomes[0].job

    async def open_upload(self, **fields: Any) -> jobs_pb2.Job:
        """Stores a job with an open upload and returns it."""
        return await self.create(0, upload_open=True, **fields)

    async def append(
        self, job_id: str, first: int = 0, items: int | Sequence[str] = 0, **fields: Any
    ) -> pb.AppendItemsResponse:
        """Appends items. A number of items stands for items named by their index."""
        texts = [str(first + place) for place in range(items)] if isinstance(items, int) else items
        values = {"tenant": "default", "first_item_index": first, "items": texts} | fields
        return await self.stub.AppendItems(pb.AppendItemsRequest(job_id=job_id, **values))

    async def finish(self, job_id: str, total: int) -> pb.AppendItemsResponse:
        return await self.append(job_id, finish_total_count=total)

    async def create_all(self, *jobs: pb.NewJob) -> pb.CreateJobsResponse:
        return await self.stub.CreateJobs(pb.CreateJobsRequest(jobs=jobs))

    async def worker(self, address: str = "") -> FakeWorker:
        """Returns a live worker at an address of its own."""
        worker = FakeWorker(self, address or f"127.0.0.1:{next(self._ports)}")
        await worker.beat()
        return worker

    async def get(self, job_id: str) -> jobs_pb2.Job:
        found = await self.stub.GetJobs(pb.GetJobsRequest(jobs=[pb.KnownJob(job_id=job_id)]))
        return found.jobs[0]

    async def changes(
        self, after: pb.ChangePosition | None = None, tenant: str = "default", page_size: int = 1_000
    ) -> pb.ListChangesResponse:
        """Returns a page of changed jobs."""
        request = pb.ListChangesRequest(tenant=tenant, page_size=page_size, after=after)
        return await self.stub.ListChanges(request)

    async def results(self, job_id: str, **fields: Any) -> pb.ListResultsResponse:
        values = {"tenant": "default", "page_size": 1_000, "after_item_index": -1} | fields
        return await self.stub.ListResults(pb.ListResultsRequest(job_id=job_id, **values))

    async def recorded(
        self, job_id: str, after: pb.RecordPosition | None = None, **fields: Any
    ) -> pb.ListRecordedResultsResponse:
        """Returns a page of results in the order of their recording."""
        values = {"tenant": "default", "page_size": 1_000} | fields
        return await self.stub.ListRecordedResults(
            pb.ListRecordedResultsRequest(job_id=job_id, after=after, **values)
        )

    async def change(self, job_id: str, **facts: Any) -> None:
        """Sets facts of a job that no call of the store can set yet."""
        places = ", ".join(f"{name} = :{name}" for name in facts)
        async with self._engine.begin() as connection:
            await connection.execute(
                text(f"UPDATE job_progress SET {places} WHERE job_id = :job_id"), {"job_id": job_id} | facts
            )

    async def explain(self, statement: Statement, values: dict[str, Any]) -> str:
        """Returns the database's plan of a statement."""
        explain = "EXPLAIN QUERY PLAN " if self.sqlite else "EXPLAIN "
        parameters = values if self.sqlite else tuple(values[name] for name in statement.names)
        async with self._engine.connect() as connection:
            rows = await connection.exec_driver_sql(explain + statement.text, parameters)
            return "\n".join(str(tuple(row)) for row in rows)

    async def sweep(self) -> pb.SweepResponse:
        return await self.stub.Sweep(pb.SweepRequest())

    async def cancel(self, job_id: str, tenant: str = "default", actor: str = "") -> pb.CancelJobResponse:
        return await self.stub.CancelJob(pb.CancelJobRequest(job_id=job_id, tenant=tenant, actor=actor))

    async def pause(self, job_id: str, tenant: str = "default", actor: str = "") -> pb.PauseJobResponse:
        return await self.stub.PauseJob(pb.PauseJobRequest(job_id=job_id, tenant=tenant, actor=actor))

    async def resume(self, job_id: str, tenant: str = "default", **fields: Any) -> pb.ResumeJobResponse:
        return await self.stub.ResumeJob(pb.ResumeJobRequest(job_id=job_id, tenant=tenant, **fields))

    async def update(self, job_id: str, *fields: str, **values: Any) -> pb.UpdateJobResponse:
        """Changes the named fields of a job, or those with a value."""
        names = fields or [name for name in values if name not in ("tenant", "if_change_seq", "resume")]
        request = pb.UpdateJobRequest(job_id=job_id, fields=names, **({"tenant": "default"} | values))
        return await self.stub.UpdateJob(request)

    async def delete(self, job_id: str, tenant: str = "default", *, force: bool = False) -> bool:
        """Deletes a job and returns whether it is gone."""
        request = pb.DeleteJobRequest(job_id=job_id, tenant=tenant, force=force)
        return (await self.stub.DeleteJob(request)).gone

    async def retry(self, job_id: str, request_id: str = "again", **selection: Any) -> pb.RetryJobResponse:
        names = {"job_id": job_id, "tenant": "default", "request_id": request_id}
        return await self.stub.RetryJob(pb.RetryJobRequest(**names, **selection))

    async def events(self, job_id: str, **fields: Any) -> list[jobs_pb2.JobHistoryEvent]:
        """Returns the first page of a job's history, or the page after a number."""
        return list((await self.events_page(job_id, **fields)).events)

    async def events_page(self, job_id: str, **fields: Any) -> pb.ListJobEventsResponse:
        values = {"tenant": "default", "page_size": 1_000, "after_number": -1} | fields
        return await self.stub.ListJobEvents(pb.ListJobEventsRequest(job_id=job_id, **values))

    async def usage(self, tenant: str = "default", **fields: Any) -> pb.GetUsageResponse:
        """Returns the usage of all days."""
        values = {"tenant": tenant, "first_day": 0, "last_day": 1_000_000} | fields
        return await self.stub.GetUsage(pb.GetUsageRequest(**values))

    async def failures(self, job_id: str, tenant: str = "default") -> list[jobs_pb2.FailureGroup]:
        request = pb.ListFailureReasonsRequest(job_id=job_id, tenant=tenant)
        return list((await self.stub.ListFailureReasons(request)).groups)

    def purger(self, retention_hours: float = 1.0) -> Purger:
        """Returns a purger that runs only when called, without pauses."""
        return Purger(self.database, retention_hours, work_share=1.0)

    async def purge(self, retention_hours: float = 1.0) -> None:
        """Purges all jobs past their retention, to the last row."""
        purger = self.purger(retention_hours)
        await purger.purge_jobs()
        await purger.purge_rows()
        await purger.purge_rows()

    async def tenants_with_shares(self) -> set[str]:
        """Returns the tenants that have a virtual time."""
        async with self._engine.begin() as connection:
            return set((await connection.execute(text("SELECT tenant FROM tenant_shares"))).scalars())

    async def count_rows(self, *tables: str, job_id: str = "") -> dict[str, int]:
        """Counts rows by table, of a job or of all. Default: all tables with rows of jobs."""
        found = {}
        async with self._engine.begin() as connection:
            for table in tables or [table for table in TABLES if table != "workers"]:
                query = f"SELECT count(*) FROM {table} WHERE :job_id IN (CAST(job_id AS text), '')"
                found[table] = (await connection.execute(text(query), {"job_id": job_id})).scalar_one()
        return found

    async def end_worker(self, worker: FakeWorker, cause: int) -> pb.EndWorkerResponse:
        request = pb.EndWorkerRequest(incarnation=worker.incarnation, cause=cause)
        return await self.stub.EndWorker(request)


class RunningStore:
    """The results service on one database. Its tests share it, and each finds it empty."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        self.sqlite = url.startswith("sqlite")
        settings = ResultsSettings(listen="127.0.0.1:0", database_url=url, drain_seconds=1, retention_hours=0)
        self.app = ResultsApp(settings, self.clock)
        self.engine = open_engine(url)
        self.database = Database(url, self.clock)  # Like that of another replica.

    async def empty(self) -> None:
        self.clock.offset = 0
        async with self.engine.begin() as connection:
            for table in (*TABLES, "usage_history"):
                await connection.execute(text(f"DELETE FROM {table}"))
            await connection.execute(text("UPDATE tenant_shares SET virtual_time = 0, job_clock = 0"))
            await connection.execute(text("UPDATE sweeps SET sweep_time = 0"))
            await connection.execute(text("DELETE FROM watch_gone"))
            await connection.execute(text("UPDATE store_state SET gone_xid = 0"))


@pytest.fixture(scope="session")
async def _run_store(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[str], Any]]:
    running: dict[str, RunningStore] = {}

    async def run(name: str) -> RunningStore:
        if name not in running:
            path = tmp_path_factory.mktemp("store") / "results.db"
            url = make_database() if name == "postgresql" else f"sqlite:///{path}"
            await migrate(url)
            running[name] = RunningStore(url)
            await running[name].app.start()
        return running[name]

    yield run
    for each in running.values():
        await each.app.stop()
        await each.engine.dispose()
        await each.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_name(request: pytest.FixtureRequest) -> str:
    """Names each database in turn."""
    name: str = request.param
    return name


@pytest.fixture
async def store(database_name: str, _run_store: Callable[[str], Any]) -> AsyncIterator[Store]:
    """An empty store on each database."""
    running = await _run_store(database_name)
    await running.empty()
    async with grpc.aio.insecure_channel(
        running.app.target,
        options=[
            ("grpc.max_receive_message_length", 16 * 1024 * 1024),
            ("grpc.max_send_message_length", 16 * 1024 * 1024),
        ],
    ) as channel:
        stub = results_pb2_grpc.ResultsServiceStub(channel)
        yield Store(stub, running)
