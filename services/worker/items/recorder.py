"""Sends entries to results: in batches if there are many, at once if they are urgent."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from services.shared.logging import get_logger
from services.shared.metrics import timing
from services.stubs.results.v1 import results_pb2
from services.worker.items.store_connection import StoreConnection
from services.worker.metrics import RECORD_BATCH_ENTRIES, RECORD_SECONDS

log = get_logger(__name__)

T = TypeVar("T")

FULL_BATCH_COUNT = 100
MAX_BATCH_COUNT = 1_000
MAX_BATCH_BYTES = 4 * 1024 * 1024
# Maximum jobs in a batch of several tenants: a small job must not wait for a thousand others.
SHARED_BATCH_JOBS = 50
BATCH_WAIT_SECONDS = 0.25
CALL_SECONDS = 30.0
RETRY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)

Acknowledged = Callable[[results_pb2.JobRecordOutcome], None]


def _ignore(outcome: results_pb2.JobRecordOutcome) -> None:
    pass


@dataclass(kw_only=True)
class Entry:
    """One change of a job to report.

    Attributes:
        job_id: The job.
        apply: Adds the change to the job's record.
        acknowledged: Called with the job's outcome once results has acknowledged the entry.
        byte_count: Approximate size in the message.
        is_result: Whether it is the outcome of an item.
        tenant: Owner of the job. Tenants take turns if there is much to send.
    """

    job_id: str
    apply: Callable[[results_pb2.JobRecord], None]
    acknowledged: Acknowledged = _ignore
    byte_count: int = 100
    is_result: bool = False
    tenant: str = ""


@dataclass
class _Waiting:
    entries: list[Entry] = field(default_factory=list)
    since: float = 0.0
    urgent: bool = False


class Recorder:
    """Sends entries to results, in order, one call at a time, until each is acknowledged.

    A batch is sent at 100 entries, 250 ms after its first entry, or at once if it holds an urgent one.
    Entries added meanwhile wait for the next batch. A failed call is repeated: recording twice changes
    nothing.

    Args:
        store: Connection to the store.

    Attributes:
        unacknowledged_count: Results that are not acknowledged.
    """

    def __init__(self, store: StoreConnection) -> None:
        self._results = store.results
        self._incarnation = store.incarnation
        self._carry_out = store.carry_out
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
        """Adds an entry; an urgent one is sent as soon as the call under way has ended."""
        if not self._waiting.entries:
            self._waiting.since = asyncio.get_running_loop().time()
        self._waiting.entries.append(entry)
        self._waiting.urgent = self._waiting.urgent or urgent
        self.unacknowledged_count += entry.is_result
        self._idle.clear()
        self._changed.set()

    async def flush(self, timeout_seconds: float) -> bool:
        """Waits until everything is acknowledged; returns False after a timeout."""
        self._waiting.urgent = True
        self._changed.set()
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Stops sending; unacknowledged entries are dropped."""
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
            seconds_left = None
            if waiting.entries:
                seconds_left = waiting.since + BATCH_WAIT_SECONDS - loop.time()
                if waiting.urgent or len(waiting.entries) >= FULL_BATCH_COUNT or seconds_left <= 0:
                    return
            timer = loop.call_later(seconds_left, self._changed.set) if seconds_left is not None else None
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def _take(self) -> list[Entry]:
        entries, byte_count, job_ids = self._waiting.entries, 0, set[str]()
        job_limit = MAX_BATCH_COUNT
        if len({entry.tenant for entry in entries}) > 1:
            entries, job_limit = _in_turns(entries), SHARED_BATCH_JOBS
        for count, entry in enumerate(entries):
            byte_count += entry.byte_count
            job_ids.add(entry.job_id)
            is_full = count == MAX_BATCH_COUNT or len(job_ids) > job_limit
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
        failure_count = 0
        while True:
            try:
                return await self._results.RecordResults(request, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if failure_count in (0, 10, 100, 1000):
                    log.warning("results_not_recorded", code=error.code().name, entry_count=len(batch))
                await asyncio.sleep(RETRY_SECONDS[min(failure_count, len(RETRY_SECONDS) - 1)])
                failure_count += 1

    def _acknowledge(self, batch: list[Entry], response: results_pb2.RecordResultsResponse) -> None:
        outcomes = {outcome.job_id: outcome for outcome in response.outcomes}
        self._notify(self._carry_out, response.effects)
        for entry in batch:
            self.unacknowledged_count -= entry.is_result
            missing = results_pb2.JobRecordOutcome(job_id=entry.job_id, lost=True)
            self._notify(entry.acknowledged, outcomes.get(entry.job_id) or missing)

    def _notify(self, listener: Callable[[T], None], news: T) -> None:
        try:
            listener(news)
        except Exception:  # the other entries must still be acknowledged, and later ones sent
            log.exception("acknowledgement_failed")


def _in_turns(entries: list[Entry]) -> list[Entry]:
    """Returns entries with tenants in turn, one job at a time; a job's entries stay together, in order."""
    turns: dict[str, dict[str, int]] = {}
    for entry in entries:
        jobs = turns.setdefault(entry.tenant, {})
        jobs.setdefault(entry.job_id, len(jobs))
    return sorted(entries, key=lambda entry: turns[entry.tenant][entry.job_id])
