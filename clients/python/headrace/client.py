"""The asynchronous client: submits jobs, watches them, and reads their results."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self, Unpack

from headrace._messages.conversion import to_failure_group, to_job, to_kind_info, to_worker_info
from headrace._messages.enum_names import from_item_state, from_job_states
from headrace._messages.history import to_usage_report, usage_request
from headrace._messages.job_options import option_fields
from headrace._messages.request_building import build_request
from headrace._reading.history_reading import read_history
from headrace._reading.job_listing import list_jobs
from headrace._reading.result_following import follow_results
from headrace._reading.result_reading import read_results
from headrace._reading.watching import watch_job
from headrace._submitting.estimation import estimate_job
from headrace._submitting.submission import submit_job, submit_request
from headrace._transport.connection import GatewayConnection
from headrace._transport.targets import gateway_target
from headrace.gateway.v1 import gateway_pb2
from headrace.options import JobOptions
from headrace.resources import (
    FailureGroup,
    ItemState,
    Job,
    JobEstimate,
    JobEvent,
    JobHistoryEvent,
    JobState,
    KindInfo,
    Result,
    UsageReport,
    WorkerInfo,
)


class Client:
    """Calls a gateway: ``async with Client() as hr:``. Each event loop that uses it gets its own connection.

    Every call is safe to repeat. While the gateway is unavailable, the client repeats it with growing waits.
    Errors are classes of ``headrace.errors`` with a stable ``reason``.

    An item with a recorded success is never computed again. An unfinished item makes its calls again after a
    crash of its worker. So does an item that finished in the last 250 ms before the crash, if its result was
    not recorded yet.

    A connection that has silently died is found within 25 s, and the call is repeated on a new one. A client
    that was used does not survive a fork (CLIENT_FORKED); see ``SyncClient``. Loopback, and targets that
    NO_PROXY or no_proxy names, are never reached through a proxy.

    Args:
        target: ``host:port`` of the gateway, or any gRPC name such as ``dns:///gateway:50051``. Default: the
            environment variable ``HEADRACE_TARGET``, or else localhost:50051. The default port is 50051. The
            connection is not encrypted.
        tenant: Tenant that owns the jobs. Default: the gateway's default tenant.
        timeout: Seconds for one call with all its repeats. In an upload: for each response.
        connect_timeout: Seconds to look for a gateway before the first response of any. Never more than
            ``timeout``.
        resume_timeout: Seconds to look for a gateway after the stream of a watch, an upload or followed
            results broke.

    Raises:
        InvalidArgumentError: The tenant's name cannot be sent, or the target is not an address.
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
        self.target = gateway_target(target)
        self._connection = GatewayConnection(
            self.target,
            tenant,
            timeout=timeout,
            connect_timeout=connect_timeout,
            resume_timeout=resume_timeout,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancels calls under way and closes the connection. A second call does nothing."""
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
        """Stores a job with its items and returns its snapshot. A stored job survives any crash.

        Items that fit in one request (4 MB, 100,000 items) travel with it. More are uploaded while they are
        read, in bounded memory. Items of an async generator are always uploaded, each as it comes. Work
        starts during the upload. A broken upload resumes automatically. An upload without a new item for an
        hour ends the job as EXPIRED.

        Repeating a call with its ``request_id`` and content never makes a second job: it returns the first
        one, and sends the items that an interrupted upload still misses. If the job ends during its upload,
        ``submit`` returns it in that state.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, one for each unit of work, in a list, a generator or an async generator:
                1 to 10,000,000, each up to 1 MB as JSON. Dataclasses, pydantic models, datetime, Decimal and
                scalars of numpy are values too. A DataFrame of pandas or polars and an Arrow table become
                their rows, a ``pathlib.Path`` the items of its file; see ``read_items``.
            params: Parameters for all items, as in the params_schema of the kind, up to 1 MB. Default: none.
            request_id: Name of the wanted job, up to 128 characters. Default: a new UUID.
            options: Job options; see ``JobOptions``.
            on_open: Called once with the job as soon as it is stored, before an upload sends its items.
            keywords: Job options one by one. They override ``options``.

        Raises:
            InvalidArgumentError: A field is wrong; ``violations`` names it. An item that cannot be written as
                JSON or exceeds 1 MB (ITEM_TOO_LARGE) is one of these. Items of an upload before it stay
                stored, and the same request_id continues the upload.
            AlreadyExistsError: The request_id was used with other content (REQUEST_ID_REUSED).
            FailedPreconditionError: The upload was closed with other items (UPLOAD_CLOSED, UPLOAD_TOTAL).
            AbortedError: Items that were stored are lost (UPLOAD_OFFSET). Submit again with the same
                request_id.
            UnavailableError: No gateway answered for ``timeout``, or ``resume_timeout`` in an upload. Submit
                again with the same request_id.
            TypeError: A job option is unknown.
            Exception: Any error of the iteration over ``items``, unchanged, with the effect of a wrong item.
        """
        job_options = option_fields(options, keywords)
        request = submit_request(kind, params, job_options, request_id or str(uuid.uuid4()))
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
        """Returns the calls, tokens and cost that a job would take, and stores nothing.

        Refuses the same requests as ``submit``.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, as for ``submit``. All of them are read.
            params: Parameters for all items. Default: none.
            options: Job options, checked as for ``submit``.
            keywords: Job options one by one. They override ``options``.

        Raises:
            InvalidArgumentError: A field is wrong; ``violations`` names it. Beyond the first 4 MB or 100,000
                items, an item is named by its place in its request.
            UnavailableError: No gateway answered for ``timeout``.
            TypeError: A job option is unknown.
            Exception: Any error of the iteration over ``items``, unchanged.
        """
        request = submit_request(kind, params, option_fields(options, keywords))
        return await estimate_job(self._connection, request, items)

    async def get(self, job_id: str) -> Job:
        """Returns the current snapshot of a job.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.GetJob, request)
        return to_job(response.job)

    def list(
        self, *, states: Iterable[JobState | str] = (), kind: str = "", page_size: int = 0
    ) -> AsyncGenerator[Job, None]:
        """Yields the tenant's jobs, newest first, page by page.

        Args:
            states: States to include, by name in any case. Default: all.
            kind: Kind to include. Default: all.
            page_size: Jobs per call, up to 1,000. Default: the gateway's choice.

        Raises:
            InvalidArgumentError: A state is unknown, or the gateway refuses an argument.
            UnavailableError: No gateway answered for ``timeout``.
        """
        request = build_request(
            gateway_pb2.ListJobsRequest, states=from_job_states(states), kind=kind, page_size=page_size
        )
        return list_jobs(self._connection, request)

    def watch(self, job_id: str, *, resume_token: str = "") -> AsyncGenerator[JobEvent, None]:
        """Yields a job's events: its current snapshot, then each change, last the terminal snapshot.

        Snapshots that come faster than they are read are merged. Their seq never decreases. A broken stream
        resumes automatically, at any gateway. Leaving the loop ends the watch, not the job.

        Args:
            job_id: UUID of the job.
            resume_token: Token of an event of an earlier watch, to continue after that event.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``resume_timeout``.
        """
        request = build_request(gateway_pb2.WatchJobRequest, job_id=job_id, resume_token=resume_token)
        return watch_job(self._connection, request)

    def results(
        self, job_id: str, *, follow: bool = False, item_state: ItemState | str | None = None
    ) -> AsyncGenerator[Result, None]:
        """Yields a job's results, each once.

        Args:
            job_id: UUID of the job.
            follow: False: results recorded so far, ordered by item_index. True: also later ones, in the order
                of recording, until the job has ended. The stream is read only as fast as you iterate.
            item_state: State of the results to include. Default: all.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``timeout``, or ``resume_timeout`` with follow.
        """
        query = {"job_id": job_id, "item_state": from_item_state(item_state)}
        if follow:
            return follow_results(self._connection, build_request(gateway_pb2.StreamResultsRequest, **query))
        return read_results(self._connection, build_request(gateway_pb2.GetResultsRequest, **query))

    async def cancel(self, job_id: str) -> Job:
        """Cancels a job and returns it: CANCELLING while a worker holds items of it, then CANCELLED.

        A finished job is returned unchanged. Recorded results stay.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.CancelJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.CancelJob, request)
        return to_job(response.job)

    async def pause(self, job_id: str) -> Job:
        """Pauses a job and returns it: no new calls start, calls in flight finish, an upload continues.

        Allowed in every state. A job that has ended or is ending is returned unchanged.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.PauseJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.PauseJob, request)
        return to_job(response.job)

    async def resume(self, job_id: str, *, budget_micros: int | None = None) -> Job:
        """Resumes a paused job and returns it. A job that has ended or is ending is returned unchanged.

        Args:
            job_id: UUID of the job.
            budget_micros: New total budget in millionths of a US dollar, including the amount already spent.
                It also applies to a job that is not paused. Default: the budget stays.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            FailedPreconditionError: The budget does not cover another call, or the new one does not exceed
                the amount already spent (BUDGET_SPENT).
        """
        request = build_request(gateway_pb2.ResumeJobRequest, job_id=job_id, budget_micros=budget_micros)
        response = await self._connection.call(self._connection.stub.ResumeJob, request)
        return to_job(response.job)

    async def failures(self, job_id: str) -> Sequence[FailureGroup]:
        """Returns the failed items of a job by reason, largest group first: the 50 largest groups.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetFailuresRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.GetFailures, request)
        return [to_failure_group(group) for group in response.groups]

    async def retry(
        self,
        job_id: str,
        *,
        reasons: Iterable[str] = (),
        item_indexes: Iterable[int] = (),
        request_id: str | None = None,
    ) -> Job:
        """Starts a new round of a finished job, and returns the job, which is live again.

        Every item without a success runs: failed ones, and those that a cancellation or an expiry left
        without a result. With ``reasons`` or ``item_indexes``, only the selected ones run. The others count
        as failed in the new round: a failure stays, and an item without a result fails (ITEM_NOT_SELECTED).
        Successes stay. The job_timeout starts again. A job that has not ended, or has nothing to run, is
        returned unchanged. Streams that have ended stay ended: watch again.

        A selection in a job of over 10,000 items is prepared in the background, within about a minute for
        1,000,000 items. Meanwhile the job shows the counts and results of the round before.

        Args:
            job_id: UUID of the job.
            reasons: Reasons of the failed items to run, up to 20.
            item_indexes: Other items to run, by their index, up to 10,000. Successes are ignored.
            request_id: Name of the wanted round, up to 128 characters. A second call with it starts nothing,
                even with another selection. Default: a new UUID.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(
            gateway_pb2.RetryJobRequest,
            job_id=job_id,
            request_id=request_id or str(uuid.uuid4()),
            reasons=(reasons,) if isinstance(reasons, str) else reasons,
            item_indexes=item_indexes,
        )
        response = await self._connection.call(self._connection.stub.RetryJob, request)
        return to_job(response.job)

    def history(self, job_id: str) -> AsyncGenerator[JobHistoryEvent, None]:
        """Yields what happened to a job, oldest first: states, pauses, lost workers, retries, and who did it.

        Args:
            job_id: UUID of the job.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway answered for ``timeout``.
        """
        request = build_request(gateway_pb2.ListJobEventsRequest, job_id=job_id)
        return read_history(self._connection, request)

    async def usage(
        self,
        *,
        by: str | Iterable[str] = (),
        first_day: date | str | None = None,
        last_day: date | str | None = None,
        kind: str = "",
        model: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> UsageReport:
        """Returns tokens and cost of the tenant's jobs. Deleted jobs count too.

        Args:
            by: Properties to group by: ``"day"``, ``"model"``, ``"kind"``, ``"label:KEY"``. Default: none.
            first_day: First day (UTC) on which the jobs were created. Default: 30 days before ``last_day``.
            last_day: Last day, inclusive, up to 366 days later. Default: today.
            kind: Kind of the jobs to include. Default: all.
            model: Model of the jobs to include, as the jobs name it. Default: all.
            labels: Labels that the jobs must have. Default: any.

        Raises:
            InvalidArgumentError: An argument is wrong; ``violations`` names it.
        """
        request = usage_request(by, first_day, last_day, kind=kind, model=model, labels=labels)
        return to_usage_report(await self._connection.call(self._connection.stub.GetUsage, request))

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
