"""Calls of the waiting client that change jobs, and report on jobs and the system."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Unpack

from headrace._client.sync_base import SyncClientBase
from headrace.options import JobChanges
from headrace.resources import Job, JobHistoryEvent, KindInfo, UsageReport, WorkerInfo

_BATCH_SIZE = 100


class SyncChangingCalls(SyncClientBase):
    """Changes and deletes jobs, and reads histories, usage, kinds and workers."""

    def cancel(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Cancels a job and returns it; see ``Client.cancel``."""
        return self._loop.run(self._client.cancel(job_id, timeout=timeout))

    def pause(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Pauses a job and returns it; see ``Client.pause``."""
        return self._loop.run(self._client.pause(job_id, timeout=timeout))

    def resume(self, job_id: str, *, budget_micros: int | None = None, timeout: float | None = None) -> Job:
        """Resumes a paused job and returns it; see ``Client.resume``."""
        return self._loop.run(self._client.resume(job_id, budget_micros=budget_micros, timeout=timeout))

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
