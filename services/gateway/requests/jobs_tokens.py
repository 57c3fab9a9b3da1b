"""Resume tokens of watches of many jobs: a position in the changes of the store."""

from typing import NamedTuple

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.reasons import ErrorReason
from services.gateway.requests.fields import is_canonical_job_id
from services.gateway.requests.opaque_text import seal, unseal
from services.stubs.results.v1 import results_pb2

_MAX_XID = 2**63 - 1


class JobsPosition(NamedTuple):
    """Position of a watch of many jobs. It holds for any filter.

    Attributes:
        changes: Every change before it has been sent.
        listed_before: The watch began with the live jobs, and those from this job on have been sent; empty:
            none. None once all have been.
    """

    changes: results_pb2.ChangePosition
    listed_before: str | None = None


def jobs_token(position: JobsPosition) -> str:
    """Returns the token that resumes a watch at a position, at any gateway."""
    changes = position.changes
    return seal(["jobs", changes.store_id, changes.change_xid, changes.job_id, position.listed_before])


def jobs_position(token: str) -> JobsPosition | None:
    """Returns the position of a token; None for an empty token.

    Raises:
        InvalidArgumentError: INVALID_RESUME_TOKEN: not a token of a watch of many jobs.
    """
    if not token:
        return None
    match unseal(token):
        case ["jobs", str(store_id), int(xid), str(job_id), None | str() as listed_before] if (
            0 <= xid <= _MAX_XID
            and len(store_id) <= 64
            and _is_place(job_id)
            and _is_place(listed_before or "")
        ):
            changes = results_pb2.ChangePosition(store_id=store_id, change_xid=xid, job_id=job_id)
            return JobsPosition(changes, listed_before)
    problem = "is not a resume_token of a watch of many jobs; start again without a token"
    raise InvalidArgumentError(
        f"resume_token {problem}",
        reason=ErrorReason.INVALID_RESUME_TOKEN,
        violations=[FieldViolation("resume_token", problem)],
    )


def _is_place(job_id: str) -> bool:
    return not job_id or is_canonical_job_id(job_id)
