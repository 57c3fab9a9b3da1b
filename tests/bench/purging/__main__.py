"""Times small jobs while a large one is purged: python -m tests.bench.purging [--items 100000].

It starts a PostgreSQL of its own. One process holds the store, as in a results service: a client that
creates, leases and records jobs of one item, one after the other, and a purger. Printed are the medians and
the worst hundredth of each transaction, alone, and while the rows of the large job go.
"""

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable
from typing import Any

import uuid_utils

from deploy.local.paths import run_directory
from deploy.local.testing.run import TestRun
from headrace.jobs.v1 import jobs_pb2
from services.results.database.database import Database
from services.results.database.migrations import migrate
from services.results.purging.purger import Purger
from services.results.transitions.create_jobs import JobCreator
from services.results.transitions.heartbeat import heartbeat
from services.results.transitions.lease_chunks import lease_chunks
from services.results.transitions.record_results import record_results
from services.stubs.results.v1 import results_pb2

ALONE_SECONDS = 10.0
OUTPUT = '"' + 500 * "x" + '"'


class SmallJobs:
    """Creates, leases and records jobs, and notes how long each call took, in milliseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._creator = JobCreator(database)
        self._incarnation = str(uuid_utils.uuid7())
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    async def run(self, item_count: int = 1) -> None:
        """Brings one job from its beginning to its end."""
        await heartbeat(
            self._database, results_pb2.HeartbeatRequest(incarnation=self._incarnation, address="bench:1")
        )
        job_id = str(uuid_utils.uuid7())
        new = results_pb2.NewJob(
            job_id=job_id, tenant="bench", request_id=job_id, content_hash=b"h", kind="noop", params="{}",
            items=["1"] * item_count, job_class=jobs_pb2.JOB_CLASS_DEFAULT, max_failed_ratio=0.5,
        )  # fmt: skip
        await self._timed("create", self._creator.create_jobs(results_pb2.CreateJobsRequest(jobs=[new])))
        while leases := (
            await self._timed("lease", lease_chunks(self._database, self._lease_request()))
        ).leases:
            request = results_pb2.RecordResultsRequest(
                incarnation=self._incarnation, jobs=[_record(lease) for lease in leases]
            )
            await self._timed("record", record_results(self._database, request))
            if item_count == 1:
                break

    def _lease_request(self) -> results_pb2.LeaseChunksRequest:
        return results_pb2.LeaseChunksRequest(
            job_class=jobs_pb2.JOB_CLASS_DEFAULT,
            capacity=1_000,
            incarnation=self._incarnation,
            call_id=str(uuid_utils.uuid7()),
        )

    async def _timed(self, name: str, call: Awaitable[Any]) -> Any:
        begin = time.perf_counter()
        result = await call
        self.times[name].append((time.perf_counter() - begin) * 1000)
        return result


def _record(lease: results_pb2.Lease) -> results_pb2.JobRecord:
    ref = lease.ref
    items = [
        results_pb2.ItemRecord(
            item_index=item.item_index, chunk_index=ref.chunk_index, fence=ref.fence, round=lease.round,
            output=OUTPUT, attempt_count=1,
        )
        for item in lease.items
    ]  # fmt: skip
    return results_pb2.JobRecord(job_id=ref.job_id, items=items)


async def _measure(url: str, item_count: int) -> None:
    await migrate(url)
    database = Database(url)
    large, alone, beside = (SmallJobs(database) for _ in range(3))
    await large.run(item_count)
    await alone.run()
    alone.times.clear()
    end = time.perf_counter() + ALONE_SECONDS
    while time.perf_counter() < end:
        await alone.run()
    begin = time.perf_counter()
    purging = asyncio.create_task(_purge(database))
    while not purging.done():
        await beside.run()
    await purging
    print(f"rows of {item_count:,} items gone in {time.perf_counter() - begin:.1f} s")
    print("milliseconds        alone: median, p99     while purging: median, p99")
    for name in alone.times:
        print(f"  {name:10} {_spread(alone.times[name]):>24} {_spread(beside.times[name]):>30}")
    await database.close()


async def _purge(database: Database) -> None:
    purger = Purger(database, retention_hours=0.000_001)
    await purger.purge_jobs()
    await purger.purge_rows()
    await purger.purge_rows()


def _spread(times: list[float]) -> str:
    return f"{statistics.median(times):.2f}  {statistics.quantiles(times, n=100)[98]:.2f}"


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    arguments = parser.parse_args()
    servers = TestRun(run_directory() / "bench")
    try:
        asyncio.run(_measure(servers.make_database(), arguments.items))
    finally:
        servers.close()


if __name__ == "__main__":
    main()
