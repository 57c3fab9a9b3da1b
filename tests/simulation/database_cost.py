"""Measures the cost of each call of the store to PostgreSQL: python -m tests.simulation.database_cost.

One process runs the store, as a results service does, with 1,000 registered workers. It prints the CPU of
PostgreSQL and of the store, the time and the write-ahead log of each kind of call. Then it prints the bytes
stored per item, and the records per second into one job and into many. The server is that of the tests, which
does not wait for the disk.
"""

import argparse
import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uuid_utils
from sqlalchemy import text

from deploy.local.paths import run_directory
from deploy.local.testing.run import TestRun
from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.migrations import migrate
from services.results.transitions.create_jobs import JobCreator
from services.results.transitions.heartbeat import heartbeat
from services.results.transitions.lease_chunks import lease_chunks
from services.results.transitions.record_results import record_results
from services.results.transitions.sweep import sweep
from services.stubs.results.v1 import results_pb2 as pb

TABLES = ("item_blocks", "chunks", "results")
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def _text() -> str:
    """Returns 500 bytes of JSON that hardly compress."""
    return f'"{secrets.token_urlsafe(374)[:498]}"'


class Costs:
    """Runs calls and prints their costs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.incarnations = [str(uuid_utils.uuid7()) for _ in range(1000)]
        self._creator = JobCreator(database)

    async def print_of(self, name: str, calls: Sequence[Callable[[], Awaitable[Any]]]) -> None:
        """Makes calls one after another, and prints their mean cost."""
        await self.ask("CHECKPOINT")
        wal, cpu, own, begin = await self._wal(), await self._cpu_ms(), time.process_time(), time.monotonic()
        for call in calls:
            await call()
        count, seconds = len(calls), time.monotonic() - begin
        own_ms = (time.process_time() - own) * 1000 / count
        cpu_ms = (await self._cpu_ms() - cpu) / count
        wal_bytes = (await self._wal() - wal) / count
        print(
            f"{name:36} {cpu_ms:7.2f} {own_ms:8.2f} {seconds * 1000 / count:8.2f} {wal_bytes:10,.0f}",
            flush=True,
        )

    async def ask(self, query: str) -> Any:
        """Returns the first value of a query's result."""
        async with self.database.engine.connect() as connection:
            bare = await connection.execution_options(isolation_level="AUTOCOMMIT")
            result = await bare.execute(text(query))
            return result.scalar() if result.returns_rows else None

    async def _wal(self) -> int:
        return int(await self.ask("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))

    async def _cpu_ms(self) -> float:
        pids = await self.ask(
            "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE datname = current_database()"
        )
        fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids.split()]
        return sum(int(f[11]) + int(f[12]) for f in fields) * TICK_MS

    async def beat(self, number: int, leases: Sequence[pb.Lease] = ()) -> None:
        """Sends a heartbeat of a worker."""
        await heartbeat(
            self.database,
            pb.HeartbeatRequest(
                incarnation=self.incarnations[number],
                address=f"w:{number}",
                leases=[lease.ref for lease in leases],
            ),
        )

    async def create(self, item_count: int, job_class: jobs_pb2.JobClass) -> str:
        """Creates a job and returns its id."""
        job_id = str(uuid_utils.uuid7())
        job = pb.NewJob(
            job_id=job_id,
            tenant="bench",
            request_id=job_id,
            content_hash=b"h",
            kind="noop",
            params="{}",
            items=[_text() for _ in range(item_count)],
            options=jobs_pb2.JobOptions(job_class=job_class, max_failed_ratio=0.5),
        )
        await self._creator.create_jobs(pb.CreateJobsRequest(jobs=[job]))
        return job_id

    async def lease(self, number: int, capacity: int, job_class: jobs_pb2.JobClass) -> list[pb.Lease]:
        """Leases chunks for a worker, and returns them."""
        request = pb.LeaseChunksRequest(
            job_class=job_class,
            capacity=capacity,
            incarnation=self.incarnations[number],
            call_id=str(uuid_utils.uuid7()),
        )
        return list((await lease_chunks(self.database, request)).leases)

    async def record(self, number: int, lease: pb.Lease, first: int, count: int) -> None:
        """Records some items of a lease."""
        record = pb.JobRecord(job_id=lease.ref.job_id)
        for item in lease.items[first : first + count]:
            record.items.add(
                item_index=item.item_index,
                chunk_index=lease.ref.chunk_index,
                fence=lease.ref.fence,
                round=lease.round,
                output=_text(),
                attempt_count=1,
                usage=jobs_pb2.Usage(call_count=1, input_tokens=100, output_tokens=20, cost_micros=30),
            )
        request = pb.RecordResultsRequest(incarnation=self.incarnations[number], jobs=[record])
        await record_results(self.database, request)


async def measure(costs: Costs) -> None:
    """Prints everything."""
    print(f"{'':36} {'CPU ms':>7} {'CPU ms':>8} {'time':>8} {'WAL':>10}")
    print(f"{'call':36} {'server':>7} {'store':>8} {'ms':>8} {'bytes':>10}")
    await costs.print_of("heartbeat, first", [lambda n=n: costs.beat(n) for n in range(1000)])
    bulk, default, interactive = (
        jobs_pb2.JOB_CLASS_BULK, jobs_pb2.JOB_CLASS_DEFAULT, jobs_pb2.JOB_CLASS_INTERACTIVE,
    )  # fmt: skip
    await costs.print_of("CreateJobs, 10,000 items", [lambda: costs.create(10_000, default)] * 3)
    leases: list[list[pb.Lease]] = []

    async def lease(number: int) -> None:
        leases.append(await costs.lease(number, 100, default))

    await costs.print_of("LeaseChunks, one of 100 items", [lambda n=n: lease(n) for n in range(300)])
    await costs.create(3_200, default)
    empty = [lambda n=n: costs.lease(n, 20, default) for n in range(300, 600)]
    await costs.print_of("LeaseChunks, nothing fits", empty)
    for number in range(300):
        await costs.beat(number)
    again = [lambda n=n: costs.beat(n, leases[n]) for n in range(300)]
    await costs.print_of("heartbeat, one lease", again)
    await costs.print_of("Sweep, 1,000 workers", [lambda: sweep(costs.database)] * 30)
    await costs.ask("ANALYZE")
    sizes = {table: await costs.ask(f"SELECT pg_total_relation_size('{table}')") for table in TABLES}
    for count, numbers in ((1, range(20)), (10, range(20, 100)), (100, range(100, 300))):
        calls = [
            lambda n=n, first=first, count=count: costs.record(n, leases[n][0], first, count)
            for n in numbers
            for first in range(0, 100, count)
        ]
        await costs.print_of(f"RecordResults, {count} items", calls)
    results = await costs.ask("SELECT pg_total_relation_size('results')")
    print("\nbytes per item: " + ", ".join([
        f"inputs {sizes['item_blocks'] / 33_200:,.0f}",
        f"chunks {sizes['chunks'] / 33_200:,.1f}",
        f"results {(results - sizes['results']) / 30_000:,.0f}",
    ]))  # fmt: skip
    for name, job_count in (("into one job", 1), ("into 40 jobs", 40)):
        rate = await _record_together(costs, interactive if job_count == 1 else bulk, job_count)
        print(f"RecordResults of one item, 40 at once, {name}: {rate:,.0f} per second")


async def _record_together(costs: Costs, job_class: jobs_pb2.JobClass, job_count: int) -> float:
    for _ in range(job_count):
        await costs.create(4_000 // job_count, job_class)
    for number in range(40):
        await costs.beat(number)
    leased = [await costs.lease(n, 100, job_class) for n in range(40)]

    async def work(number: int) -> None:
        for lease in leased[number]:
            for position in range(min(50, len(lease.items))):
                await costs.record(number, lease, position, 1)

    begin = time.monotonic()
    await asyncio.gather(*(work(number) for number in range(40)))
    return sum(min(50, len(lease.items)) for leases in leased for lease in leases) / (
        time.monotonic() - begin
    )


async def _run(url: str) -> None:
    await migrate(url)
    database = Database(url)
    try:
        await measure(Costs(database))
    finally:
        await database.close()


def main() -> None:
    """Runs the measurement."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    run = TestRun(run_directory() / "test")
    try:
        asyncio.run(_run(run.make_database()))
    finally:
        run.close()


if __name__ == "__main__":
    main()
