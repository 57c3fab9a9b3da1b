"""Resume tokens of watches: the job, and the seq of the last snapshot sent."""

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.reasons import ErrorReason
from services.gateway.requests.opaque_text import seal, unseal

_MAX_SEQ = 2**63 - 1


def resume_token(job_id: str, seq: int) -> str:
    """Returns the token that resumes a watch after this seq, at any gateway."""
    return seal(["watch", job_id, seq])


def resume_seq(token: str, job_id: str) -> int:
    """Returns the seq to resume after; 0 for an empty token.

    Raises:
        InvalidArgumentError: INVALID_RESUME_TOKEN: not a token of a watch of this job.
    """
    if not token:
        return 0
    match unseal(token):
        case ["watch", str(token_job_id), int(seq)] if token_job_id == job_id and 0 <= seq <= _MAX_SEQ:
            return seq
    problem = "is not a resume_token of a watch of this job; start again without a token"
    raise InvalidArgumentError(
        f"resume_token {problem}",
        reason=ErrorReason.INVALID_RESUME_TOKEN,
        violations=[FieldViolation("resume_token", problem)],
    )
