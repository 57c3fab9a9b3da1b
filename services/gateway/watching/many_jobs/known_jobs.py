"""The jobs that a watch of many jobs has sent, as far as it remembers."""

from collections import OrderedDict

from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.many_jobs.job_filter import JobFilter
from services.stubs.results.v1 import results_pb2

# Jobs that one watch remembers.
MAX_KNOWN = 4_000


class KnownJobs:
    """Decides what a watch sends of a snapshot: nothing, the snapshot, or that the job left or is deleted.

    It remembers the jobs it sent last. Of a job that it does not know, it sends that it left if the reader
    may know it: from an earlier stream, or because it was sent long ago.

    Args:
        job_filter: Jobs to send.
        is_complete: Whether the reader knows no jobs from an earlier stream.
    """

    def __init__(self, job_filter: JobFilter, is_complete: bool) -> None:
        self._filter = job_filter
        self._is_complete = is_complete
        self._known: OrderedDict[str, tuple[int, bool]] = OrderedDict()  # seq, whether it fitted

    def judge_live(self, job: jobs_pb2.Job) -> gateway_pb2.WatchedJob | None:
        """Returns what to send of a snapshot that was heard of live. A page brings what is doubtful."""
        seq, did_fit = self._known.get(job.job_id, (0, False))
        fits = self._filter.fits(job)
        if job.seq <= seq or not (fits or did_fit):
            return None
        return self._note(job, fits)

    def judge_change(self, changed: results_pb2.ChangedJob) -> gateway_pb2.WatchedJob | None:
        """Returns what to send of a change."""
        job = changed.job
        known = self._known.get(job.job_id)
        fits = self._filter.fits(job)
        if known is None:
            is_wanted = fits or (not self._is_complete and self._filter.may_have_fitted(changed))
        elif changed.gone:
            is_wanted = known[1]
        else:
            is_wanted = job.seq > known[0] and (fits or known[1])
        if changed.gone:
            self._known.pop(job.job_id, None)
            gone = gateway_pb2.WatchedJob(job=jobs_pb2.Job(job_id=job.job_id), deleted=True)
            return gone if is_wanted else None
        return self._note(job, fits) if is_wanted else None

    def _note(self, job: jobs_pb2.Job, fits: bool) -> gateway_pb2.WatchedJob:
        self._known[job.job_id] = (job.seq, fits)
        self._known.move_to_end(job.job_id)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
            self._is_complete = False
        return gateway_pb2.WatchedJob(job=job, left=not fits)
