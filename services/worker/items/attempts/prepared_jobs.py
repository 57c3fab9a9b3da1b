"""Kinds and validated params of the jobs that a worker works on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from headrace.errors import InvalidArgumentError
from headrace.kinds import JobFailedError, Kind, validate_params
from headrace.reasons import ErrorReason
from services.stubs.results.v1 import results_pb2


@dataclass(frozen=True)
class PreparedJob:
    """A job whose items can run.

    Attributes:
        kind: Kind of the job.
        params: Validated params.
        model: Model that its items call. None: they call no model.
    """

    kind: Kind[Any]
    params: BaseModel
    model: str | None


class PreparedJobs:
    """Prepares each job once and keeps it until it is forgotten.

    Args:
        kinds: Kinds by name.
        default_model: Model of jobs that name none.
    """

    def __init__(self, kinds: Mapping[str, Kind[Any]], default_model: str) -> None:
        self._kinds = kinds
        self._default_model = default_model
        self._jobs: dict[str, PreparedJob] = {}

    def prepare(self, spec: results_pb2.JobSpec) -> PreparedJob:
        """Returns a job with its params validated.

        Raises:
            JobFailedError: UNKNOWN_KIND or INVALID_PARAMS.
            Exception: An error in the kind's params model.
        """
        prepared = self._jobs.get(spec.job_id)
        if prepared is not None:
            return prepared
        kind = self._kinds.get(spec.kind)
        if kind is None:
            raise JobFailedError(ErrorReason.UNKNOWN_KIND, f"this worker does not know the kind {spec.kind}")
        try:
            params = validate_params(kind, spec.params)
        except InvalidArgumentError as error:
            raise JobFailedError(ErrorReason.INVALID_PARAMS, error.message) from None
        model = None
        if "model" in type(params).model_fields:
            model = getattr(params, "model", None) or self._default_model
        prepared = self._jobs[spec.job_id] = PreparedJob(kind, params, model)
        return prepared

    def model_of(self, spec: results_pb2.JobSpec) -> str | None:
        """Returns the model that the items of a job call; None: they call none, or it cannot be prepared."""
        try:
            return self.prepare(spec).model
        except Exception:  # running an item will report it
            return None

    def forget(self, job_id: str) -> None:
        """Forgets a job. A job that comes back is prepared again."""
        self._jobs.pop(job_id, None)
