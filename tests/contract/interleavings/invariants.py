"""A store on SQLite, and the invariants of its rows."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uuid_utils
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)
from sqlalchemy import text

from headrace.jobs.v1 import jobs_pb2
from services.results.database.clock import Clock
from services.results.database.database import Database
from services.results.database.migrations import migrate
from services.results.pages import recorded_results
from services.results.pages.job_events import list_job_events
from services.results.pages.jobs import get_jobs
from services.results.pages.results import list_results
from services.results.pages.usage import get_usage
from services.results.rows import carried_failures
from services.results.rules import history, refusals
from services.results.rules.trials import HELD_DUE_TIME
from services.results.transitions import record_transaction
from services.results.transitions import sweep as sweeping
from services.results.transitions.create_jobs import JobCreator
from services.stubs.results.v1 import results_pb2 as pb
from tests.contract.interleavings.followers import Follower

TERMINAL = {
    jobs_pb2.JOB_STATE_SUCCEEDED,
    jobs_pb2.JOB_STATE_FAILED,
    jobs_pb2.JOB_STATE_CANCELLED,
    jobs_pb2.JOB_STATE_EXPIRED,
}
ENDED = TERMINAL | {jobs_pb2.JOB_STATE_CANCELLING}  # Or on its way to a terminal state.
SECOND = 1_000_000
COST = 7  # Of an item, in millionths of a US dollar.
FIRST_ITEMS = 3  # Whose refusal pauses a job.
MAX_EVENTS = 20  # Of a job.
_PAUSES = (
    jobs_pb2.JOB_CHANGE_PAUSED,
    jobs_pb2.JOB_CHANGE_RESUMED,
    jobs_pb2.JOB_CHANGE_RETRIED,
)
_FOLDER = tempfile.TemporaryDirectory(prefix="headrace-interleavings-")
_TEMPLATE = Path(_FOLDER.name) / "template.db"


class StoreUnderTest(RuleBasedStateMachine):
    """A store with a moving clock, whose invariants are checked after each action."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        # Few enough that pages end among rows that they skip.
        self.few_rows_seen = patch.object(recorded_results, "MAX_ROWS_READ", 5)
        self.few_rows_seen.start()
        # Few enough that other actions come between the parts of a retry.
        self.few_items_carried = patch.object(carried_failures, "MAX_CARRIED_ITEMS", 6)
        self.few_items_carried.start()
        # Few enough that some jobs are paused for refusals.
        self.few_first_items = [
            patch.object(module, "FIRST_ITEM_COUNT", FIRST_ITEMS) for module in (refusals, record_transaction)
        ]
        for patched in self.few_first_items:
            patched.start()
        self.one_part_a_sweep = patch.object(sweeping, "PREPARE_SECONDS", 0)
        self.one_part_a_sweep.start()
        # Few enough that the events of some jobs are merged.
        self.few_events = [
            patch.object(history, name, value)
            for name, value in (("MAX_EVENTS", MAX_EVENTS), ("MERGE_INTERVAL", 4), ("EVENTS_KEPT", 8))
        ]
        for patched in self.few_events:
            patched.start()
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
        self.prepared: dict[str, Callable[[jobs_pb2.Result], bool]] = {}
        self.claimed_rounds: dict[str, int] = {}
        self.calls = 0
        self.job_count = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def new_incarnation(self) -> str:
        return str(uuid_utils.uuid7())

    def name(self) -> str:
        self.calls += 1
        return str(self.calls)

    def is_late(self, job: jobs_pb2.Job) -> bool:
        """Returns whether the deadline of a job has passed. From then on nothing of it is leased."""
        return job.HasField("expire_time") and job.expire_time.ToMicroseconds() <= self.clock.local_now()

    def has_started(self, job: jobs_pb2.Job) -> bool:
        """Returns whether the start time of a job that is shown as SCHEDULED has come."""
        start = job.schedule_time.ToMicroseconds()
        return job.state == jobs_pb2.JOB_STATE_SCHEDULED and start <= self.clock.local_now()

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
            order = "ORDER BY job_id, number"
            events = (await connection.execute(text(f"SELECT * FROM job_events {order}"))).mappings().all()
        for job in jobs:
            mine = [c for c in chunks if c["job_id"] == job["job_id"]]
            present = [r for r in results if r["job_id"] == job["job_id"] and r["round"] in (0, job["round"])]
            self._counters_agree(job, [r for r in results if r["job_id"] == job["job_id"]], present)
            self._chunks_agree(job, mine, {r["item_index"] for r in present})
            self._never_back(job)
            self._pause_agrees(job, present)
            self._trial_agrees(job, mine)
            self._money_agrees(job, mine)
            self._history_agrees(job, [e for e in events if e["job_id"] == job["job_id"]])
            await self._history_is_whole(job)
        await self._usage_agrees(jobs)

    def _counters_agree(self, job: Any, all_results: list[Any], present: list[Any]) -> None:
        assert len({r["item_index"] for r in present}) == len(present), "two results of an item"
        assert job["succeeded_count"] == sum(r["round"] == 0 for r in present)
        assert job["failed_count"] == sum(r["round"] != 0 for r in present)
        # A failure that a retry did not select is copied into the new round, with its seq.
        distinct = {(r["item_index"], r["seq"]): r for r in all_results}.values()
        assert job["call_count"] == sum(r["call_count"] for r in distinct)
        assert job["cost_micros"] == sum(r["cost_micros"] for r in distinct)
        # Rows of a later round belong to a retry that is prepared, or was given up.
        assert all(1 < r["seq"] <= job["seq"] for r in all_results if r["round"] <= job["round"])
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

    def _history_agrees(self, job: Any, events: list[Any]) -> None:
        assert len(events) <= MAX_EVENTS
        assert all(1 <= e["number"] <= job["event_count"] for e in events)
        assert sum(e["change_count"] for e in events) == job["event_count"], "an event was lost"
        times = [e["event_time"] for e in events]
        assert times == sorted(times)
        pauses = [e for e in events if e["change_type"] in _PAUSES]
        if job["finish_time"] is None and not job["stopping_to"]:
            last = max(pauses, key=lambda e: (e["last_time"], e["number"]), default=None)
            is_paused = last is not None and last["change_type"] == jobs_pb2.JOB_CHANGE_PAUSED
            assert is_paused == bool(job["pause_reason"]), "a pause or a resumption has no event"

    async def _history_is_whole(self, job: Any) -> None:
        names = {"job_id": job["job_id"], "tenant": job["tenant"]}
        request = pb.ListJobEventsRequest(**names, page_size=1_000, after_number=-1)
        listed = (await list_job_events(self.database, request)).events
        numbers = [event.number for event in listed]
        assert numbers == sorted(set(numbers))
        changes = [event.change for event in listed]
        assert changes.count(jobs_pb2.JOB_CHANGE_CREATED) == 1
        assert changes.count(jobs_pb2.JOB_CHANGE_STARTED) == (job["start_time"] is not None)
        if job["finish_time"] is not None:
            ends = [e for e in listed if e.change == jobs_pb2.JOB_CHANGE_ENDED]
            assert ends[-1].last_event_time.ToMicroseconds() == job["finish_time"]
            end_count = sum(event.count for event in ends)
            assert end_count == 1 + sum(e.count for e in listed if e.change == jobs_pb2.JOB_CHANGE_RETRIED)

    async def _usage_agrees(self, jobs: Sequence[Any]) -> None:
        request = pb.GetUsageRequest(tenant="t", last_day=1_000_000)
        total = (await get_usage(self.database, request)).total
        mine = [job for job in jobs if job["tenant"] == "t"]
        assert total.job_count == len(mine)
        assert total.usage.call_count == sum(job["call_count"] for job in mine)
        assert total.usage.cost_micros == sum(job["cost_micros"] for job in mine)

    def _pause_agrees(self, job: Any, present: list[Any]) -> None:
        if job["pause_reason"] != jobs_pb2.PAUSE_REASON_REFUSALS:
            return
        newest = sorted((r["seq"], r["error_reason"]) for r in present)[
            -(len(present) - job["carried_count"]) :
        ]
        assert [reason for _, reason in newest[:FIRST_ITEMS]] == ["PROVIDER_REFUSED_INPUT"] * FIRST_ITEMS
        assert job["error_reason"] or job["finish_time"], "paused without the refusal"

    def _trial_agrees(self, job: Any, chunks: list[Any]) -> None:
        end = job["trial_end"]
        held = [c for c in chunks if end is not None and c["first_index"] >= end]
        assert job["held_chunk_count"] == sum(c["unfinished_count"] > 0 for c in held)
        assert not any(c["lease_incarnation"] for c in held), "leased behind the end of its trial"
        assert all((c["due_time"] == HELD_DUE_TIME) == (c in held) for c in chunks if c["unfinished_count"])
        assert end is None or not any(
            c["first_index"] < end < c["first_index"] + c["item_count"] for c in chunks
        )
        is_over = end is not None and job["total_count"] >= end
        is_over = is_over and job["open_chunk_count"] == job["held_chunk_count"]
        if is_over and job["finish_time"] is None and not job["stopping_to"] and not job["next_round"]:
            assert job["pause_reason"], "a trial that is over did not pause its job"

    def _never_back(self, job: Any) -> None:
        seq, state, finish_time = self.latest.get(job["job_id"], (0, 0, None))
        assert job["seq"] >= seq
        if state in TERMINAL:
            assert (job["state"], job["finish_time"]) == (state, finish_time), "a terminal state changed"
        all_done = job["succeeded_count"] + job["failed_count"] == job["total_count"]
        is_final = not job["upload_open"] and not job["next_round"]
        assert not (job["next_round"] and (job["leasable"] or job["leased_chunk_count"])), "leased too early"
        if (all_done and is_final) or (job["stopping_to"] and not job["leased_chunk_count"]):
            assert job["state"] in TERMINAL, "a job that is over has not ended"
        assert job["finish_time"] is None or job["leased_chunk_count"] == 0
        self.latest[job["job_id"]] = (job["seq"], job["state"], job["finish_time"])

    def check_followers(self, job_id: str) -> None:
        request = pb.ListResultsRequest(job_id=job_id, tenant="t", page_size=1_000, after_item_index=-1)
        final = self.run(list_results(self.database, request)).results
        for follower in self.followers[job_id]:
            for result in final:
                if follower.item_state in (0, result.state):
                    assert follower.latest[result.item_index] == result, "a final result never came"

    def begin_rounds(self) -> None:
        """Begins a round for the followers of each job whose retry is prepared by now."""
        for job_id, runs in list(self.prepared.items()):
            current_round, next_round = self.run(self._rounds(job_id))
            if not next_round:
                del self.prepared[job_id]
                if current_round == self.claimed_rounds.pop(job_id):
                    for follower in self.followers[job_id]:
                        follower.begin_round(runs)

    async def _rounds(self, job_id: str) -> tuple[int, int]:
        query = text("SELECT round, next_round FROM job_progress WHERE job_id = :job_id")
        async with self.database.engine.connect() as connection:
            row = (await connection.execute(query, {"job_id": job_id})).one()
            return row.round, row.next_round

    async def _all_ended(self) -> None:
        async with self.database.engine.connect() as connection:
            states = (await connection.execute(text("SELECT state FROM job_progress"))).scalars().all()
        assert set(states) <= TERMINAL, f"jobs never ended: {states}"

    async def _is_current(self, incarnation: str, leased: pb.Lease) -> bool:
        query = "SELECT 1 FROM chunks WHERE job_id = :j AND chunk_index = :c AND fence = :f"
        names = {"j": leased.ref.job_id, "c": leased.ref.chunk_index, "f": leased.ref.fence, "i": incarnation}
        async with self.database.engine.connect() as connection:
            rows = await connection.execute(text(query + " AND lease_incarnation = :i"), names)
            return bool(rows.all())
