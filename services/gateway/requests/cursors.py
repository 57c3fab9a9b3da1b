"""Where a stream of results goes on: the job, the filter, and the place of the last result that was sent."""

from typing import NamedTuple

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.opaque_text import seal, unseal
from services.stubs.results.v1 import results_pb2

_MAX_NUMBER = 2**63 - 1


class ResultsOfJob(NamedTuple):
    """Whose results a stream brings, and which of them; its cursors are good for nothing else."""

    job_id: str
    item_state: jobs_pb2.ItemState

    def cursor(self, place: results_pb2.RecordPosition) -> str:
        """Returns the cursor that goes on after a place, at any gateway."""
        return seal(["results", *self, place.seq, place.item_index])

    def place(self, cursor: str) -> results_pb2.RecordPosition | None:
        """Returns the place to go on after; None for an empty cursor.

        Raises:
            InvalidArgumentError: INVALID_CURSOR: not a cursor of these results.
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
    """Returns the error for a cursor that leads nowhere."""
    problem = "is not a cursor of these results of this job; start without one"
    return InvalidArgumentError(
        f"cursor {problem}",
        reason="INVALID_CURSOR",
        violations=[FieldViolation("cursor", problem)],
    )
