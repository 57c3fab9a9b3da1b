"""The jobs that a watch of many jobs is about."""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.jobs.v1 import jobs_pb2
from services.shared.job_states import TERMINAL_STATES
from services.stubs.results.v1 import results_pb2

_LIVE_STATES = frozenset(jobs_pb2.JobState.values()) - TERMINAL_STATES - {jobs_pb2.JOB_STATE_UNSPECIFIED}


@dataclass(frozen=True)
class JobFilter:
    """Selects jobs by their snapshots.

    Attributes:
        states: States to include. Empty: all.
        kind: Kind to include. Empty: all.
        labels: Labels that a job must have, all of them.
    """

    states: frozenset[int]
    kind: str
    labels: Mapping[str, str]

    @property
    def live_states(self) -> list[int]:
        """States of the live jobs to include. Empty: none."""
        return sorted(_LIVE_STATES & self.states if self.states else _LIVE_STATES)

    def fits(self, job: jobs_pb2.Job) -> bool:
        """Returns whether a job is included."""
        return self._fits_state(job) and (not self.kind or job.kind == self.kind) and self._fits_labels(job)

    def may_have_fitted(self, changed: results_pb2.ChangedJob) -> bool:
        """Returns whether an earlier snapshot of a changed job may have been included.

        The kind of a job never changes, its labels only by an update, and a terminal job is live again only
        after a retry.
        """
        job = changed.job
        if self.kind and job.kind != self.kind:
            return False
        if not self._fits_labels(job) and not changed.was_updated:
            return False
        return self._fits_state(job) or changed.was_retried or bool(self.states & _LIVE_STATES)

    def _fits_state(self, job: jobs_pb2.Job) -> bool:
        return not self.states or job.state in self.states

    def _fits_labels(self, job: jobs_pb2.Job) -> bool:
        return all(job.labels.get(key) == value for key, value in self.labels.items())
