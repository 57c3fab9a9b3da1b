"""Position of a read of results, from which another read continues."""

from collections.abc import Iterable

from headrace._reading.seen_results import SeenResults
from headrace._transport.connection import is_passing
from headrace.errors import HeadraceError
from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason

_UNKNOWN_CURSOR = frozenset({ErrorReason.INVALID_CURSOR, ErrorReason.INVALID_PAGE_TOKEN})


class ResultPosition:
    """The cursor that continues a read, and the results already returned.

    While a batch is with the caller, the cursor covers it and all before it.

    ``last_seq`` is the seq of the job at the end of a stream.

    Args:
        cursor: Cursor of a stream, or token of a page. Empty: the beginning.
        seen: Results of an earlier read, not to be returned again.
        skips_seen: Whether the read may bring results that were seen before. With an exact cursor it does
            not: an item that comes again was retried, and its later result counts.
    """

    def __init__(
        self, cursor: str = "", seen: SeenResults | None = None, *, skips_seen: bool = False
    ) -> None:
        self.cursor = cursor
        self.is_at_end = False
        self.last_seq: int | None = None
        self._seen = seen or SeenResults()
        self._skips_seen = skips_seen

    def take_new(self, results: Iterable[jobs_pb2.Result], cursor: str) -> list[jobs_pb2.Result]:
        """Moves the cursor, and returns the results that were not returned before."""
        self.cursor = cursor
        return [result for result in results if self._seen.add(result) or not self._skips_seen]

    def start_over(self, error: HeadraceError) -> bool:
        """Drops a cursor that the store no longer knows. Returns False if the error is another one.

        That happens after the store was restored from a backup. Results recorded since the backup are
        recorded again, and the read starts over, without the results already returned.
        """
        if error.reason not in _UNKNOWN_CURSOR or not self.cursor:
            return False
        self.cursor = ""
        self._skips_seen = True
        return True

    def may_continue(self, error: HeadraceError) -> bool:
        """Returns whether to call again after an error of a stream."""
        return self.start_over(error) or is_passing(error)
