"""The client for code without an event loop."""

import weakref
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from headrace._submitting.caller_items import CallerItems, is_read_by_caller
from headrace._transport.background_loop import BackgroundLoop
from headrace.client import Client
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

_BATCH_SIZE = 100


class SyncClient:
    """Calls a gateway and waits for its answers: ``with SyncClient() as hr:``.

    It drives a ``Client`` on an event loop in a thread of its own, and has the same calls, arguments, errors
    and repeats. One is enough for a process: several threads may use it at once. An interrupt (Ctrl-C) while
    a call waits ends that call. Leaving the loop over a watch or over results ends its stream at once.

    In a thread that runs an event loop every call is refused (FailedPreconditionError, reason
    EVENT_LOOP_RUNNING), for it would stop that loop: use ``Client`` there, in notebooks too. In a process
    forked after it was made its calls are refused as well (CLIENT_FORKED): make one after the fork.

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
        """Breaks off calls under way, of all threads, and closes the connection; a second call does nothing.

        What was broken off raises CancelledError (CLIENT_CLOSED) where it waits.
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
            items: JSON values, one a unit of work, in a list or a generator, which is read in this thread;
                an async generator is read on the client's own loop. Each up to 1 MB as JSON, 1 to 10,000,000
                of them.
            params: What holds for all items, as the kind's params_schema says, up to 1 MB; None: no params.
            request_id: Names the wanted job, up to 128 characters. Default: a new UUID.
            options: Job options; see ``JobOptions``.
            on_open: Called once with the job as soon as it is stored, before an upload brings its items; in
                the client's own thread, where no call of it may wait.
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
        read_here = CallerItems(items) if is_read_by_caller(items) else None
        call = self._client.estimate(
            kind, items if read_here is None else read_here, params, options=options, **keywords
        )
        return self._loop.run(call, read_here)

    def get(self, job_id: str) -> Job:
        """Returns a job's present snapshot.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
        """
        return self._loop.run(self._client.get(job_id))

    def list(
        self, *, states: Iterable[JobState | str] = (), kind: str = "", page_size: int = 0
    ) -> Generator[Job, None, None]:
        """Yields the tenant's jobs, newest first, page after page.

        Args:
            states: Only jobs in one of these states, by name in any case; empty: all.
            kind: Only jobs of this kind; empty: all.
            page_size: Jobs a call, up to 1,000; default: as the gateway likes.

        Raises:
            InvalidArgumentError: A state is not known, or the gateway refuses an argument.
            UnavailableError: No gateway answered for ``timeout``.
        """
        jobs = self._client.list(states=states, kind=kind, page_size=page_size)
        return self._loop.iterate(self, jobs, _BATCH_SIZE)

    def watch(self, job_id: str, *, resume_token: str = "") -> Generator[JobEvent, None, None]:
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
        return self._loop.iterate(self, self._client.watch(job_id, resume_token=resume_token), 1)

    def results(
        self, job_id: str, *, follow: bool = False, item_state: ItemState | str | None = None
    ) -> Generator[Result, None, None]:
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
        results = self._client.results(job_id, follow=follow, item_state=item_state)
        return self._loop.iterate(self, results, _BATCH_SIZE)

    def cancel(self, job_id: str) -> Job:
        """Ends a job and returns it: CANCELLING while a worker still holds items of it, then CANCELLED.

        A finished job is returned unchanged. Results recorded so far stay.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
        """
        return self._loop.run(self._client.cancel(job_id))

    def pause(self, job_id: str) -> Job:
        """Pauses a job and returns it: nothing new is started, calls in flight end, an upload goes on.

        Allowed in every state; a job that has ended or is being ended is returned unchanged.

        Raises:
            NotFoundError: There is no such job, or it belongs to another tenant.
        """
        return self._loop.run(self._client.pause(job_id))

    def resume(self, job_id: str, *, budget_micros: int | None = None) -> Job:
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
        return self._loop.run(self._client.resume(job_id, budget_micros=budget_micros))

    def retry(self, job_id: str, *, request_id: str | None = None) -> Job:
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
        return self._loop.run(self._client.retry(job_id, request_id=request_id))

    def kinds(self) -> Sequence[KindInfo]:
        """Returns the kinds of work that jobs can name, ordered by name."""
        return self._loop.run(self._client.kinds())

    def workers(self) -> Sequence[WorkerInfo]:
        """Returns the workers seen lately, live ones first."""
        return self._loop.run(self._client.workers())
