"""Calls of the waiting client that submit jobs."""

from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TextIO, Unpack

from headrace._client.sync_base import SyncClientBase
from headrace._data.item_keys import Key
from headrace._progress.display import JobDisplay, PauseWarnings
from headrace._running.mapping import OnFailure
from headrace._submitting.caller_items import CallerItems, in_caller, is_read_by_caller
from headrace._submitting.item_reading import items_in, keyed_items
from headrace.options import JobOptions, SubmitArguments
from headrace.resources import Job, JobEstimate, Result

_BATCH_SIZE = 100


class SyncSubmittingCalls(SyncClientBase):
    """Submits and runs jobs, and shows their progress."""

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
