"""Stores submitted jobs, many in one call."""

import asyncio
from collections import deque
from typing import NamedTuple

from headrace.errors import AlreadyExistsError, HeadraceError, InternalError, UnavailableError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.gateway.effects import EffectRunner
from services.gateway.metrics import JOBS_SUBMITTED
from services.gateway.store import StoreClient
from services.shared.logging import get_logger, job_fields
from services.shared.metrics import CLASS_LABELS
from services.shared.tracing import detached_context
from services.stubs.results.v1 import results_pb2

log = get_logger(__name__)

MAX_JOBS_PER_CALL = 1000
MAX_BYTES_PER_CALL = 8 * 1024 * 1024
LARGE_JOB_BYTES = 128 * 1024
MAX_WAITING_BYTES = 64 * 1024 * 1024


class _Waiting(NamedTuple):
    job: results_pb2.NewJob
    size: int
    stored: asyncio.Future[jobs_pb2.Job]


class _Lane:
    """Makes one call to the store at a time and gathers jobs for the next; a single job goes at once."""

    def __init__(self, store: StoreClient, effects: EffectRunner) -> None:
        self._store = store
        self._effects = effects
        self._waiting: deque[_Waiting] = deque()
        self._sender: asyncio.Task[None] | None = None

    @property
    def waiting_count(self) -> int:
        return sum(not member.stored.done() for member in self._waiting)

    async def create(self, job: results_pb2.NewJob, size: int) -> jobs_pb2.Job:
        stored: asyncio.Future[jobs_pb2.Job] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(job, size, stored))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), context=detached_context())
        return await stored

    async def _send_all(self) -> None:
        while batch := self._next_batch():
            try:
                await self._send(batch)
            except Exception as error:  # every caller must get a response, whatever fails
                for member in batch:
                    if not member.stored.done():
                        member.stored.set_exception(error)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        total_size = 0
        while self._waiting and len(batch) < MAX_JOBS_PER_CALL:
            if batch and total_size + self._waiting[0].size > MAX_BYTES_PER_CALL:
                break
            member = self._waiting.popleft()
            if not member.stored.cancelled():  # cancelled: its caller has gone
                batch.append(member)
                total_size += member.size
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        request = results_pb2.CreateJobsRequest(jobs=[member.job for member in batch])
        response = await self._store.create_jobs(request)
        self._effects.carry_out(response.effects)
        for member, outcome in zip(batch, response.outcomes, strict=True):
            if outcome.job.job_id == member.job.job_id:  # another id: an earlier job with the request_id
                _count_submitted(member.job)
                self._effects.add_recent(outcome.job)
            if member.stored.done():
                continue
            if outcome.HasField("error"):
                member.stored.set_exception(_error(outcome.error))
            else:
                member.stored.set_result(outcome.job)


class JobCreator:
    """Stores jobs, many in one call. Large jobs have their own lane, so that small jobs do not wait for them.

    Args:
        store: Stores the jobs.
        effects: Carries out the effects before ``create`` returns.
    """

    def __init__(self, store: StoreClient, effects: EffectRunner) -> None:
        self._small_jobs = _Lane(store, effects)
        self._large_jobs = _Lane(store, effects)
        self._waiting_bytes = 0

    @property
    def waiting_count(self) -> int:
        """Number of jobs that wait for the next call. Jobs of calls in flight are not counted."""
        return self._small_jobs.waiting_count + self._large_jobs.waiting_count

    async def create(self, job: results_pb2.NewJob) -> jobs_pb2.Job:
        """Returns the stored job: the new one, or the present state of the first job with its request_id.

        Raises:
            AlreadyExistsError: REQUEST_ID_REUSED: the request_id names a job with other content.
            UnavailableError: STORE_UNAVAILABLE: the job may have been stored; repeat the call with the same
                request_id. Also raised, without storing the job, while over 64 MB of jobs wait.
        """
        size = job.ByteSize()
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise UnavailableError(
                "too many jobs are waiting for the store; repeat the call later",
                reason=ErrorReason.STORE_UNAVAILABLE,
            )
        lane = self._large_jobs if size >= LARGE_JOB_BYTES else self._small_jobs
        self._waiting_bytes += size
        try:
            return await lane.create(job, size)
        finally:
            self._waiting_bytes -= size


def _count_submitted(job: results_pb2.NewJob) -> None:
    job_class = CLASS_LABELS[job.options.job_class]
    JOBS_SUBMITTED.labels(job.kind, job_class).inc()
    log.info(
        "job_submitted",
        kind=job.kind,
        job_class=job_class,
        item_count=len(job.items),
        upload=job.upload_open,
        **job_fields(job.job_id, job.tenant, job.trace_id),
    )


def _error(error: jobs_pb2.Error) -> HeadraceError:
    if error.reason == ErrorReason.REQUEST_ID_REUSED:
        return AlreadyExistsError("request_id was used for a job with other content; use a new one")
    return InternalError("the store refused the job", reason=error.reason)
