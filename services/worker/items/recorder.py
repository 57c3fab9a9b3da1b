"""Tells results what became of items: in batches when there are many, at once when somebody waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import grpc

from services.shared.logging import get_logger
from services.shared.metrics import timing
from services.stubs.results.v1 import results_pb2
from services.worker.items.report_entries import Entry
from services.worker.metrics import RECORD_BATCH_ENTRIES, RECORD_SECONDS

if TYPE_CHECKING:
    from services.stubs.results.v1.results_pb2_grpc import ResultsServiceAsyncStub

log = get_logger(__name__)

T = TypeVar("T")

FULL_BATCH_COUNT = 100
MAX_BATCH_COUNT = 1_000
MAX_BATCH_BYTES = 4 * 1024 * 1024
# A batch of several tenants has so many jobs at most: a small job is not to wait for a thousand others.
SHARED_BATCH_JOBS = 50
BATCH_WAIT_SECONDS = 0.25
CALL_SECONDS = 30.0
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


@dataclass
class _Waiting:
    entries: list[Entry] = field(default_factory=list)
    since: float = 0.0
    urgent: bool = False


class Recorder:
    """Sends entries to results, in order, one call at a time, until each is acknowledged.

    A batch goes out at 100 entries, 250 ms after its first entry, or at once when an urgent one is in it;
    what comes meanwhile waits for the next. A failed call is repeated: recording twice changes nothing.

    Args:
        results: Stub of results.
        incarnation: Of this worker.
        carry_out: Takes the effects of each reply.
    """

    def __init__(
        self,
        results: "ResultsServiceAsyncStub",
        incarnation: str,
        carry_out: Callable[[results_pb2.Effects], None],
    ) -> None:
        self._results = results
        self._incarnation = incarnation
        self._carry_out = carry_out
        self._waiting = _Waiting()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.unacknowledged_count = 0

    def start(self) -> None:
        """Starts sending."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    def add(self, entry: Entry, *, urgent: bool = False) -> None:
        """Takes an entry; urgent ones are sent as soon as the call under way has ended."""
        if not self._waiting.entries:
            self._waiting.since = asyncio.get_running_loop().time()
        self._waiting.entries.append(entry)
        self._waiting.urgent = self._waiting.urgent or urgent
        self.unacknowledged_count += entry.is_result
        self._idle.clear()
        self._changed.set()

    async def flush(self, timeout_seconds: float) -> bool:
        """Waits until everything is acknowledged; False where the time did not suffice."""
        self._waiting.urgent = True
        self._changed.set()
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Stops sending; what is not acknowledged is dropped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self._wait_until_due()
            batch = self._take()
            if batch:
                with timing(RECORD_SECONDS.observe):
                    response = await self._send(batch)
                self._acknowledge(batch, response)
            if not self._waiting.entries:
                self._idle.set()

    async def _wait_until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            waiting = self._waiting
            left = None
            if waiting.entries:
                left = waiting.since + BATCH_WAIT_SECONDS - loop.time()
                if waiting.urgent or len(waiting.entries) >= FULL_BATCH_COUNT or left <= 0:
                    return
            timer = loop.call_later(left, self._changed.set) if left is not None else None
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def _take(self) -> list[Entry]:
        entries, byte_count, job_ids = self._waiting.entries, 0, set[str]()
        most_jobs = MAX_BATCH_COUNT
        if len({entry.tenant for entry in entries}) > 1:
            entries, most_jobs = _in_turns(entries), SHARED_BATCH_JOBS
        for count, entry in enumerate(entries):
            byte_count += entry.byte_count
            job_ids.add(entry.job_id)
            is_full = count == MAX_BATCH_COUNT or len(job_ids) > most_jobs
            if is_full or (count and byte_count > MAX_BATCH_BYTES):
                batch = entries[:count]
                self._waiting.entries = entries[count:]  # still urgent, if it was
                return batch
        self._waiting = _Waiting()
        return entries

    async def _send(self, batch: list[Entry]) -> results_pb2.RecordResultsResponse:
        RECORD_BATCH_ENTRIES.observe(len(batch))
        records: dict[str, results_pb2.JobRecord] = {}
        for entry in batch:
            entry.apply(records.setdefault(entry.job_id, results_pb2.JobRecord(job_id=entry.job_id)))
        request = results_pb2.RecordResultsRequest(incarnation=self._incarnation, jobs=records.values())
        failures = 0
        while True:
            try:
                return await self._results.RecordResults(request, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if failures in (0, 10, 100, 1000):
                    log.warning("results_not_recorded", code=error.code().name, entry_count=len(batch))
                await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1

    def _acknowledge(self, batch: list[Entry], response: results_pb2.RecordResultsResponse) -> None:
        outcomes = {outcome.job_id: outcome for outcome in response.outcomes}
        self._follow(self._carry_out, response.effects)
        for entry in batch:
            self.unacknowledged_count -= entry.is_result
            missing = results_pb2.JobRecordOutcome(job_id=entry.job_id, lost=True)
            self._follow(entry.acknowledged, outcomes.get(entry.job_id) or missing)

    def _follow(self, what_follows: Callable[[T], None], news: T) -> None:
        try:
            what_follows(news)
        except Exception:  # the other entries, and all later ones, still have to be told and sent
            log.exception("acknowledgement_failed")


def _in_turns(entries: list[Entry]) -> list[Entry]:
    """Returns entries so that tenants take turns, a job each time; those of a job stay together, in order."""
    slots: dict[str, dict[str, int]] = {}
    for entry in entries:
        of_tenant = slots.setdefault(entry.tenant, {})
        of_tenant.setdefault(entry.job_id, len(of_tenant))
    return sorted(entries, key=lambda entry: slots[entry.tenant][entry.job_id])
