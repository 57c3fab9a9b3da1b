"""The store keeps its promises in any order of calls. Runs on SQLite, for its speed."""

import pytest
import uuid_utils
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    initialize,
    multiple,
    precondition,
    rule,
)

from headrace.errors import AbortedError, FailedPreconditionError, HeadraceError
from headrace.jobs.v1 import jobs_pb2
from services.results.pages.recorded_results import list_recorded_results
from services.results.transitions.append_items import append_items
from services.results.transitions.cancel_job import cancel_job
from services.results.transitions.end_worker import end_worker
from services.results.transitions.heartbeat import heartbeat
from services.results.transitions.lease_chunks import lease_chunks
from services.results.transitions.pause_job import pause_job, resume_job
from services.results.transitions.record_results import record_results
from services.results.transitions.retry_job import retry_job
from services.results.transitions.sweep import sweep
from services.results.transitions.update_job import update_job
from services.stubs.results.v1 import results_pb2 as pb
from tests.contract.interleavings.followers import ITEM_STATES, Follower
from tests.contract.interleavings.invariants import COST, ENDED, SECOND, TERMINAL, StoreUnderTest

OUTCOMES = [
    ("succeeds",),
    ("succeeds", "releases"),
    ("fails",),
    ("fails", "releases"),
    ("fails", "refused"),
    ("fails whole job", "releases"),
]
# By its owner, for failures, for refusals, and for the end of a trial.
PAUSES_OF_A_ROUND = 4
WorkerLease = tuple[str, pb.Lease]  # An incarnation and its lease.
workers_at = st.integers(0, 1)


class Interleavings(StoreUnderTest):
    """Workers, an owner, readers and a sweeping gateway act in any order, on one moving clock."""

    jobs = Bundle("jobs")
    leases = Bundle("leases")

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
        trial=st.sampled_from([None, None, 1, 3, 25]),
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
        trial: int | None,
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
                trial_count=trial,
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
            assert response.job.state in ENDED or response.job == before, "a late job changed and did not end"
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
                if not page.has_more:
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
                entry.error.reason = "PROVIDER_REFUSED_INPUT" if "refused" in what else "BAD"
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
            job_delay_ms=wait,
            needed_micros=wanted,
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

    @rule(
        job_id=jobs,
        max_parallelism=st.sampled_from([0, 1, 3]),
        more=st.sampled_from([0, 1, 10_000]),
        job_timeout=st.sampled_from([0, 7, 40]),
        is_newest=st.sampled_from([True, True, False]),
    )
    def update(self, job_id: str, max_parallelism: int, more: int, job_timeout: int, is_newest: bool) -> None:
        """Changes limits of a job, by its newest or an older snapshot. Makes each call twice."""
        before = self.get(job_id)
        request = pb.UpdateJobRequest(
            job_id=job_id,
            tenant="t",
            fields=["max_parallelism", "job_timeout", *(["budget_micros"] if before.budget_micros else [])],
            if_change_seq=before.change_seq if is_newest else before.change_seq + 1,
            max_parallelism=max_parallelism,
            budget_micros=before.usage.cost_micros + more,
            resume=True,
        )
        if job_timeout:
            request.job_timeout.seconds = job_timeout
        try:
            response = self.run(update_job(self.database, request))
        except (AbortedError, FailedPreconditionError):  # JOB_CHANGED; JOB_ENDED or BUDGET_SPENT.
            assert self.get(job_id) == before, "a refused update changed its job"
            return
        self.check_effects(response.effects)
        assert response.job == self.get(job_id)
        assert (response.job.change_seq > before.change_seq) == (response.job != before)
        if response.job.state not in ENDED:
            assert response.job.options.max_parallelism == max_parallelism
            assert response.job.HasField("expire_time") <= bool(job_timeout)

    @rule(
        job_id=jobs,
        reasons=st.sampled_from([[], [], ["BAD"], ["ITEM_NOT_SELECTED"]]),
        item_indexes=st.sampled_from([[], [], [0], [1, 3, 19]]),
    )
    def retry(self, job_id: str, reasons: list[str], item_indexes: list[int]) -> None:
        before = self.get(job_id)
        selection = {"reasons": reasons, "item_indexes": item_indexes}
        request = pb.RetryJobRequest(job_id=job_id, tenant="t", request_id=self.name(), **selection)

        def runs(result: jobs_pb2.Result) -> bool:
            is_selected = result.error.reason in reasons or result.item_index in item_indexes
            return is_selected or not (reasons or item_indexes)

        response = self.run(retry_job(self.database, request))
        self.check_effects(response.effects)
        again = self.run(retry_job(self.database, request))
        assert again.job.seq == response.job.seq
        if before.state not in TERMINAL:
            assert response.job == before
        elif response.job != before:
            self.latest.pop(job_id, None)
            claimed_round = self.run(self._rounds(job_id))[1]
            if claimed_round:
                self.prepared[job_id], self.claimed_rounds[job_id] = runs, claimed_round
                return
            for follower in self.followers[job_id]:
                follower.begin_round(runs)

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
        self.begin_rounds()
        for job_id in late:
            assert self.get(job_id).state in ENDED, "a sweep passed over a deadline"

    def teardown(self) -> None:
        """Checks that nothing is lost: once all leases have ended, a worker can finish all jobs."""
        try:
            self.wait(60, sweeps=True)
            self.restart(0)
            for _ in range(PAUSES_OF_A_ROUND):
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
            self.one_part_a_sweep.stop()
            for patched in (*self.few_first_items, *self.few_events):
                patched.stop()
            self.few_items_carried.stop()
            self.few_rows_seen.stop()
            self.run(self.database.close())
            self.runner.close()


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
