"""Calls of the waiting client that read and watch."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, overload

from headrace._client.sync_base import SyncClientBase
from headrace._reading.sync_results import SyncResults
from headrace._reading.typed_outputs import OnMismatch
from headrace.resources import FailureGroup, Item, ItemState, Job, JobEvent, JobState, WatchedJob

_BATCH_SIZE = 100

OutputT = TypeVar("OutputT")


class SyncReadingCalls(SyncClientBase):
    """Watches jobs, and reads jobs, items and results."""

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

    def get(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Returns the current snapshot of a job; see ``Client.get``."""
        return self._loop.run(self._client.get(job_id, timeout=timeout))

    def params(self, job_id: str, *, as_text: bool = False, timeout: float | None = None) -> Any:
        """Returns the params of a job, as submitted; see ``Client.params``."""
        return self._loop.run(self._client.params(job_id, as_text=as_text, timeout=timeout))

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

    def failures(self, job_id: str, *, timeout: float | None = None) -> Sequence[FailureGroup]:
        """Returns the failed items of a job by reason, largest group first; see ``Client.failures``."""
        return self._loop.run(self._client.failures(job_id, timeout=timeout))
