"""Calls that watch jobs."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from headrace._client.base import ClientBase
from headrace._messages.request_building import build_request
from headrace._reading.jobs_watching import watch_jobs, watch_jobs_request
from headrace._reading.watching import watch_job
from headrace._transport.timeouts import within
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import JobEvent, JobState, WatchedJob


class WatchingCalls(ClientBase):
    """Watches one job, or many."""

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
