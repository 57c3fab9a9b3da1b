"""Cursors of result streams: the job, the filter, and the position of the last result sent."""

from typing import NamedTuple

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.gateway.requests.opaque_text import seal, unseal
from services.stubs.results.v1 import results_pb2

_MAX_NUMBER = 2**63 - 1


class ResultsQuery(NamedTuple):
    """The job and the item state whose results are streamed; its cursors are valid for this query alone."""

    job_id: str
    item_state: jobs_pb2.ItemState

    def cursor(self, position: results_pb2.RecordPosition) -> str:
        """Returns the cursor that resumes after a position, at any gateway."""
        return seal(["results", *self, position.seq, position.item_index])

    def position(self, cursor: str) -> results_pb2.RecordPosition | None:
        """Returns the position to resume after; None for an empty cursor.

        Raises:
            InvalidArgumentError: INVALID_CURSOR: not a cursor of this query.
        """
        if not cursor:
            return None
        match unseal(cursor):
            case ["results", self.job_id, self.item_state, int(seq), int(item_index)] if (
                0 <= seq <= _MAX_NUMBER and -1 <= item_index <= _MAX_NUMBER
            ):
                return results_pb2.RecordPosition(seq=seq, item_index=item_index)
        raise invalid_cursor()


def invalid_cursor() -> InvalidArgumentError:
    """Returns the INVALID_CURSOR error."""
    problem = "is not a cursor of this job and item_state; start again without a cursor"
    return InvalidArgumentError(
        f"cursor {problem}",
        reason=ErrorReason.INVALID_CURSOR,
        violations=[FieldViolation("cursor", problem)],
    )
