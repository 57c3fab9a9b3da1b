"""The store keeps its promises in any order of calls. Runs on SQLite, for its speed."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import patch

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

from headrace.errors import FailedPreconditionError, HeadraceError
from headrace.jobs.v1 import jobs_pb2
from services.results.database.clock import Clock
from services.results.database.database import Database
from services.results.database.migrations import migrate
from services.results.pages import recorded_results
from services.results.pages.jobs import get_jobs
from services.results.pages.recorded_results import list_recorded_results
from services.results.pages.results import list_results
from services.results.transitions.append_items import append_items
from services.results.transitions.cancel_job import cancel_job
from services.results.transitions.create_jobs import JobCreator
from services.results.transitions.end_worker import end_worker
from services.results.transitions.heartbeat import heartbeat
from services.results.transitions.lease_chunks import lease_chunks
from services.results.transitions.pause_job import pause_job, resume_job
from services.results.transitions.record_results import record_results
from services.results.transitions.retry_job import retry_job
from services.results.transitions.sweep import sweep
from services.stubs.results.v1 import results_pb2 as pb

TERMINAL = {
    jobs_pb2.JOB_STATE_SUCCEEDED,
    jobs_pb2.JOB_STATE_FAILED,
    jobs_pb2.JOB_STATE_CANCELLED,
    jobs_pb2.JOB_STATE_EXPIRED,
}
ENDED = TERMINAL | {jobs_pb2.JOB_STATE_CANCELLING}  # Or on its way to a terminal state.
SECOND = 1_000_000
COST = 7  # Of an item, in millionths of a US dollar.
_FOLDER = tempfile.TemporaryDirectory(prefix="headrace-interleavings-")
_TEMPLATE = Path(_FOLDER.name) / "template.db"

OUTCOMES = [
    ("succeeds",),
    ("succeeds", "releases"),
    ("fails",),
    ("fails", "releases"),
    ("fails whole job", "releases"),
]
WorkerLease = tuple[str, pb.Lease]  # An incarnation and its lease.
workers_at = st.integers(0, 1)
ITEM_STATES = (
    jobs_pb2.ITEM_STATE_UNSPECIFIED,
    jobs_pb2.ITEM_STATE_SUCCEEDED,
    jobs_pb2.ITEM_STATE_FAILED,
)


class Follower:
    """Follows a job's results in the order of recording, all or those of one state.

    Attributes:
        latest: Latest result of each item.
        seen: Items with a success, or with a result in the current round.
    """

    def __init__(self, job_id: str, item_state: int) -> None:
        self.job_id = job_id
        self.item_state = item_state
        self.place: pb.RecordPlace | None = None
        self.latest: dict[int, jobs_pb2.Result] = {}
        self.seen: set[int] = set()

    def request(self, page_size: int) -> pb.ListRecordedResultsRequest:
        return pb.ListRecordedResultsRequest(
            job_id=self.job_id,
            tenant="t",
            page_size=page_size,
            after=self.place,
            item_state=self.item_state,
        )

    def take(self, page: pb.ListRecordedResultsResponse, page_size: int) -> None:
        before, after = self.place or pb.RecordPlace(), page.next
        assert (after.seq, after.item_index) >= (before.seq, before.item_index), "a place went back"
        assert after != before or not page.more, "a place stood still"
        assert len(page.results) <= page_size
        for result in page.results:
            assert self.item_state in (0, result.state)
            assert result.item_index not in self.seen, "a result came twice within a round"
            self.seen.add(result.item_index)
            self.latest[result.item_index] = result
        self.place = page.next
        if not page.more and not self.item_state:
            counts = page.job.progress
            assert len(self.seen) == counts.succeeded_count + counts.failed_count, "a result was left out"

    def begin_round(self) -> None:
        """Forgets failures: in a new round they may come again."""
        succeeded = jobs_pb2.ITEM_STATE_SUCCEEDED
        self.seen = {index for index in self.seen if self.latest[index].state == succeeded}


class Interleavings(RuleBasedStateMachine):
    """Workers, an owner, readers and a sweeping gateway act in any order, on one moving clock."""

    jobs = Bundle("jobs")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        # Few enough that pages end among rows that they skip.
        self.few_rows_seen = patch.object(recorded_results, "MAX_ROWS_READ", 5)
        self.few_rows_seen.start()
        path = Path(_FOLDER.name) / f"{uuid_utils.uuid7()}.db"
        if not _TEMPLATE.exists():
            self.run(migrate(f"sqlite:///{_TEMPLATE}"))
        shutil.copy(_TEMPLATE, path)
        self.clock = Clock()
        self.database = Database(f"sqlite:///{path}", self.clock)
        self.creator = JobCreator(self.database)
        self.incarnations = [self.new_incarnation() for _ in range(2)]
        self.leased: dict[str, list[pb.Lease]] = {}
        self.first_outputs: dict[tuple[str, int], str] = {}
        self.latest: dict[str, tuple[int, int, int]] = {}
        self.followers: dict[str, list[Follower]] = {}
        self.calls = 0
        self.job_count = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def new_incarnation(self) -> str:
        return str(uuid_utils.uuid7())

    def name(self) -> str:
        self.calls += 1
        return str(self.calls)

    # Actions.

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
        upload=st.booleans(),
        job_timeout=st.sampled_from([0, 0, 0, 7, 30]),
        budget=st.sampled_from([None, None, 3, 40, 100, 10_000]),
    )
    def create(
        self,
        item_count: int,
        ratio: float,
        max_parallelism: int,
        starts_in: int,
        upload: bool,
        job_timeout: int,
        budget: int | None,
    ) -> str:
        new = pb.NewJob(
            job_id=str(uuid_utils.uuid7()),
            tenant="t",
            request_id=self.name(),
            content_hash=b"h",
            kind="noop",
            params="{}",
            items=[] if upload else [str(index) for index in range(item_count)],
            upload_open=upload,
            options=jobs_pb2.JobOptions(
                job_class=jobs_pb2.JOB_CLASS_DEFAULT,
                max_failed_ratio=ratio,
                max_parallelism=max_parallelism,
                budget_micros=budget,
            ),
        )
        if starts_in:
            new.options.schedule_time.FromMicroseconds(self.clock.local_now() + starts_in * SECOND)
        if job_timeout:
            new.options.job_timeout.seconds = job_timeout
        request = pb.CreateJobsRequest(jobs=[new])
        first = self.run(self.creator.create_jobs(request))
        again = self.run(self.creator.create_jobs(request))
        assert first.outcomes[0].job.job_id == again.outcomes[0].job.job_id == new.job_id
        assert not again.effects.tasks_to_publish
        self.job_count += 1
        self.followers[new.job_id] = [Follower(new.job_id, item_state) for item_state in ITEM_STATES]
        return new.job_id

    @rule(job_id=jobs, ahead=st.sampled_from([-20, -2, 0, 0, 0, 1]), count=st.sampled_from([1, 3, 30]))
    def append(self, job_id: str, ahead: int, count: int) -> None:
        """Appends items at, before or after the end of the stored ones. Makes each call twice."""
        before = self.get(job_id)
        first = max(0, before.progress.total_count + ahead)
        items = [str(index) for index in range(first, first + count)]
        self.upload(before, pb.AppendItemsRequest(first_item_index=first, items=items))

    @rule(job_id=jobs, more=st.sampled_from([0, 0, 2]), ahead=st.sampled_from([-1, 0, 0, 0, 1]))
    def finish(self, job_id: str, more: int, ahead: int) -> None:
        """Closes an upload, with or without last items, with the right total or another one."""
        before = self.get(job_id)
        first = before.progress.total_count
        total = max(0, first + more + ahead)
        items = [str(index) for index in range(first, first + more)]
        request = pb.AppendItemsRequest(first_item_index=first, items=items, finish_total_count=total)
        self.upload(before, request)

    def upload(self, before: jobs_pb2.Job, request: pb.AppendItemsRequest) -> None:
        request.job_id, request.tenant = before.job_id, "t"
        stored = before.progress.total_count
        try:
            response = self.run(append_items(self.database, request))
        except HeadraceError:
            assert self.get(before.job_id) == before, "a refused batch changed its job"
            return
        self.check_effects(response.effects)
        assert response.stored_count == max(stored, request.first_item_index + len(request.items))
        assert response.job == self.get(before.job_id)
        if before.state in TERMINAL or before.state == jobs_pb2.JOB_STATE_CANCELLING:
            assert response.job == before, "an ended job changed"
        if self.is_late(before):
            assert response.job.state in ENDED
            return
        again = self.run(append_items(self.database, request))
        assert (again.job, again.effects) == (response.job, pb.Effects()), "a repeated batch changed its job"

    @rule(job_id=jobs, page_size=st.sampled_from([1, 7, 1_000]), pages=st.sampled_from([1, 3, 1_000]))
    def follow(self, job_id: str, page_size: int, pages: int) -> None:
        """All followers of a job read some pages, or read to the end."""
        for follower in self.followers[job_id]:
            for _ in range(pages):
                page = self.run(list_recorded_results(self.database, follower.request(page_size)))
                follower.take(page, page_size)
                if not page.more:
                    break

    @rule(target=leases, place=workers_at, capacity=st.sampled_from([1, 5, 120]), lost=st.booleans())
    def lease(self, place: int, capacity: int, lost: bool) -> MultipleResults[WorkerLease]:
        return multiple(*self.take(place, capacity, lost))

    def take(self, place: int, capacity: int, lost: bool) -> list[WorkerLease]:
        self.beat(place, listed=True)
        incarnation = self.incarnations[place]
        request = pb.LeaseChunksRequest(
            job_class=jobs_pb2.JOB_CLASS_DEFAULT,
            capacity=capacity,
            incarnation=incarnation,
            call_id=self.name(),
        )
        known = [self.get(job_id) for job_id in self.followers]
        paused = {job.job_id for job in known if job.state == jobs_pb2.JOB_STATE_PAUSED}
        late = {job.job_id for job in known if self.is_late(job)}
        response = self.run(lease_chunks(self.database, request))
        assert not paused & {lease.ref.job_id for lease in response.leases}, "a paused job was leased"
        assert not late & {lease.ref.job_id for lease in response.leases}, (
            "a job was leased after its deadline"
        )
        if response.leases:
            again = self.run(lease_chunks(self.database, request))
            assert sorted_leases(again) == sorted_leases(response)
        self.check_effects(response.effects)
        assert sum(lease.quarantined for lease in response.leases) <= 1
        for lease in response.leases:
            assert lease.items, "a lease without items"
            for item in lease.items:
                name = (lease.ref.job_id, item.item_index)
                assert name not in self.first_outputs, "an item with a success was leased"
                assert item.input == str(item.item_index)
        if not lost:
            self.leased.setdefault(incarnation, []).extend(response.leases)
        return [(incarnation, lease) for lease in response.leases]

    @rule(lease=leases, first=st.sampled_from([0, 0, 1]), what=st.sampled_from(OUTCOMES), twice=st.booleans())
    def record(self, lease: WorkerLease, first: int, what: tuple[str, ...], twice: bool) -> None:
        """Records items of a current or an ended lease, from the first or the second item on."""
        incarnation, leased = lease
        record = pb.JobRecord(job_id=leased.ref.job_id)
        for item in leased.items[first:]:
            entry = record.items.add(
                item_index=item.item_index,
                chunk_index=leased.ref.chunk_index,
                fence=leased.ref.fence,
                round=leased.round,
                attempt_count=1,
                usage=jobs_pb2.Usage(call_count=1, input_tokens=3, output_tokens=2, cost_micros=COST),
            )
            if "fails" in what:
                entry.error.reason = "BAD"
            else:
                entry.output = self.name()
        if "releases" in what:
            record.releases.add(chunk_index=leased.ref.chunk_index, fence=leased.ref.fence)
        if "fails whole job" in what:
            record.job_error.reason = "BAD_KEY"
        for _ in range(1 + twice):
            self.send(incarnation, record, is_current=self.run(self._is_current(incarnation, leased)))

    def send(self, incarnation: str, record: pb.JobRecord, is_current: bool = True) -> None:
        before = self.get(record.job_id)
        request = pb.RecordResultsRequest(incarnation=incarnation, jobs=[record])
        self.check_effects(self.run(record_results(self.database, request)).effects)
        after = self.get(record.job_id)
        if not is_current:
            assert after.progress.failed_count == before.progress.failed_count, "a stale failure counted"

    async def _is_current(self, incarnation: str, leased: pb.Lease) -> bool:
        query = "SELECT 1 FROM chunks WHERE job_id = :j AND chunk_index = :c AND fence = :f"
        names = {"j": leased.ref.job_id, "c": leased.ref.chunk_index, "f": leased.ref.fence, "i": incarnation}
        async with self.database.engine.connect() as connection:
            rows = await connection.execute(text(query + " AND lease_incarnation = :i"), names)
            return bool(rows.all())

    @rule(lease=leases, delay=st.sampled_from([0, 500, 15_000]), whole=st.booleans())
    def defer(self, lease: WorkerLease, delay: int, whole: bool) -> None:
        incarnation, leased = lease
        record = pb.JobRecord(job_id=leased.ref.job_id)
        for item in leased.items if whole else leased.items[:1]:
            record.deferrals.add(
                item_index=item.item_index,
                chunk_index=leased.ref.chunk_index,
                fence=leased.ref.fence,
                delay_ms=delay,
                attempt_count=item.attempt_count + 1,
            )
        record.releases.add(chunk_index=leased.ref.chunk_index, fence=leased.ref.fence)
        self.send(incarnation, record)

    @rule(lease=leases, wait=st.sampled_from([0, 0, 4_000]), wanted=st.sampled_from([0, 0, COST, 60, 20_000]))
    def release(self, lease: WorkerLease, wait: int, wanted: int) -> None:
        incarnation, leased = lease
        record = pb.JobRecord(job_id=leased.ref.job_id)
        record.releases.add(
            chunk_index=leased.ref.chunk_index,
            fence=leased.ref.fence,
            not_before_ms=wait,
            wanted_micros=wanted,
        )
        self.send(incarnation, record)

    @rule(lease=leases, suspect_count=st.sampled_from([0, 1, 2, 9]), finished_count=st.sampled_from([0, 1]))
    def die(self, lease: WorkerLease, suspect_count: int, finished_count: int) -> None:
        """Reports that the child process of a chunk died, with the first items or none finished."""
        incarnation, leased = lease
        record = pb.JobRecord(job_id=leased.ref.job_id)
        for item in leased.items[:finished_count]:
            place = {"chunk_index": leased.ref.chunk_index, "fence": leased.ref.fence, "round": leased.round}
            record.items.add(item_index=item.item_index, output=self.name(), attempt_count=1, **place)
        suspects = [item.item_index for item in leased.items[finished_count:][:suspect_count]]
        record.deaths.add(
            chunk_index=leased.ref.chunk_index, fence=leased.ref.fence, suspect_item_indexes=suspects
        )
        for _ in range(2):  # The second time there is no lease any more.
            self.send(incarnation, record, is_current=self.run(self._is_current(incarnation, leased)))

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        before = self.get(job_id)
        response = self.run(cancel_job(self.database, pb.CancelJobRequest(job_id=job_id, tenant="t")))
        self.check_effects(response.effects)
        if before.state in TERMINAL:
            assert response.job == before

    @rule(job_id=jobs)
    def pause(self, job_id: str) -> None:
        before = self.get(job_id)
        response = self.run(pause_job(self.database, pb.PauseJobRequest(job_id=job_id, tenant="t")))
        self.check_effects(response.effects)
        if self.is_late(before):
            assert response.job.state in ENDED
            return
        unchanged = before.state in (*ENDED, jobs_pb2.JOB_STATE_PAUSED)
        assert (response.job == before) == unchanged
        assert unchanged or response.job.state == jobs_pb2.JOB_STATE_PAUSED

    @rule(job_id=jobs, more=st.sampled_from([None, None, -1, 0, 1, 50, 10_000]))
    def resume(self, job_id: str, more: int | None) -> None:
        """Resumes a job, with a new budget that exceeds its cost by an amount, or without one."""
        before = self.get(job_id)
        request = pb.ResumeJobRequest(job_id=job_id, tenant="t")
        if more is not None:
            request.budget_micros = before.usage.cost_micros + more
        try:
            response = self.run(resume_job(self.database, request))
        except FailedPreconditionError:  # BUDGET_SPENT is the only possible reason.
            assert before.state not in ENDED
            assert more is None or more <= 0
            assert more is not None or before.state == jobs_pb2.JOB_STATE_PAUSED
            assert self.get(job_id) == before, "a refused resume changed its job"
            return
        self.check_effects(response.effects)
        if more is not None:
            assert more > 0 or before.state in ENDED
            assert before.state in ENDED or response.job.budget_micros == request.budget_micros
            return
        if self.is_late(before):
            assert response.job.state in ENDED
            return
        if self.has_started(before):  # No sweep has seen it yet.
            assert response.job.state not in (jobs_pb2.JOB_STATE_SCHEDULED, *ENDED)
            return
        assert (response.job != before) == (before.state == jobs_pb2.JOB_STATE_PAUSED)

    @rule(job_id=jobs)
    def retry(self, job_id: str) -> None:
        before = self.get(job_id)
        request = pb.RetryJobRequest(job_id=job_id, tenant="t", request_id=self.name())
        response = self.run(retry_job(self.database, request))
        self.check_effects(response.effects)
        again = self.run(retry_job(self.database, request))
        assert again.job.seq == response.job.seq
        if before.state not in TERMINAL:
            assert response.job == before
        elif response.job != before:
            self.latest.pop(job_id, None)
            for follower in self.followers[job_id]:
                follower.begin_round()

    @rule(place=workers_at, listed=st.booleans())
    def beat(self, place: int, listed: bool) -> None:
        incarnation = self.incarnations[place]
        refs = [lease.ref for lease in self.leased.get(incarnation, [])] if listed else []
        request = pb.HeartbeatRequest(incarnation=incarnation, address=f"127.0.0.1:{place + 1}", leases=refs)
        response = self.run(heartbeat(self.database, request))
        self.check_effects(response.effects)
        if response.ended:
            self.incarnations[place] = self.new_incarnation()
            self.beat(place, listed)
            return
        lost = {ref.SerializeToString() for ref in response.lost_leases}
        self.leased[incarnation] = [
            lease
            for lease in self.leased.get(incarnation, [])
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

    @rule()
    def idle(self) -> None:
        """An hour passes without a call."""
        self.clock.offset += 3_601 * SECOND
        self.sweep()

    def sweep(self) -> None:
        late = [job_id for job_id in self.followers if self.is_late(self.get(job_id))]
        self.check_effects(self.run(sweep(self.database)).effects)
        for job_id in late:
            assert self.get(job_id).state in ENDED, "a sweep passed over a deadline"

    def is_late(self, job: jobs_pb2.Job) -> bool:
        """Returns whether the deadline of a job has passed. From then on nothing of it is leased."""
        return job.HasField("expire_time") and job.expire_time.ToMicroseconds() <= self.clock.local_now()

    def has_started(self, job: jobs_pb2.Job) -> bool:
        """Returns whether the start time of a job that is shown as SCHEDULED has come."""
        start = job.schedule_time.ToMicroseconds()
        return job.state == jobs_pb2.JOB_STATE_SCHEDULED and start <= self.clock.local_now()

    # Invariants.

    def get(self, job_id: str) -> jobs_pb2.Job:
        request = pb.GetJobsRequest(jobs=[pb.KnownJob(job_id=job_id)])
        return self.run(get_jobs(self.database, request)).jobs[0]

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
            self._money_agrees(job, mine)

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
            assert chunk["item_count"] <= job["chunk_size"]
        assert next_index == job["total_count"]
        assert job["chunk_count"] == len(chunks)
        assert job["open_chunk_count"] == sum(c["unfinished_count"] > 0 for c in chunks)
        assert job["quarantined_chunk_count"] == sum(
            c["quarantined"] and c["unfinished_count"] > 0 and c["lease_incarnation"] is None for c in chunks
        )
        assert job["leased_chunk_count"] == sum(c["lease_incarnation"] is not None for c in chunks)

    def _money_agrees(self, job: Any, chunks: list[Any]) -> None:
        live = [c for c in chunks if c["lease_incarnation"] is not None]
        assert all(c["allowance_micros"] >= 0 for c in chunks)
        assert job["reserved_micros"] == sum(c["allowance_micros"] for c in live), (
            "reserved for no live lease"
        )
        if job["budget_micros"] is None:
            assert job["reserved_micros"] == 0
            return
        paused_for_budget = job["pause_reason"] == jobs_pb2.PAUSE_REASON_BUDGET
        assert not (paused_for_budget and live), "paused while a lease may give something back"
        spent_up = job["cost_micros"] + job["reserved_micros"] >= job["budget_micros"]
        if job["open_chunk_count"] and not live and spent_up and job["finish_time"] is None:
            assert job["pause_reason"] or job["stopping_to"], "a spent budget did not pause its job"

    def _never_back(self, job: Any) -> None:
        seq, state, finish_time = self.latest.get(job["job_id"], (0, 0, None))
        assert job["seq"] >= seq
        if state in TERMINAL:
            assert (job["state"], job["finish_time"]) == (state, finish_time), "a terminal state changed"
        all_done = job["succeeded_count"] + job["failed_count"] == job["total_count"]
        if (all_done and not job["upload_open"]) or (job["stopping_to"] and not job["leased_chunk_count"]):
            assert job["state"] in TERMINAL, "a job that is over has not ended"
        assert job["finish_time"] is None or job["leased_chunk_count"] == 0
        self.latest[job["job_id"]] = (job["seq"], job["state"], job["finish_time"])

    def teardown(self) -> None:
        """Checks that nothing is lost: once all leases have ended, a worker can finish all jobs."""
        try:
            self.wait(60, sweeps=True)
            self.restart(0)
            for job_id in self.followers:
                self.resume(job_id, 1_000_000)
            for _ in range(2_000):
                leased = self.take(0, 500, lost=False)
                if not leased:
                    break
                for lease in leased:
                    self.record(lease, 0, (), twice=False)
            self.idle()  # Open uploads expire.
            self.run(self._all_ended())
            for job_id in self.followers:
                self.follow(job_id, 1_000, 1_000)
                self.check_followers(job_id)
        finally:
            self.few_rows_seen.stop()
            self.run(self.database.close())
            self.runner.close()

    def check_followers(self, job_id: str) -> None:
        request = pb.ListResultsRequest(job_id=job_id, tenant="t", page_size=1_000, after_item_index=-1)
        final = self.run(list_results(self.database, request)).results
        for follower in self.followers[job_id]:
            for result in final:
                if follower.item_state in (0, result.state):
                    assert follower.latest[result.item_index] == result, "a final result never came"

    async def _all_ended(self) -> None:
        async with self.database.engine.connect() as connection:
            states = (await connection.execute(text("SELECT state FROM job_progress"))).scalars().all()
        assert set(states) <= TERMINAL, f"jobs never ended: {states}"


def sorted_leases(response: pb.LeaseChunksResponse) -> list[bytes]:
    return sorted(lease.SerializeToString(deterministic=True) for lease in response.leases)


Interleavings.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrderOfCallsKeepsThePromises = pytest.mark.timeout(600)(Interleavings.TestCase)
