"""Workers that respect their allowances never spend more than a budget, in any order of events.

The store is the real one, on SQLite. Workers consist of the part that admits calls. Prices of calls and the
next event are random.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import uuid_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.jobs.v1 import jobs_pb2
from services.results.database.clock import Clock
from services.results.database.database import Database
from services.results.database.migrations import migrate
from services.results.pages.jobs import get_jobs
from services.results.transitions.create_jobs import JobCreator
from services.results.transitions.heartbeat import heartbeat
from services.results.transitions.lease_chunks import lease_chunks
from services.results.transitions.pause_job import resume_job
from services.results.transitions.record_results import record_results
from services.stubs.results.v1 import results_pb2 as pb
from services.worker.calls.allowance import Allowance

HIGHEST = 100  # Upper bound of the price of a call.
MOST_STEPS = 3_000


@dataclass
class Work:
    """A leased chunk at a worker, with the amounts that its calls in flight have reserved."""

    incarnation: str
    lease: pb.Lease
    allowance: Allowance
    waiting: list[int]
    taken: dict[int, int]


class Fleet:
    """Workers of one job that take random steps, one at a time."""

    def __init__(self, database: Database, clock: Clock, rng: Random, highest: int) -> None:
        self.database = database
        self.clock = clock
        self.rng = rng
        self.highest = highest
        self.incarnations = [str(uuid_utils.uuid7()) for _ in range(3)]
        self.works: list[Work] = []
        self.prices: list[int] = []
        self.excesses: list[int] = []  # Costs of calls beyond their reserved amounts.
        self.job_id = str(uuid_utils.uuid7())

    async def create(self, item_count: int, budget: int) -> None:
        new = pb.NewJob(
            job_id=self.job_id,
            tenant="t",
            request_id=self.job_id,
            content_hash=b"h",
            kind="noop",
            params="{}",
            items=["1"] * item_count,
            options=jobs_pb2.JobOptions(
                job_class=jobs_pb2.JOB_CLASS_DEFAULT, max_failed_ratio=1.0, budget_micros=budget
            ),
        )
        await JobCreator(self.database).create_jobs(pb.CreateJobsRequest(jobs=[new]))

    async def get(self) -> jobs_pb2.Job:
        request = pb.GetJobsRequest(jobs=[pb.KnownJob(job_id=self.job_id)])
        return (await get_jobs(self.database, request)).jobs[0]

    async def work_until_it_stops(self) -> jobs_pb2.Job:
        """Works until the job has ended or is paused, and returns it."""
        for _ in range(MOST_STEPS):
            job = await self.get()
            if job.state in (jobs_pb2.JOB_STATE_SUCCEEDED, jobs_pb2.JOB_STATE_PAUSED):
                return job
            await self.step()
        raise AssertionError("the job never stops")

    async def step(self) -> None:
        if not self.works or self.rng.random() < 0.2:
            await self.lease()
            return
        work = self.rng.choice(self.works)
        if work.waiting and self.rng.random() < 0.6:
            item = work.waiting[-1]
            likely = self.rng.randint(1, self.highest)
            taken = work.allowance.take(self.highest, likely)
            if taken is not None:
                work.taken[work.waiting.pop()] = taken
            elif not work.taken:
                await self.give_back(work, likely if work.allowance.is_remainder else self.highest)
        elif work.taken:
            item = self.rng.choice(list(work.taken))
            await self.end_call(work, item)
        if self.rng.random() < 0.02 and not work.taken and work in self.works:
            await self.give_back(work, 0)

    async def lease(self) -> None:
        incarnation = self.rng.choice(self.incarnations)
        refs = [work.lease.ref for work in self.works if work.incarnation == incarnation]
        address = f"127.0.0.1:{self.incarnations.index(incarnation) + 1}"
        beat = pb.HeartbeatRequest(incarnation=incarnation, address=address, leases=refs)
        await heartbeat(self.database, beat)
        self.clock.offset += 100_000
        request = pb.LeaseChunksRequest(
            job_class=jobs_pb2.JOB_CLASS_DEFAULT,
            capacity=self.rng.choice([1, 5, 40]),
            incarnation=incarnation,
            call_id=str(uuid_utils.uuid7()),
        )
        for lease in (await lease_chunks(self.database, request)).leases:
            assert not (lease.is_remainder and self.works), "a remainder next to another lease"
            allowance = Allowance(lease.allowance_micros, is_remainder=lease.is_remainder)
            self.works.append(
                Work(incarnation, lease, allowance, [item.item_index for item in lease.items], {})
            )

    async def end_call(self, work: Work, item: int) -> None:
        price = self.rng.choice([HIGHEST, self.rng.randint(1, HIGHEST)])
        self.prices.append(price)
        taken = work.taken.pop(item)
        if price > taken:
            self.excesses.append(price - taken)
        work.allowance.settle(taken, price)
        record = pb.JobRecord(job_id=self.job_id)
        record.items.add(
            item_index=item,
            chunk_index=work.lease.ref.chunk_index,
            fence=work.lease.ref.fence,
            round=work.lease.round,
            attempt_count=1,
            output="1",
            usage=jobs_pb2.Usage(call_count=1, cost_micros=price),
        )
        await self.record(work, record)
        if not work.waiting and not work.taken:
            self.works.remove(work)

    async def give_back(self, work: Work, wanted: int) -> None:
        self.works.remove(work)
        record = pb.JobRecord(job_id=self.job_id)
        ref = work.lease.ref
        record.releases.add(chunk_index=ref.chunk_index, fence=ref.fence, needed_micros=wanted)
        await self.record(work, record)

    async def record(self, work: Work, record: pb.JobRecord) -> None:
        request = pb.RecordResultsRequest(incarnation=work.incarnation, jobs=[record])
        await record_results(self.database, request)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("spending") / "template.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


async def _spend(template: Path, seed: int, item_count: int, budget: int) -> None:
    clock = Clock()
    path = template.with_name(f"{uuid_utils.uuid7()}.db")
    shutil.copy(template, path)
    database = Database(f"sqlite:///{path}", clock)
    try:
        fleet = Fleet(database, clock, Random(seed), HIGHEST)
        await fleet.create(item_count, budget)
        job = await fleet.work_until_it_stops()
        spent = job.usage.cost_micros
        assert spent == sum(fleet.prices)
        if job.state == jobs_pb2.JOB_STATE_PAUSED:
            assert job.pause_reason == jobs_pb2.PAUSE_REASON_BUDGET
            assert not fleet.works
            assert spent > budget - HIGHEST, "it stopped before it had to"
        # Each call stays within its highest price, except one: the call that began by its likely price.
        assert len(fleet.excesses) <= 1
        assert spent <= budget + sum(fleet.excesses), "money was given out twice"
        await resume_job(
            database, pb.ResumeJobRequest(job_id=fleet.job_id, tenant="t", budget_micros=spent + 100_000)
        )
        assert (await fleet.work_until_it_stops()).state == jobs_pb2.JOB_STATE_SUCCEEDED
    finally:
        await database.close()


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    seed=st.integers(0, 2**32),
    item_count=st.sampled_from([1, 5, 40]),
    budget=st.sampled_from([1, 30, 100, 400, 2_000, 50_000]),
)
def test_spending_stops_within_one_calls_price_of_the_budget(template, seed, item_count, budget):
    asyncio.run(_spend(template, seed, item_count, budget))
