"""The client for code without an event loop."""

import weakref
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self, Unpack

from headrace._submitting.caller_items import CallerItems, is_read_by_caller
from headrace._submitting.item_reading import items_in
from headrace._transport.background_loop import BackgroundLoop
from headrace.client import Client
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

_BATCH_SIZE = 100


class SyncClient:
    """Calls a gateway and waits for its responses: ``with SyncClient() as hr:``.

    It drives a ``Client`` on an event loop in its own thread, and has the same calls, arguments, errors and
    repeats. One is enough for a process: several threads can share it. An interrupt (Ctrl-C) cancels the call
    that the thread waits for. Leaving the loop over a watch or over results ends its stream at once.

    A thread that runs an event loop cannot use it (FailedPreconditionError, reason EVENT_LOOP_RUNNING),
    because waiting would stop that loop. Use ``Client`` there, in notebooks too.

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
        request_id: str | None = None,
        options: JobOptions | None = None,
        on_open: Callable[[Job], object] | None = None,
        **keywords: Unpack[JobOptions],
    ) -> Job:
        """Stores a job with its items and returns its snapshot; see ``Client.submit``.

        A list, a generator, a table or a file is read in the calling thread, an async generator on the
        client's own loop. ``on_open`` runs in the client's own thread and must not wait for another call of
        this client.
        """
        items = items_in(items)
        read_here = CallerItems(items) if is_read_by_caller(items) else None
        call = self._client.submit(
            kind,
            items if read_here is None else read_here,
            params,
            request_id=request_id,
            options=options,
            on_open=on_open,
            **keywords,
        )
        return self._loop.run(call, read_here)

    def estimate(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        params: Any = None,
        *,
        options: JobOptions | None = None,
        **keywords: Unpack[JobOptions],
    ) -> JobEstimate:
        """Returns the calls, tokens and cost that a job would take; see ``Client.estimate``."""
        items = items_in(items)
        read_here = CallerItems(items) if is_read_by_caller(items) else None
        call = self._client.estimate(
            kind, items if read_here is None else read_here, params, options=options, **keywords
        )
        return self._loop.run(call, read_here)

    def get(self, job_id: str) -> Job:
        """Returns the current snapshot of a job; see ``Client.get``."""
        return self._loop.run(self._client.get(job_id))

    def list(
        self, *, states: Iterable[JobState | str] = (), kind: str = "", page_size: int = 0
    ) -> Generator[Job, None, None]:
        """Yields the tenant's jobs, newest first, page by page; see ``Client.list``."""
        jobs = self._client.list(states=states, kind=kind, page_size=page_size)
        return self._loop.iterate(self, jobs, _BATCH_SIZE)

    def watch(self, job_id: str, *, resume_token: str = "") -> Generator[JobEvent, None, None]:
        """Yields a job's events up to its terminal snapshot; see ``Client.watch``."""
        return self._loop.iterate(self, self._client.watch(job_id, resume_token=resume_token), 1)

    def results(
        self, job_id: str, *, follow: bool = False, item_state: ItemState | str | None = None
    ) -> Generator[Result, None, None]:
        """Yields a job's results, each once; see ``Client.results``."""
        results = self._client.results(job_id, follow=follow, item_state=item_state)
        return self._loop.iterate(self, results, _BATCH_SIZE)

    def cancel(self, job_id: str) -> Job:
        """Cancels a job and returns it; see ``Client.cancel``."""
        return self._loop.run(self._client.cancel(job_id))

    def pause(self, job_id: str) -> Job:
        """Pauses a job and returns it; see ``Client.pause``."""
        return self._loop.run(self._client.pause(job_id))

    def resume(self, job_id: str, *, budget_micros: int | None = None) -> Job:
        """Resumes a paused job and returns it; see ``Client.resume``."""
        return self._loop.run(self._client.resume(job_id, budget_micros=budget_micros))

    def failures(self, job_id: str) -> Sequence[FailureGroup]:
        """Returns the failed items of a job by reason, largest group first; see ``Client.failures``."""
        return self._loop.run(self._client.failures(job_id))

    def retry(
        self,
        job_id: str,
        *,
        reasons: Iterable[str] = (),
        item_indexes: Iterable[int] = (),
        request_id: str | None = None,
    ) -> Job:
        """Starts a new round of the items without a success, or of selected ones; see ``Client.retry``."""
        return self._loop.run(
            self._client.retry(job_id, reasons=reasons, item_indexes=item_indexes, request_id=request_id)
        )

    def history(self, job_id: str) -> Generator[JobHistoryEvent, None, None]:
        """Yields what happened to a job, oldest first; see ``Client.history``."""
        return self._loop.iterate(self, self._client.history(job_id), _BATCH_SIZE)

    def usage(
        self,
        *,
        by: str | Iterable[str] = (),
        first_day: date | str | None = None,
        last_day: date | str | None = None,
        kind: str = "",
        model: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> UsageReport:
        """Returns tokens and cost of the tenant's jobs; see ``Client.usage``."""
        call = self._client.usage(
            by=by, first_day=first_day, last_day=last_day, kind=kind, model=model, labels=labels
        )
        return self._loop.run(call)

    def kinds(self) -> Sequence[KindInfo]:
        """Returns the kinds of work that jobs can name, ordered by name; see ``Client.kinds``."""
        return self._loop.run(self._client.kinds())

    def workers(self) -> Sequence[WorkerInfo]:
        """Returns the workers seen lately, live ones first; see ``Client.workers``."""
        return self._loop.run(self._client.workers())
