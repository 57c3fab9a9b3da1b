"""The client for code without an event loop."""

import weakref
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar, Unpack, overload

from headrace._data.item_keys import Key
from headrace._progress.display import JobDisplay, PauseWarnings
from headrace._reading.sync_results import SyncResults
from headrace._reading.typed_outputs import OnMismatch
from headrace._running.mapping import OnFailure
from headrace._submitting.caller_items import CallerItems, in_caller, is_read_by_caller
from headrace._submitting.item_reading import items_in, keyed_items
from headrace._transport.background_loop import BackgroundLoop
from headrace.client import Client
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
_BATCH_SIZE = 100


class SyncClient:
    """Calls a gateway and waits for its responses: ``with SyncClient() as hr:``.

    It drives a ``Client`` on an event loop in its own thread, and has the same calls, arguments, errors and
    repeats. One is enough for a process: several threads can share it. An interrupt (Ctrl-C) cancels the call
    that the thread waits for. Leaving the loop over a watch or over results ends its stream at once.

    A thread that runs an event loop cannot use it (FailedPreconditionError, reason EVENT_LOOP_RUNNING),
    because waiting would stop that loop. Use ``Client`` there. Cells of a Jupyter notebook can use both: a
    cell waits for its calls anyway, and interrupting the kernel cancels the call and keeps the client usable.

    A client that was used does not survive a fork (CLIENT_FORKED). While one is open, no child of the process
    can use another. Make clients after the fork, or close all of them before it.

    Args:
        target: Address of the gateway, as for ``Client``.
        tenant: Tenant that owns the jobs, as for ``Client``.
        timeout: Seconds for one call with all its repeats, as for ``Client``.
        connect_timeout: Seconds to look for a first gateway, as for ``Client``.
        resume_timeout: Seconds to look for a gateway after a stream broke, as for ``Client``.

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
        self._client = Client(
            target, tenant, timeout=timeout, connect_timeout=connect_timeout, resume_timeout=resume_timeout
        )
        self.target = self._client.target
        self._loop = BackgroundLoop("headrace-client")
        weakref.finalize(self, self._loop.end)  # for one that was never closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancels the calls of all threads and closes the connection. A second call does nothing.

        A cancelled call raises CancelledError (CLIENT_CLOSED) in the thread that waits for it.
        """
        self._loop.close(self._client.close)

    def submit(
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
        """Stores a job with its items and returns its snapshot; see ``Client.submit``.

        A list, a generator, a table or a file is read in the calling thread, an async generator on the
        client's own loop. ``key`` runs where the items are read. ``on_open`` runs in the client's own thread
        and must not wait for another call of this client.
        """
        items = items_in(keyed_items(items, key))
        read_here = CallerItems(items) if is_read_by_caller(items) else None
        call = self._client.submit(
            kind,
            items if read_here is None else read_here,
            params,
            request_id=request_id,
            name=name,
            labels=labels,
            options=options,
            on_open=on_open,
            timeout=timeout,
            **keywords,
        )
        return self._loop.run(call, read_here)

    def estimate(
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
        """Returns the calls, tokens and cost that a job would take; see ``Client.estimate``."""
        items = items_in(keyed_items(items, key))
        read_here = CallerItems(items) if is_read_by_caller(items) else None
        call = self._client.estimate(
            kind,
            items if read_here is None else read_here,
            params,
            options=options,
            timeout=timeout,
            **keywords,
        )
        return self._loop.run(call, read_here)

    def get(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Returns the current snapshot of a job; see ``Client.get``."""
        return self._loop.run(self._client.get(job_id, timeout=timeout))

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
    ) -> Generator[Job, None, None]:
        """Yields the tenant's jobs, newest first, page by page; see ``Client.list``."""
        jobs = self._client.list(
            states=states,
            kind=kind,
            labels=labels,
            name=name,
            created_after=created_after,
            created_before=created_before,
            finished_after=finished_after,
            page_size=page_size,
            timeout=timeout,
        )
        return self._loop.iterate(self, jobs, _BATCH_SIZE)

    def watch(
        self, job_id: str, *, resume_token: str = "", timeout: float | None = None
    ) -> Generator[JobEvent, None, None]:
        """Yields a job's events up to its terminal snapshot; see ``Client.watch``."""
        events = self._client.watch(job_id, resume_token=resume_token, timeout=timeout)
        return self._loop.iterate(self, events, 1)

    def watch_jobs(
        self,
        labels: Mapping[str, str] | None = None,
        states: Iterable[JobState | str] = (),
        kind: str = "",
        *,
        resume_token: str = "",
        on_reset: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> Generator[WatchedJob, None, None]:
        """Yields the tenant's live jobs, then each job that changes; see ``Client.watch_jobs``.

        ``on_reset`` runs in the client's own thread and must not wait for another call of this client.
        """
        jobs = self._client.watch_jobs(
            labels, states, kind, resume_token=resume_token, on_reset=on_reset, timeout=timeout
        )
        return self._loop.iterate(self, jobs, 1)

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
    ) -> SyncResults[Any]: ...

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
    ) -> SyncResults[OutputT | None]: ...

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
    ) -> SyncResults[Any]:
        """Yields a job's results, each once; see ``Client.results``."""
        results = self._client.results(
            job_id,
            follow=follow,
            item_state=item_state,
            include_inputs=include_inputs,
            output_type=output_type,
            on_mismatch=on_mismatch,
            timeout=timeout,
        )
        return SyncResults(self, self._loop, results)

    def items(
        self,
        job_id: str,
        *,
        indexes: Iterable[int] = (),
        keys: Iterable[Any] = (),
        timeout: float | None = None,
    ) -> Generator[Item, None, None]:
        """Yields items of a job with their results; see ``Client.items``."""
        found = self._client.items(job_id, indexes=indexes, keys=keys, timeout=timeout)
        return self._loop.iterate(self, found, _BATCH_SIZE)

    def progress(self, job: Job | str, *, file: TextIO | None = None, timeout: float | None = None) -> Job:
        """Shows a job until it has ended, and returns its terminal snapshot; see ``Client.progress``.

        It is drawn by the calling thread.
        """
        caller = CallerItems(())
        with JobDisplay(file) as display:
            following = self._client._follow(job, in_caller(caller, display.show), timeout)
            return self._loop.run(following, caller)

    def run(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        progress: bool = True,
        timeout: float | None = None,
        **submission: Unpack[SubmitArguments],
    ) -> Sequence[Result]:
        """Submits a job, shows its progress, and returns the results in order; see ``Client.run``.

        Items are read as by ``submit``, and the progress is drawn by the calling thread.
        """
        items = items_in(keyed_items(items, submission.pop("key", None)))
        caller = CallerItems(items if is_read_by_caller(items) else ())
        with JobDisplay() if progress else PauseWarnings() as display:
            call = self._client._run(
                in_caller(caller, display.show),
                timeout,
                kind,
                caller if is_read_by_caller(items) else items,
                params,
                **submission,
            )
            return self._loop.run(call, caller)

    def map(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        on_failure: OnFailure = "raise",
        timeout: float | None = None,
        **submission: Unpack[SubmitArguments],
    ) -> Generator[Any, None, None]:
        """Submits a job and yields the output of each item, in the order of items; see ``Client.map``.

        Items are read as by ``submit``, while the calling thread waits for outputs.
        """
        items = items_in(keyed_items(items, submission.pop("key", None)))
        read_here = CallerItems(items) if is_read_by_caller(items) else None
        outputs = self._client.map(
            kind,
            items if read_here is None else read_here,
            params,
            on_failure=on_failure,
            timeout=timeout,
            **submission,
        )
        return self._loop.iterate(self, outputs, _BATCH_SIZE, read_here)

    def cancel(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Cancels a job and returns it; see ``Client.cancel``."""
        return self._loop.run(self._client.cancel(job_id, timeout=timeout))

    def pause(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Pauses a job and returns it; see ``Client.pause``."""
        return self._loop.run(self._client.pause(job_id, timeout=timeout))

    def resume(self, job_id: str, *, budget_micros: int | None = None, timeout: float | None = None) -> Job:
        """Resumes a paused job and returns it; see ``Client.resume``."""
        return self._loop.run(self._client.resume(job_id, budget_micros=budget_micros, timeout=timeout))

    def update(
        self,
        job_id: str,
        *,
        if_change_seq: int | None = None,
        resume: bool = False,
        timeout: float | None = None,
        **changes: Unpack[JobChanges],
    ) -> Job:
        """Changes a job and returns it; see ``Client.update``."""
        call = self._client.update(
            job_id, if_change_seq=if_change_seq, resume=resume, timeout=timeout, **changes
        )
        return self._loop.run(call)

    def delete(self, job_id: str, *, force: bool = False, timeout: float | None = None) -> None:
        """Deletes a job with its items and results; see ``Client.delete``."""
        self._loop.run(self._client.delete(job_id, force=force, timeout=timeout))

    def params(self, job_id: str, *, as_text: bool = False, timeout: float | None = None) -> Any:
        """Returns the params of a job, as submitted; see ``Client.params``."""
        return self._loop.run(self._client.params(job_id, as_text=as_text, timeout=timeout))

    def failures(self, job_id: str, *, timeout: float | None = None) -> Sequence[FailureGroup]:
        """Returns the failed items of a job by reason, largest group first; see ``Client.failures``."""
        return self._loop.run(self._client.failures(job_id, timeout=timeout))

    def retry(
        self,
        job_id: str,
        *,
        reasons: Iterable[str] = (),
        item_indexes: Iterable[int] = (),
        keys: Iterable[Any] = (),
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Starts a new round of the items without a success, or of selected ones; see ``Client.retry``."""
        return self._loop.run(
            self._client.retry(
                job_id,
                reasons=reasons,
                item_indexes=item_indexes,
                keys=keys,
                request_id=request_id,
                timeout=timeout,
            )
        )

    def history(self, job_id: str, *, timeout: float | None = None) -> Generator[JobHistoryEvent, None, None]:
        """Yields what happened to a job, oldest first; see ``Client.history``."""
        return self._loop.iterate(self, self._client.history(job_id, timeout=timeout), _BATCH_SIZE)

    def usage(
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
        """Returns tokens and cost of the tenant's jobs; see ``Client.usage``."""
        call = self._client.usage(
            by=by,
            first_day=first_day,
            last_day=last_day,
            kind=kind,
            model=model,
            labels=labels,
            timeout=timeout,
        )
        return self._loop.run(call)

    def kinds(self, *, timeout: float | None = None) -> Sequence[KindInfo]:
        """Returns the kinds of work that jobs can name, ordered by name; see ``Client.kinds``."""
        return self._loop.run(self._client.kinds(timeout=timeout))

    def workers(self, *, timeout: float | None = None) -> Sequence[WorkerInfo]:
        """Returns the workers seen lately, live ones first; see ``Client.workers``."""
        return self._loop.run(self._client.workers(timeout=timeout))
