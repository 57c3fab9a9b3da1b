"""A fleet on a virtual clock: workers, a gateway and the store's real transitions."""

import asyncio
import random
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from unittest import mock

from alembic import command
from sqlalchemy import create_engine

from headrace.jobs.v1 import jobs_pb2
from services.gateway import dispatcher
from services.gateway.dispatcher import Dispatcher
from services.gateway.store import StoreClient
from services.results.database.migrations import _config
from services.shared.queue.publisher import QueuePublisher
from services.stubs.results.v1 import results_pb2
from tests.simulation.fleet_worker import CallRunner, FleetWorker
from tests.simulation.inline_database import InlineDatabase, Meter
from tests.simulation.observer import Observer
from tests.simulation.wire import PublishingEnd, Queues, StoreStub

STORE_SECONDS = 0.005


class Fleet:
    """A fleet of workers, with a gateway and the store.

    Args:
        database: Empty database with the schema.
        meter: Meter of the database.
        seed: Seed of all random numbers.
        worker_count: Workers to start.
        limit: Maximum items in flight of each worker.
        call_seconds: Mean duration of an item.

    Attributes:
        observer: Sees everything.
        workers: Workers by incarnation, including dead ones.
        ports_refuse: Whether the ports of dead workers refuse connections; otherwise they time out.
        live_counts: Live workers at each sweep, with its time.
    """

    def __init__(
        self,
        database: InlineDatabase,
        meter: Meter,
        *,
        seed: int,
        worker_count: int,
        limit: int,
        call_seconds: float,
    ) -> None:
        self.rng = random.Random(seed)
        self.meter = meter
        self.database = database
        self.observer = Observer()
        self.queues = Queues()
        self.stub = StoreStub(database, meter, self.rng, STORE_SECONDS)
        self.stub.answered.append(self.observer.answered)
        runner = CallRunner(self.rng, call_seconds, self.observer.started)
        self.workers = {
            name: FleetWorker(name, self.stub, self.queues, runner, limit=limit, seen=self.observer.seen)
            for name in (f"worker-{number:04}" for number in range(worker_count))
        }
        self._publisher = QueuePublisher(cast("Any", PublishingEnd(self.queues)))
        store = StoreClient.__new__(StoreClient)
        store._stub = cast("Any", self.stub)
        self.dispatcher = Dispatcher(store, cast("Any", self), cast("Any", self))
        self.ports_refuse = True
        self.live_counts: list[tuple[float, int]] = []

    async def start(self) -> None:
        """Starts the workers within two seconds of each other, and waits until all are registered."""
        self._sweeps = asyncio.create_task(self.dispatcher.run())
        starting = [asyncio.create_task(self._start(worker)) for worker in self.workers.values()]
        await asyncio.gather(*starting)

    async def stop(self) -> None:
        """Ends every worker at once."""
        self._sweeps.cancel()
        for worker in self.workers.values():
            await worker.die()

    async def _start(self, worker: FleetWorker) -> None:
        await asyncio.sleep(self.rng.uniform(0.0, 2.0))
        await worker.start()

    def carry_out(self, effects: results_pb2.Effects) -> None:
        """Carries out effects as a gateway does."""
        self._publisher.publish(effects.tasks_to_publish)
        self.observer.seen(effects)

    def set_worker_count(self, count: int) -> None:
        """Limits the pending tasks to what this number of workers needs, as a gateway does."""
        self._publisher.set_worker_count(count)

    def follow(self, live_workers: Any) -> None:
        """Notes the number of live workers."""
        self.live_counts.append((asyncio.get_running_loop().time(), len(live_workers)))

    def reconnect(self, worker: jobs_pb2.Worker) -> None:
        """Does nothing: there are no connections."""

    async def port_is_closed(self, address: str) -> bool:
        """Returns whether the process at an address is gone."""
        return self.ports_refuse and self.workers[address.partition(":")[0]].dead

    async def submit(
        self, tenant: str, item_count: int, job_class: jobs_pb2.JobClass = jobs_pb2.JOB_CLASS_DEFAULT
    ) -> str:
        """Submits a job and returns its id."""
        job_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        job = results_pb2.NewJob(
            job_id=job_id,
            tenant=tenant,
            request_id=job_id,
            content_hash=b"h" * 32,
            kind="noop",
            params="{}",
            items=["{}"] * item_count,
            options=jobs_pb2.JobOptions(job_class=job_class, max_failed_ratio=0.5),
        )
        self.observer.tenants[job_id] = tenant
        response = await self.stub.CreateJobs(results_pb2.CreateJobsRequest(jobs=[job]))
        self.carry_out(response.effects)
        return job_id

    async def ended(self, *job_ids: str, seconds: float = 3600.0) -> None:
        """Waits until these jobs have ended."""
        async with asyncio.timeout(seconds):
            while not all(job_id in self.observer.end_times for job_id in job_ids):
                await asyncio.sleep(0.01)

    async def jobs(self, *job_ids: str) -> list[jobs_pb2.Job]:
        """Returns jobs from the store."""
        known = [results_pb2.KnownJob(job_id=job_id) for job_id in job_ids]
        return list((await self.stub.GetJobs(results_pb2.GetJobsRequest(jobs=known))).jobs)


@asynccontextmanager
async def running_fleet(
    *, seed: int = 1, worker_count: int = 1000, limit: int = 20, call_seconds: float = 4.0
) -> AsyncIterator[Fleet]:
    """Yields a fleet whose workers are all registered."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.db"
        _make_schema(path)
        meter = Meter()
        database = InlineDatabase(str(path), meter)
        fleet = Fleet(
            database, meter, seed=seed, worker_count=worker_count, limit=limit, call_seconds=call_seconds
        )
        with mock.patch.object(dispatcher, "port_is_closed", fleet.port_is_closed):
            await fleet.start()
            try:
                yield fleet
            finally:
                await fleet.stop()
        await database.close()


def _make_schema(path: Path) -> None:
    config = _config()
    with create_engine(f"sqlite:///{path}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
