"""The asynchronous client: submits jobs, watches them, and reads their results."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar, Unpack, overload

from headrace._changing.updates import update_request
from headrace._data.item_keys import Key
from headrace._messages.conversion import to_failure_group, to_job, to_kind_info, to_worker_info
from headrace._messages.enum_names import from_item_state
from headrace._messages.history import to_usage_report, usage_request
from headrace._messages.job_options import option_fields
from headrace._messages.json_text import JsonText, decode
from headrace._messages.request_building import build_request
from headrace._progress.display import JobDisplay, PauseWarnings
from headrace._progress.following import Show, follow_job, steps_of
from headrace._reading.history_reading import read_history
from headrace._reading.item_reading import key_texts, read_job_items
from headrace._reading.job_listing import list_jobs, list_request
from headrace._reading.jobs_watching import watch_jobs, watch_jobs_request
from headrace._reading.results import Results, open_results
from headrace._reading.typed_outputs import OnMismatch
from headrace._reading.watching import watch_job
from headrace._running.mapping import OnFailure, OpenMaps, checked_on_failure, map_items
from headrace._running.running import Submit, both, run_to_results
from headrace._submitting.estimation import estimate_job
from headrace._submitting.item_reading import keyed_items
from headrace._submitting.submission import submit_job, submit_request
from headrace._transport.connection import GatewayConnection
from headrace._transport.targets import gateway_target
from headrace._transport.timeouts import limit, within
from headrace.gateway.v1 import gateway_pb2
from headrace.options import JobChanges, JobOptions, SubmitArguments
from headrace.resources import (
    FailureGroup,
    Item,
    ItemState,
    Job,
    JobEstimate,
    JobEvent,
    JobHistoryEvent,
    JobState,
    KindInfo,
    Result,
    UsageReport,
    WatchedJob,
    WorkerInfo,
)

OutputT = TypeVar("OutputT")


class Client:
    """Calls a gateway: ``async with Client() as hr:``. Each event loop that uses it gets its own connection.

    Every call is safe to repeat. While the gateway is unavailable, the client repeats it with growing waits.
    Each call takes a ``timeout`` of its own, in seconds.
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
        self._maps = OpenMaps()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancels calls under way and closes the connection. A second call does nothing.

        Jobs of a ``map`` that was not read to its end are cancelled.
        """
        await self._maps.cancel_all(self._connection)
        await self._connection.close()

    async def submit(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        key: Key | None = None,
        request_id: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        options: JobOptions | None = None,
        on_open: Callable[[Job], object] | None = None,
        timeout: float | None = None,
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
            key: Field that holds the key of each item, such as ``"id"``, or a function that returns it. Keys
                have up to 256 characters and are unique in the job; numbers become their text. Each result
                has the key of its item. Default: no keys.
            request_id: Name of the wanted job, up to 128 characters. Default: a new UUID.
            name: Name of the job for people, up to 128 characters. Need not be unique. Default: none.
            labels: Labels by which the job is found, up to 64. Keys have 1 to 63 of A-Z, a-z, 0-9, ``-_./``,
                and begin and end with a letter or a digit. Values have up to 256 characters. Default: none.
            options: Job options; see ``JobOptions``.
            on_open: Called once with the job as soon as it is stored, before an upload sends its items.
            timeout: Seconds for each call, and in an upload for each response. Default: that of the client.
            keywords: Job options one by one. They override ``options``.

        Raises:
            InvalidArgumentError: A field is wrong; ``violations`` names it. An item that cannot be written as
                JSON or exceeds 1 MB (ITEM_TOO_LARGE) is one of these, and so is a key that is missing, or
                that another item has (ITEM_KEY_TAKEN). Items of an upload before it stay stored, and the same
                request_id continues the upload.
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
        request_id = request_id or str(uuid.uuid4())
        request = submit_request(kind, params, job_options, request_id, name=name, labels=labels)
        connection = self._connection.limited_to(timeout)
        return await submit_job(connection, request, keyed_items(items, key), on_open)

    async def estimate(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        key: Key | None = None,
        options: JobOptions | None = None,
        timeout: float | None = None,
        **keywords: Unpack[JobOptions],
    ) -> JobEstimate:
        """Returns the calls, tokens and cost that a job would take, and stores nothing.

        Refuses the same requests as ``submit``.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, as for ``submit``. All of them are read.
            params: Parameters for all items. Default: none.
            key: Key of each item, checked as for ``submit``.
            options: Job options, checked as for ``submit``.
            timeout: Seconds for each call. Default: that of the client.
            keywords: Job options one by one. They override ``options``.

        Raises:
            InvalidArgumentError: A field is wrong; ``violations`` names it. Beyond the first 4 MB or 100,000
                items, an item is named by its place in its request.
            UnavailableError: No gateway answered for ``timeout``.
            TypeError: A job option is unknown.
            Exception: Any error of the iteration over ``items``, unchanged.
        """
        request = submit_request(kind, params, option_fields(options, keywords))
        return await estimate_job(self._connection.limited_to(timeout), request, keyed_items(items, key))

    async def get(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Returns the current snapshot of a job.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.GetJob, request, timeout)
        return to_job(response.job)

    def list(
        self,
        *,
        states: Iterable[JobState | str] = (),
        kind: str = "",
        labels: Mapping[str, str] | None = None,
        name: str = "",
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        finished_after: datetime | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Yields the tenant's jobs, newest first, page by page.

        Args:
            states: States to include, by name in any case. Default: all.
            kind: Kind to include. Default: all.
            labels: Labels that a job must have, all of them. Default: any.
            name: Name to include. Default: any.
            created_after: Earliest creation, with a time zone. Default: no bound.
            created_before: Creation before this time, with a time zone. Default: no bound.
            finished_after: Earliest end, with a time zone. Default: no bound.
            page_size: Jobs per call, up to 1,000. Default: the gateway's choice.
            timeout: Seconds for each call of a page. Default: that of the client.

        Raises:
            InvalidArgumentError: A state is unknown, or the gateway refuses an argument.
            UnavailableError: No gateway answered for ``timeout``.
        """
        request = list_request(
            states=states,
            kind=kind,
            labels=labels,
            name=name,
            created_after=created_after,
            created_before=created_before,
            finished_after=finished_after,
            page_size=page_size,
        )
        return list_jobs(self._connection.limited_to(timeout), request)

    def watch(
        self, job_id: str, *, resume_token: str = "", timeout: float | None = None
    ) -> AsyncGenerator[JobEvent, None]:
        """Yields a job's events: its current snapshot, then each change, last the terminal snapshot.

        Snapshots that come faster than they are read are merged. Their seq never decreases. A broken stream
        resumes automatically, at any gateway. Leaving the loop ends the watch, not the job.

        Args:
            job_id: UUID of the job.
            resume_token: Token of an event of an earlier watch, to continue after that event.
            timeout: Seconds for the whole watch. Then DeadlineExceededError; the job continues. Default: no
                limit.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``resume_timeout``.
        """
        request = build_request(gateway_pb2.WatchJobRequest, job_id=job_id, resume_token=resume_token)
        return within(watch_job(self._connection, request), timeout)

    def watch_jobs(
        self,
        labels: Mapping[str, str] | None = None,
        states: Iterable[JobState | str] = (),
        kind: str = "",
        *,
        resume_token: str = "",
        on_reset: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[WatchedJob, None]:
        """Yields the tenant's live jobs, then each job that changes, until you leave the loop.

        Changes of state, pauses, retries, updates and deletions are never missed: each comes at least once,
        usually within a second. Counts of running jobs come as they are known. A broken stream resumes
        automatically, at any gateway. A service that stores the last ``resume_token`` hears after a restart
        of all that ended meanwhile, up to 7 days later. At its very first start it lists the ended jobs.

        Args:
            labels: Labels that a job must have, all of them. Default: any.
            states: States to include, by name in any case. Default: all. With terminal states only, the
                watch begins with no job.
            kind: Kind to include. Default: all.
            resume_token: Token of a job of an earlier watch, to continue after it.
            on_reset: Called when changes may have been missed, because the token was too old or the store was
                restored: list the jobs that you need. The live jobs come again. Default: logs a warning.
            timeout: Seconds for the whole watch. Then DeadlineExceededError. Default: no limit.

        Raises:
            InvalidArgumentError: A state is unknown, or the gateway refuses an argument.
            UnavailableError: No gateway could be reached for ``resume_timeout``.
        """
        request = watch_jobs_request(labels, states, kind, resume_token)
        return within(watch_jobs(self._connection, request, on_reset), timeout)

    @overload
    def results(
        self,
        job_id: str,
        *,
        follow: bool = False,
        item_state: ItemState | str | None = None,
        include_inputs: bool = False,
        output_type: None = None,
        on_mismatch: OnMismatch = "raise",
        timeout: float | None = None,
    ) -> Results[Any]: ...

    @overload
    def results(
        self,
        job_id: str,
        *,
        follow: bool = False,
        item_state: ItemState | str | None = None,
        include_inputs: bool = False,
        output_type: type[OutputT],
        on_mismatch: OnMismatch = "raise",
        timeout: float | None = None,
    ) -> Results[OutputT | None]: ...

    def results(
        self,
        job_id: str,
        *,
        follow: bool = False,
        item_state: ItemState | str | None = None,
        include_inputs: bool = False,
        output_type: Any = None,
        on_mismatch: OnMismatch = "raise",
        timeout: float | None = None,
    ) -> Results[Any]:
        """Yields a job's results, each once. ``Results`` also writes them to files and tables.

        Args:
            job_id: UUID of the job.
            follow: False: results recorded so far, ordered by item_index. True: also later ones, in the order
                of recording, until the job has ended. The stream is read only as fast as you iterate.
            item_state: State of the results to include. Default: all.
            include_inputs: Whether each result brings the input of its item.
            output_type: Type that each output becomes: a pydantic model, a dataclass, a TypedDict, or any
                other type that pydantic can validate. Default: outputs are JSON values.
            on_mismatch: "raise": an output that is not of the type raises, naming item and field. "fail": its
                result is FAILED, with the reason OUTPUT_MISMATCH, and keeps the ``output_text``. The stored
                result stays as it is.
            timeout: Seconds for each call of a page; with ``follow``, for the whole stream. Default: that of
                the client; with ``follow``, no limit.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``timeout``, or ``resume_timeout`` with follow.
            OutputMismatchError: An output is not of the output_type.
            InvalidArgumentError: An argument is wrong, or pydantic cannot validate the output_type.
        """
        return open_results(
            self._connection,
            job_id,
            follow=follow,
            item_state=from_item_state(item_state),
            include_inputs=include_inputs,
            output_type=output_type,
            on_mismatch=on_mismatch,
            timeout=timeout,
        )

    def items(
        self,
        job_id: str,
        *,
        indexes: Iterable[int] = (),
        keys: Iterable[Any] = (),
        timeout: float | None = None,
    ) -> AsyncGenerator[Item, None]:
        """Yields items of a job with their results, ordered by index: named ones, or all stored so far.

        Items that the job does not have are left out. Names beyond 1,000 take more calls, and items are
        ordered within each.

        Args:
            job_id: UUID of the job.
            indexes: Items to include, by their index.
            keys: Items to include too, by their key. Default, with no indexes: all items.
            timeout: Seconds for each call of a page. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway answered for ``timeout``.
        """
        return read_job_items(self._connection.limited_to(timeout), job_id, indexes, keys)

    async def progress(
        self, job: Job | str, *, file: TextIO | None = None, timeout: float | None = None
    ) -> Job:
        """Shows a job until it has ended, and returns its terminal snapshot.

        A notebook and a terminal show a bar if tqdm is installed (``headrace[progress]``), or else one line
        that is rewritten. Other streams get a line for each change of state, and each five seconds. A lost
        connection is shown as ``reconnecting``. Leaving the call ends the display, not the job.

        Args:
            job: A snapshot of the job, or its UUID.
            file: Stream to write to. Default: stderr.
            timeout: Seconds for the whole call. Then DeadlineExceededError; the job continues. Default: no
                limit.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway could be reached for ``resume_timeout``.
        """
        with JobDisplay(file) as display:
            return await self._follow(job, display.show, timeout)

    async def _follow(self, job: Job | str, show: Show, timeout: float | None) -> Job:
        return await limit(follow_job(steps_of(self._connection, job), show), timeout)

    async def run(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        progress: bool = True,
        timeout: float | None = None,
        **submission: Unpack[SubmitArguments],
    ) -> Sequence[Result]:
        """Submits a job, shows its progress, and returns the result of each item, in the order of items.

        All results are in memory; see ``map`` for many. A failed item has a result without output. While the
        job is PAUSED, the call waits. Leaving the call, also by Ctrl-C or by its timeout, leaves the job
        running: call again with the same request_id and content, or read ``results``.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, as for ``submit``.
            params: Parameters for all items. Default: none.
            progress: Whether to show the progress as ``progress`` does. If not, a pause is logged as a
                warning.
            timeout: Seconds for the whole call. Then DeadlineExceededError; the job continues. Default: no
                limit.
            submission: Other arguments of ``submit`` and job options; see ``SubmitArguments``.

        Raises:
            JobUnsuccessfulError: The job did not succeed; ``job`` is its last snapshot.
            HeadraceError: As for ``submit``, ``watch`` and ``results``.
        """
        with JobDisplay() if progress else PauseWarnings() as display:
            return await self._run(display.show, timeout, kind, items, params, **submission)

    async def _run(
        self,
        show: Show,
        timeout: float | None,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any,
        **submission: Unpack[SubmitArguments],
    ) -> Sequence[Result]:
        submit = self._submit_noted(kind, items, params, submission)
        return await limit(run_to_results(self._connection, submit, show), timeout)

    def map(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        on_failure: OnFailure = "raise",
        timeout: float | None = None,
        **submission: Unpack[SubmitArguments],
    ) -> AsyncGenerator[Any, None]:
        """Submits a job and yields the output of each item, in the order of items, as soon as it is there.

        Memory is bounded: items are uploaded while they are read, and at most a page of 1,000 results is
        held. The job is submitted by the first request of an output. Leaving the loop before the last output
        cancels the job: nobody would read what it still spends. Recorded results stay.

        Args:
            kind: Name of a kind of work; see ``kinds``.
            items: JSON values, as for ``submit``.
            params: Parameters for all items. Default: none.
            on_failure: "raise": a failed item raises ItemUnsuccessfulError, and the job is cancelled.
                "yield": that error is yielded in the place of the output, and ``max_failed_ratio`` is 1 if it
                is not given.
            timeout: Seconds from the first request of an output to the last output. Then
                DeadlineExceededError, and the job is cancelled. Default: no limit.
            submission: Other arguments of ``submit`` and job options; see ``SubmitArguments``.

        Raises:
            ItemUnsuccessfulError: An item failed; ``result`` has its index and its error.
            JobUnsuccessfulError: The job did not succeed. The outputs before were yielded.
            HeadraceError: As for ``submit``, ``watch`` and ``results``.
        """
        if checked_on_failure(on_failure) == "yield":
            submission["options"] = {"max_failed_ratio": 1.0, **(submission.get("options") or {})}
        submit = self._submit_noted(kind, items, params, submission)
        return within(map_items(self._connection, submit, on_failure, self._maps), timeout)

    def _submit_noted(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any,
        submission: SubmitArguments,
    ) -> Submit:
        """Returns a function that submits the job, and calls another one too once it is stored."""

        def submit(note: Callable[[Job], object]) -> Coroutine[Any, Any, Job]:
            noted: SubmitArguments = {**submission, "on_open": both(note, submission.get("on_open"))}
            return self.submit(kind, items, params, **noted)

        return submit

    async def cancel(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Cancels a job and returns it: CANCELLING while a worker holds items of it, then CANCELLED.

        A finished job is returned unchanged. Recorded results stay.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.CancelJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.CancelJob, request, timeout)
        return to_job(response.job)

    async def pause(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Pauses a job and returns it: no new calls start, calls in flight finish, an upload continues.

        Allowed in every state. A job that has ended or is ending is returned unchanged.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.PauseJobRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.PauseJob, request, timeout)
        return to_job(response.job)

    async def resume(
        self, job_id: str, *, budget_micros: int | None = None, timeout: float | None = None
    ) -> Job:
        """Resumes a paused job and returns it. A job that has ended or is ending is returned unchanged.

        Args:
            job_id: UUID of the job.
            budget_micros: New total budget in millionths of a US dollar, including the amount already spent.
                It also applies to a job that is not paused. Default: the budget stays.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            FailedPreconditionError: The budget does not cover another call, or the new one does not exceed
                the amount already spent (BUDGET_SPENT).
        """
        request = build_request(gateway_pb2.ResumeJobRequest, job_id=job_id, budget_micros=budget_micros)
        response = await self._connection.call(self._connection.stub.ResumeJob, request, timeout)
        return to_job(response.job)

    async def update(
        self,
        job_id: str,
        *,
        if_change_seq: int | None = None,
        resume: bool = False,
        timeout: float | None = None,
        **changes: Unpack[JobChanges],
    ) -> Job:
        """Changes a job and returns it. A terminal job takes name, labels and retention only.

        Args:
            job_id: UUID of the job.
            if_change_seq: ``Job.change_seq`` of the snapshot that they are based on. Default: no check.
            resume: Whether to resume a job that is PAUSED for BUDGET, in the same step.
            timeout: Seconds for this call with all its repeats. Default: that of the client.
            changes: New values, by name. None clears a field.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            AbortedError: The job has changed since if_change_seq (JOB_CHANGED).
            FailedPreconditionError: The job has ended (JOB_ENDED), or the budget is not above what is spent
                (BUDGET_SPENT).
            InvalidArgumentError: A value is not allowed; ``violations`` names each.
        """
        request = update_request(job_id, changes, if_change_seq, resume=resume)
        response = await self._connection.call(self._connection.stub.UpdateJob, request, timeout)
        return to_job(response.job)

    async def delete(self, job_id: str, *, force: bool = False, timeout: float | None = None) -> None:
        """Deletes a job with its items and results. Its usage still counts.

        Args:
            job_id: UUID of the job.
            force: Whether to delete a job that has not ended, too. It is cancelled first, and the call waits
                15 s for workers to return its items.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist any more, or it belongs to another tenant.
            FailedPreconditionError: The job has not ended, and force is not set (JOB_NOT_ENDED).
        """
        request = build_request(gateway_pb2.DeleteJobRequest, job_id=job_id, force=force)
        await self._connection.call(self._connection.stub.DeleteJob, request, timeout)

    async def params(self, job_id: str, *, as_text: bool = False, timeout: float | None = None) -> Any:
        """Returns the params of a job, as submitted.

        Args:
            job_id: UUID of the job.
            as_text: Whether to return their unchanged JSON text, a JsonText, which ``submit`` takes too.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetJobRequest, job_id=job_id, include_params=True)
        text = (await self._connection.call(self._connection.stub.GetJob, request, timeout)).params
        return JsonText(text) if as_text else decode(text)

    async def failures(self, job_id: str, *, timeout: float | None = None) -> Sequence[FailureGroup]:
        """Returns the failed items of a job by reason, largest group first: the 50 largest groups.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(gateway_pb2.GetFailuresRequest, job_id=job_id)
        response = await self._connection.call(self._connection.stub.GetFailures, request, timeout)
        return [to_failure_group(group) for group in response.groups]

    async def retry(
        self,
        job_id: str,
        *,
        reasons: Iterable[str] = (),
        item_indexes: Iterable[int] = (),
        keys: Iterable[Any] = (),
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Starts a new round of a finished job, and returns the job, which is live again.

        Every item without a success runs: failed ones, and those that a cancellation or an expiry left
        without a result. With ``reasons``, ``item_indexes`` or ``keys``, only the selected ones run. The
        others count as failed in the new round: a failure stays, and an item without a result fails
        (ITEM_NOT_SELECTED).
        Successes stay. The job_timeout starts again. A job that has not ended, or has nothing to run, is
        returned unchanged. Streams that have ended stay ended: watch again.

        A selection in a job of over 10,000 items is prepared in the background, within about a minute for
        1,000,000 items. Meanwhile the job shows the counts and results of the round before.

        Args:
            job_id: UUID of the job.
            reasons: Reasons of the failed items to run, up to 20.
            item_indexes: Other items to run, by their index, up to 10,000. Successes are ignored.
            keys: Other items to run, by their key, up to 10,000. Unknown keys are ignored.
            request_id: Name of the wanted round, up to 128 characters. A second call with it starts nothing,
                even with another selection. Default: a new UUID.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
        """
        request = build_request(
            gateway_pb2.RetryJobRequest,
            job_id=job_id,
            request_id=request_id or str(uuid.uuid4()),
            reasons=(reasons,) if isinstance(reasons, str) else reasons,
            item_indexes=item_indexes,
            item_keys=key_texts(keys),
        )
        response = await self._connection.call(self._connection.stub.RetryJob, request, timeout)
        return to_job(response.job)

    def history(self, job_id: str, *, timeout: float | None = None) -> AsyncGenerator[JobHistoryEvent, None]:
        """Yields what happened to a job, oldest first: states, pauses, lost workers, retries, and who did it.

        Args:
            job_id: UUID of the job.
            timeout: Seconds for each call of a page. Default: that of the client.

        Raises:
            NotFoundError: The job does not exist, or it belongs to another tenant.
            UnavailableError: No gateway answered for ``timeout``.
        """
        request = build_request(gateway_pb2.ListJobEventsRequest, job_id=job_id)
        return read_history(self._connection.limited_to(timeout), request)

    async def usage(
        self,
        *,
        by: str | Iterable[str] = (),
        first_day: date | str | None = None,
        last_day: date | str | None = None,
        kind: str = "",
        model: str = "",
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> UsageReport:
        """Returns tokens and cost of the tenant's jobs. Deleted jobs count too.

        Args:
            by: Properties to group by: ``"day"``, ``"model"``, ``"kind"``, ``"label:KEY"``. Default: none.
            first_day: First day (UTC) on which the jobs were created. Default: 30 days before ``last_day``.
            last_day: Last day, inclusive, up to 366 days later. Default: today.
            kind: Kind of the jobs to include. Default: all.
            model: Model of the jobs to include, as the jobs name it. Default: all.
            labels: Labels that the jobs must have. Default: any.
            timeout: Seconds for this call with all its repeats. Default: that of the client.

        Raises:
            InvalidArgumentError: An argument is wrong; ``violations`` names it.
        """
        request = usage_request(by, first_day, last_day, kind=kind, model=model, labels=labels)
        response = await self._connection.call(self._connection.stub.GetUsage, request, timeout)
        return to_usage_report(response)

    async def kinds(self, *, timeout: float | None = None) -> Sequence[KindInfo]:
        """Returns the kinds of work that jobs can name, ordered by name."""
        request = gateway_pb2.ListKindsRequest()
        response = await self._connection.call(self._connection.stub.ListKinds, request, timeout)
        return [to_kind_info(kind) for kind in response.kinds]

    async def workers(self, *, timeout: float | None = None) -> Sequence[WorkerInfo]:
        """Returns the workers seen lately, live ones first."""
        request = gateway_pb2.ListWorkersRequest()
        response = await self._connection.call(self._connection.stub.ListWorkers, request, timeout)
        return [to_worker_info(worker) for worker in response.workers]
