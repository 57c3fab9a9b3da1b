"""Calls that submit a job and wait for it."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TextIO, Unpack

from headrace._client.submitting import SubmittingCalls
from headrace._progress.display import JobDisplay, PauseWarnings
from headrace._progress.following import Show, follow_job, steps_of
from headrace._running.mapping import OnFailure, checked_on_failure, map_items
from headrace._running.running import Submit, both, run_to_results
from headrace._transport.timeouts import limit, within
from headrace.options import SubmitArguments
from headrace.resources import Job, Result


class RunningCalls(SubmittingCalls):
    """Runs jobs to their ends, and shows their progress."""

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
