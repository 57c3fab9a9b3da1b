"""Whatever order calls come in, the store keeps its promises. Run on SQLite, for its speed."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uuid_utils
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from sqlalchemy import text

from headrace.jobs.v1 import jobs_pb2
from headrace.results.v1 import results_pb2 as pb
from services.results import pages
from services.results.cancel_job import cancel_job
from services.results.clock import Clock
from services.results.create_jobs import JobCreator
from services.results.database import Database
from services.results.end_worker import end_worker
from services.results.heartbeat import heartbeat
from services.results.lease_chunks import lease_chunks
from services.results.migrations import migrate
from services.results.record_results import record_results
from services.results.retry_job import retry_job
from services.results.sweep import sweep

TERMINAL = {
    jobs_pb2.JOB_STATE_SUCCEEDED,
    jobs_pb2.JOB_STATE_FAILED,
    jobs_pb2.JOB_STATE_CANCELLED,
    jobs_pb2.JOB_STATE_EXPIRED,
}
SECOND = 1_000_000
_FOLDER = tempfile.TemporaryDirectory(prefix="headrace-interleavings-")
_TEMPLATE = Path(_FOLDER.name) / "template.db"

OUTCOMES = [
    ("succeeds",),
    ("succeeds", "releases"),
    ("fails",),
    ("fails", "releases"),
    ("fails whole job", "releases"),
]
Given = tuple[str, pb.Lease]  # an incarnation and what it leased
workers_at = st.integers(0, 1)


class Interleavings(RuleBasedStateMachine):
    """Workers, an owner and a sweeping gateway, in any order, on one moving clock."""

    jobs = Bundle("jobs")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        path = Path(_FOLDER.name) / f"{uuid_utils.uuid7()}.db"
        if not _TEMPLATE.exists():
            self.run(migrate(f"sqlite:///{_TEMPLATE}"))
        shutil.copy(_TEMPLATE, path)
        self.clock = Clock()
        self.database = Database(f"sqlite:///{path}", self.clock)
        self.creator = JobCreator(self.database)
        self.incarnations = [self.new_incarnation() for _ in range(2)]
        self.held: dict[str, list[pb.Lease]] = {}
        self.first_outputs: dict[tuple[str, int], str] = {}
        self.latest: dict[str, tuple[int, int, int]] = {}
        self.calls = 0
        self.job_count = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def new_incarnation(self) -> str:
        return str(uuid_utils.uuid7())

    def name(self) -> str:
        self.calls += 1
        return str(self.calls)

    # What the parts do.

    @initialize()
    def all_workers_register(self) -> None:
        for place in range(2):
            self.beat(place, listed=True)

    @precondition(lambda self: self.job_count < 3)
    @rule(
        target=jobs,
        item_count=st.sampled_from([1, 2, 5, 20, 40]),
        ratio=st.sampled_from([0.0, 0.5, 1.0]),
        max_parallelism=st.sampled_from([0, 0, 1, 2]),
        starts_in=st.sampled_from([0, 0, 0, 20]),
    )
    def create(self, item_count: int, ratio: float, max_parallelism: int, starts_in: int) -> str:
        new = pb.NewJob(
            job_id=str(uuid_utils.uuid7()),
            tenant="t",
            request_id=self.name(),
            content_hash=b"h",
            kind="noop",
            params="{}",
            items=[str(index) for index in range(item_count)],
            job_class=jobs_pb2.JOB_CLASS_DEFAULT,
            max_failed_ratio=ratio,
            max_parallelism=max_parallelism,
        )
        if starts_in:
            new.schedule_time.FromMicroseconds(self.clock.local_now() + starts_in * SECOND)
        request = pb.CreateJobsRequest(jobs=[new])
        first = self.run(self.creator.create_jobs(request))
        again = self.run(self.creator.create_jobs(request))
        assert first.outcomes[0].job.job_id == again.outcomes[0].job.job_id == new.job_id
        assert not again.effects.tasks_to_publish
        self.job_count += 1
        return new.job_id

    @rule(target=leases, place=workers_at, room=st.sampled_from([1, 5, 120]), lost=st.booleans())
    def lease(self, place: int, room: int, lost: bool) -> MultipleResults[Given]:
        return multiple(*self.take(place, room, lost))

    def take(self, place: int, room: int, lost: bool) -> list[Given]:
        self.beat(place, listed=True)
        incarnation = self.incarnations[place]
        request = pb.LeaseChunksRequest(
            job_class=jobs_pb2.JOB_CLASS_DEFAULT, room=room, incarnation=incarnation, call_id=self.name()
        )
        answer = self.run(lease_chunks(self.database, request))
        if answer.leases:
            again = self.run(lease_chunks(self.database, request))
            assert sorted_leases(again) == sorted_leases(answer)
        self.check_effects(answer.effects)
        assert sum(lease.quarantined for lease in answer.leases) <= 1
        for lease in answer.leases:
            assert lease.items, "a lease without items"
            for item in lease.items:
                name = (lease.ref.job_id, item.item_index)
                assert name not in self.first_outputs, "an item with a success was leased"
                assert item.input == str(item.item_index)
        if not lost:
            self.held.setdefault(incarnation, []).extend(answer.leases)
        return [(incarnation, lease) for lease in answer.leases]

    @rule(lease=leases, first=st.sampled_from([0, 0, 1]), what=st.sampled_from(OUTCOMES), twice=st.booleans())
    def record(self, lease: Given, first: int, what: tuple[str, ...], twice: bool) -> None:
        """Records items of a lease, whether it is held or not, from the first or the second on."""
        incarnation, given = lease
        record = pb.JobRecord(job_id=given.ref.job_id)
        for item in given.items[first:]:
            entry = record.items.add(
                item_index=item.item_index,
                chunk_index=given.ref.chunk_index,
                fence=given.ref.fence,
                round=given.round,
                try_count=1,
                usage=jobs_pb2.Usage(call_count=1, input_tokens=3, output_tokens=2, cost_micros=7),
            )
            if "fails" in what:
                entry.error.reason = "BAD"
            else:
                entry.output = self.name()
        if "releases" in what:
            record.releases.add(chunk_index=given.ref.chunk_index, fence=given.ref.fence)
        if "fails whole job" in what:
            record.job_error.reason = "BAD_KEY"
        for _ in range(1 + twice):
            self.send(incarnation, record, holds=self.run(self._holds(incarnation, given)))

    def send(self, incarnation: str, record: pb.JobRecord, holds: bool = True) -> None:
        before = self.get(record.job_id)
        request = pb.RecordResultsRequest(incarnation=incarnation, jobs=[record])
        self.check_effects(self.run(record_results(self.database, request)).effects)
        after = self.get(record.job_id)
        if not holds:
            assert after.progress.failed_count == before.progress.failed_count, "a stale failure counted"

    async def _holds(self, incarnation: str, given: pb.Lease) -> bool:
        held = "SELECT 1 FROM chunks WHERE job_id = :j AND chunk_index = :c AND fence = :f"
        names = {"j": given.ref.job_id, "c": given.ref.chunk_index, "f": given.ref.fence, "i": incarnation}
        async with self.database.engine.connect() as connection:
            rows = await connection.execute(text(held + " AND lease_incarnation = :i"), names)
            return bool(rows.all())

    @rule(lease=leases, delay=st.sampled_from([0, 500, 15_000]), whole=st.booleans())
    def defer(self, lease: Given, delay: int, whole: bool) -> None:
        incarnation, given = lease
        record = pb.JobRecord(job_id=given.ref.job_id)
        for item in given.items if whole else given.items[:1]:
            record.deferrals.add(
                item_index=item.item_index,
                chunk_index=given.ref.chunk_index,
                fence=given.ref.fence,
                delay_ms=delay,
                try_count=item.try_count + 1,
            )
        record.releases.add(chunk_index=given.ref.chunk_index, fence=given.ref.fence)
        self.send(incarnation, record)

    @rule(lease=leases, wait=st.sampled_from([0, 4_000]))
    def release(self, lease: Given, wait: int) -> None:
        incarnation, given = lease
        record = pb.JobRecord(job_id=given.ref.job_id)
        record.releases.add(chunk_index=given.ref.chunk_index, fence=given.ref.fence, not_before_ms=wait)
        self.send(incarnation, record)

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        before = self.get(job_id)
        answer = self.run(cancel_job(self.database, pb.CancelJobRequest(job_id=job_id, tenant="t")))
        self.check_effects(answer.effects)
        if before.state in TERMINAL:
            assert answer.job == before

    @rule(job_id=jobs)
    def retry(self, job_id: str) -> None:
        before = self.get(job_id)
        request = pb.RetryJobRequest(job_id=job_id, tenant="t", request_id=self.name())
        answer = self.run(retry_job(self.database, request))
        self.check_effects(answer.effects)
        again = self.run(retry_job(self.database, request))
        assert again.job.seq == answer.job.seq
        if before.state not in TERMINAL:
            assert answer.job == before
        elif answer.job.state not in TERMINAL:
            self.latest.pop(job_id, None)

    @rule(place=workers_at, listed=st.booleans())
    def beat(self, place: int, listed: bool) -> None:
        incarnation = self.incarnations[place]
        refs = [lease.ref for lease in self.held.get(incarnation, [])] if listed else []
        request = pb.HeartbeatRequest(incarnation=incarnation, address=f"127.0.0.1:{place + 1}", leases=refs)
        answer = self.run(heartbeat(self.database, request))
        self.check_effects(answer.effects)
        if answer.ended:
            self.incarnations[place] = self.new_incarnation()
            self.beat(place, listed)
            return
        lost = {ref.SerializeToString() for ref in answer.lost_leases}
        self.held[incarnation] = [
            lease
            for lease in self.held.get(incarnation, [])
            if listed and lease.ref.SerializeToString() not in lost
        ]

    @rule(place=workers_at)
    def restart(self, place: int) -> None:
        self.incarnations[place] = self.new_incarnation()
        self.beat(place, listed=True)

    @rule(place=workers_at, cause=st.sampled_from([1, 2]))
    def end(self, place: int, cause: int) -> None:
        request = pb.EndWorkerRequest(incarnation=self.incarnations[place], cause=cause)
        self.check_effects(self.run(end_worker(self.database, request)).effects)

    @rule(seconds=st.sampled_from([1, 2, 6, 9, 40]), sweeps=st.booleans())
    def wait(self, seconds: int, sweeps: bool) -> None:
        if not sweeps:
            self.clock.offset += seconds * SECOND
            return
        for _ in range(0, seconds, 2):
            self.clock.offset += 2 * SECOND
            self.sweep()

    def sweep(self) -> None:
        self.check_effects(self.run(sweep(self.database)).effects)

    # What must hold.

    def get(self, job_id: str) -> jobs_pb2.Job:
        request = pb.GetJobsRequest(jobs=[pb.KnownJob(job_id=job_id)])
        return self.run(pages.get_jobs(self.database, request)).jobs[0]

    def check_effects(self, effects: pb.Effects) -> None:
        for job in effects.changed_jobs:
            assert job == self.get(job.job_id), "an effect is not the newest snapshot"
        names = [job.job_id for job in effects.changed_jobs]
        assert len(names) == len(set(names))
        assert all(task.count > 0 for task in effects.tasks_to_publish)

    @invariant()
    def rows_agree(self) -> None:
        self.run(self._rows_agree())

    async def _rows_agree(self) -> None:
        async with self.database.engine.connect() as connection:
            jobs = (await connection.execute(text("SELECT * FROM job_progress"))).mappings().all()
            chunks = (
                (await connection.execute(text("SELECT * FROM chunks ORDER BY job_id, first_index")))
                .mappings()
                .all()
            )
            results = (await connection.execute(text("SELECT * FROM results"))).mappings().all()
        for job in jobs:
            mine = [c for c in chunks if c["job_id"] == job["job_id"]]
            present = [r for r in results if r["job_id"] == job["job_id"] and r["round"] in (0, job["round"])]
            self._counters_agree(job, [r for r in results if r["job_id"] == job["job_id"]], present)
            self._chunks_agree(job, mine, {r["item_index"] for r in present})
            self._never_back(job)

    def _counters_agree(self, job: Any, all_results: list[Any], present: list[Any]) -> None:
        assert len({r["item_index"] for r in present}) == len(present), "two results of an item"
        assert job["succeeded_count"] == sum(r["round"] == 0 for r in present)
        assert job["failed_count"] == sum(r["round"] != 0 for r in present)
        assert job["call_count"] == sum(r["call_count"] for r in all_results)
        assert job["cost_micros"] == sum(r["cost_micros"] for r in all_results)
        assert all(1 < r["seq"] <= job["seq"] for r in all_results)
        for r in present:
            if r["round"] == 0:
                first = self.first_outputs.setdefault((job["job_id"], r["item_index"]), r["output"])
                assert first == r["output"], "a success was replaced"

    def _chunks_agree(self, job: Any, chunks: list[Any], finished: set[int]) -> None:
        next_index = 0
        for chunk in chunks:
            assert chunk["first_index"] == next_index, "chunks have a gap or overlap"
            next_index += chunk["item_count"]
            indexes = range(chunk["first_index"], next_index)
            assert chunk["unfinished_count"] == sum(i not in finished for i in indexes)
            assert chunk["unfinished_count"] > 0 or chunk["lease_incarnation"] is None
        assert next_index == job["total_count"]
        assert job["chunk_count"] == len(chunks)
        assert job["open_chunk_count"] == sum(c["unfinished_count"] > 0 for c in chunks)
        assert job["quarantined_chunk_count"] == sum(
            c["quarantined"] and c["unfinished_count"] > 0 and c["lease_incarnation"] is None for c in chunks
        )
        assert job["leased_chunk_count"] == sum(c["lease_incarnation"] is not None for c in chunks)

    def _never_back(self, job: Any) -> None:
        seq, state, finish_time = self.latest.get(job["job_id"], (0, 0, None))
        assert job["seq"] >= seq
        if state in TERMINAL:
            assert (job["state"], job["finish_time"]) == (state, finish_time), "a terminal state changed"
        all_done = job["succeeded_count"] + job["failed_count"] == job["total_count"]
        if all_done or (job["stop_as"] and not job["leased_chunk_count"]):
            assert job["state"] in TERMINAL, "a job that is over has not ended"
        assert job["finish_time"] is None or job["leased_chunk_count"] == 0
        self.latest[job["job_id"]] = (job["seq"], job["state"], job["finish_time"])

    def teardown(self) -> None:
        """Nothing is lost: once all leases have ended, a worker can finish every job that is left."""
        try:
            self.wait(60, sweeps=True)
            self.restart(0)
            for _ in range(2_000):
                given = self.take(0, 500, lost=False)
                if not given:
                    break
                for lease in given:
                    self.record(lease, 0, (), twice=False)
            self.run(self._all_ended())
        finally:
            self.run(self.database.close())
            self.runner.close()

    async def _all_ended(self) -> None:
        async with self.database.engine.connect() as connection:
            states = (await connection.execute(text("SELECT state FROM job_progress"))).scalars().all()
        assert set(states) <= TERMINAL, f"jobs never ended: {states}"


def sorted_leases(answer: pb.LeaseChunksResponse) -> list[bytes]:
    return sorted(lease.SerializeToString(deterministic=True) for lease in answer.leases)


Interleavings.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrderOfCallsKeepsThePromises = pytest.mark.timeout(600)(Interleavings.TestCase)
