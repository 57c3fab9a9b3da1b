"""The client of Headrace: submit jobs, watch them, read their results."""

import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from headrace._messages.conversion import (
    to_job,
    to_kind_info,
    to_worker_info,
)
from headrace._messages.enum_names import from_item_state, from_job_states
from headrace._messages.job_options import from_options
from headrace._messages.json_text import encode
from headrace._messages.request_building import build_request
from headrace._reading.job_listing import list_jobs
from headrace._reading.result_following import follow_results
from headrace._reading.result_reading import read_results
from headrace._reading.watching import watch_job
from headrace._submitting.estimation import estimate_job
from headrace._submitting.submission import submit_job
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.options import JobOptions
from headrace.resources import (
    ItemState,
    Job,
    JobEstimate,
    JobEvent,
    JobState,
    KindInfo,
    Result,
    WorkerInfo,
)

DEFAULT_TARGET = "localhost:50051"


class Client:
    """Calls a gateway. Use it as ``async with Client() as hr:``, on one event loop.

    Every call is safe to repeat, and is repeated with growing waits while the gateway is away. Errors are
    classes of ``headrace.errors`` with a stable ``reason``.

    Args:
        target: ``host:port`` of the gateway, or any gRPC name such as ``dns:///gateway:50051``. Default:
            ``HEADRACE_TARGET`` of the environment, or else localhost:50051.
        tenant: Whose jobs; default: the gateway's default tenant.
        timeout: Seconds for one call with all its repeats; of an upload, for each answer that it waits for.
        connect_timeout: Seconds to look for a gateway as long as none ever answered; at most ``timeout``.
        resume_timeout: Seconds that a watch, an upload, or results that are followed go on looking for a
            gateway after their stream broke.

    Raises:
        InvalidArgumentError: The tenant's name cannot be sent.
    """

    def __init__(
        self,
        target: str | None = None,
        tenant: str | None = None,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 30.0,
        resume_timeout: float = 300.0,
    ) -> None:
        self.target = target or os.environ.get("HEADRACE_TARGET") or DEFAULT_TARGET
        self._connection = GatewayConnection(self.target, tenant, timeout, connect_timeout, resume_timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Breaks off calls under way and closes the connection; a second call does nothing."""
        await self._connection.close()

    async def submit(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        request_id: str | None = None,
        options: JobOptions | None = None,
        on_open: Callable[[Job], object] | None = None,
        **keywords: Unpack[JobOptions],
    ) -> Job:
        """Stores a job with its items and returns its snapshot; what is stored survives any crash.

        Items that fit in one request (4 MB, 100,000 items) go with it. More are uploaded while they are read,
        in bounded memory, and so are those of an async generator, from the first one on, as they come: work
        starts meanwhile. Which way they go depends on the items alone. An upload that breaks goes on where it
        broke, by itself.

        A second call with the same request_id and content returns the first job as it is now. Where the first
        was cut off in its upload, the second reads its items from the start and sends those that are missing.
        An upload that is given no new item for an hour ends as EXPIRED. A job that ends while its items are
        uploaded (cancelled, EXPIRED, or FAILED, such as for a wrong key) is returned as it is then: look at
        its state.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, one a unit of work, in a list, a generator or an async generator. Each up to
                1 MB as JSON, 1 to 10,000,000 of them.
            params: What holds for all items, as the kind's params_schema says, up to 1 MB; None: no params.
            request_id: Names the wanted job, up to 128 characters. Default: a new UUID.
            options: Job options; see ``JobOptions``.
            on_open: Called once with the job as soon as it is stored, before an upload brings its items.
            keywords: Job options one by one; they go before ``options``.

        Raises:
            InvalidArgumentError: A field is wrong: ``violations`` names it; an item is no JSON, or passes
                1 MB (ITEM_TOO_LARGE). Nothing is stored of a job whose items fit in one request; of an upload
                the items before are, and the request_id can be used to go on.
            AlreadyExistsError: The request_id was used with other content (REQUEST_ID_REUSED).
            FailedPreconditionError: An upload was closed before with other items (UPLOAD_CLOSED,
                UPLOAD_TOTAL).
            AbortedError: Items that were stored are not any more (UPLOAD_OFFSET): submit again with the same
                request_id.
            UnavailableError: No gateway answered for ``timeout``, or for ``resume_timeout`` in an upload;
                submit again with the same request_id.
            Exception: What reading the items raised, as it is; then it is as with a wrong item.
        """
        request = build_request(
            gateway_pb2.SubmitJobRequest,
            kind=kind,
            params="" if params is None else encode(params, "params"),
            request_id=request_id or str(uuid.uuid4()),
            options=from_options(options, keywords),
        )
        return await submit_job(self._connection, request, items, on_open)

    async def estimate(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        options: JobOptions | None = None,
        **keywords: Unpack[JobOptions],
    ) -> JobEstimate:
        """Returns what a job would take, and stores nothing; what ``submit`` would refuse is refused too.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, as for ``submit``; all are read.
            params: What holds for all items; None: no params.
            options: Job options, checked as for ``submit``.
            keywords: Job options one by one; they go before ``options``.

        Raises:
            InvalidArgumentError: A field is wrong: ``violations`` names it; an item beyond the first 4 MB or
                100,000 by its place in its request.
            UnavailableError: No gateway answered for ``timeout``.
            Exception: What reading the items raised, as it is.
        """
        request = build_request(
            gateway_pb2.SubmitJobRequest,
            kind=kind,
            params="" if params is None else encode(params, "params"),
            options=from_options(options, keywords),
        )
        return await estimate_job(self._connection, request, items)

    async def get(self, job_id: str) -> Job:
        """Returns a job's present snapshot.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.GetJob, request)
        return to_job(response.job)

    def list(
        self, *, states: Iterable[JobState | str] = (), kind: str = "", page_size: int = 0
    ) -> AsyncGenerator[Job, None]:
        """Yields the tenant's jobs, newest first, page after page.

        Args:
            states: Only jobs in one of these states, by name in any case; empty: all.
            kind: Only jobs of this kind; empty: all.
            page_size: Jobs a call, up to 1,000; default: as the gateway likes.

        Raises:
            InvalidArgumentError: A state is not known, or the gateway refuses an argument.
            UnavailableError: No gateway answered for ``timeout``.
        """
        request = build_request(
            gateway_pb2.ListJobsRequest, states=from_job_states(states), kind=kind, page_size=page_size
        )
        return list_jobs(self._connection, request)

    def watch(self, job_id: str, *, resume_token: str = "") -> AsyncGenerator[JobEvent, None]:
        """Yields a job's events: first its present snapshot, then each change, last the terminal snapshot.

        Snapshots are merged when they come faster than you read; their seq never falls. A stream that
        breaks is continued by itself, at any gateway. Leaving the loop ends the watch, not the job.

        Args:
            job_id: UUID of the job.
            resume_token: Of an event of an earlier watch, to begin after it.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``resume_timeout``.
        """
        request = build_request(gateway_pb2.WatchJobRequest, job_id=job_id, resume_token=resume_token)
        return watch_job(self._connection, request)

    def results(
        self, job_id: str, *, follow: bool = False, item_state: ItemState | str | None = None
    ) -> AsyncGenerator[Result, None]:
        """Yields a job's results, each one once.

        Args:
            job_id: UUID of the job.
            follow: False: what is recorded now, ordered by item_index. True: also what comes, in the order
                of recording, until the job has ended; read only as fast as you take it.
            item_state: Only results of this state; default: all.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``timeout``, or ``resume_timeout`` with follow.
        """
        query = {"job_id": job_id, "item_state": from_item_state(item_state)}
        if follow:
            return follow_results(self._connection, build_request(gateway_pb2.StreamResultsRequest, **query))
        return read_results(self._connection, build_request(gateway_pb2.GetResultsRequest, **query))

    async def cancel(self, job_id: str) -> Job:
        """Ends a job and returns it: CANCELLING while a worker still holds items of it, then CANCELLED.

        A finished job is returned unchanged. Results recorded so far stay.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.CancelJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.CancelJob, request)
        return to_job(response.job)

    async def pause(self, job_id: str) -> Job:
        """Pauses a job and returns it: nothing new is started, calls in flight end, an upload goes on.

        Allowed in every state; a job that has ended or is being ended is returned unchanged.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.PauseJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.PauseJob, request)
        return to_job(response.job)

    async def resume(self, job_id: str, *, budget_micros: int | None = None) -> Job:
        """Lets a paused job go on and returns it; one that has ended or is being ended is unchanged.

        Args:
            job_id: UUID of the job.
            budget_micros: A new budget, in millionths of a US dollar, in all and not on top; a job that is
                not paused gets it too. Default: the budget stays.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
            FailedPreconditionError: Its budget does not suffice for another call, or the new one is not above
                what is spent (BUDGET_SPENT).
        """
        request = build_request(gateway_pb2.ResumeJobRequest, job_id=job_id, budget_micros=budget_micros)
        response = await self._connection.call(self._connection.stub.ResumeJob, request)
        return to_job(response.job)

    async def retry(self, job_id: str, *, request_id: str | None = None) -> Job:
        """Starts a new round of every item without a success, and returns the job, live again.

        Failed items are tried again, and those that a cancel or an expiry left over; successes stay, and
        its job_timeout counts anew. A job that has not ended, or has only successes, is returned unchanged.
        Streams that have ended stay ended: watch again.

        Args:
            job_id: UUID of the job.
            request_id: Names the wanted round, up to 128 characters: a second call with it starts nothing.
                Default: a new UUID.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
        """
        request = build_request(
            gateway_pb2.RetryJobRequest, job_id=job_id, request_id=request_id or str(uuid.uuid4())
        )
        response = await self._connection.call(self._connection.stub.RetryJob, request)
        return to_job(response.job)

    async def kinds(self) -> Sequence[KindInfo]:
        """Returns the kinds of work that jobs can name, ordered by name."""
        request = gateway_pb2.ListKindsRequest()
        response = await self._connection.call(self._connection.stub.ListKinds, request)
        return [to_kind_info(kind) for kind in response.kinds]

    async def workers(self) -> Sequence[WorkerInfo]:
        """Returns the workers seen lately, live ones first."""
        request = gateway_pb2.ListWorkersRequest()
        response = await self._connection.call(self._connection.stub.ListWorkers, request)
        return [to_worker_info(worker) for worker in response.workers]
