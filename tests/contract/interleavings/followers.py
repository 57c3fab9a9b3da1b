"""Readers that follow the results of a job."""

from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb

ITEM_STATES = (
    jobs_pb2.ITEM_STATE_UNSPECIFIED,
    jobs_pb2.ITEM_STATE_SUCCEEDED,
    jobs_pb2.ITEM_STATE_FAILED,
)


class Follower:
    """Follows a job's results in the order of recording, all or those of one state.

    Attributes:
        latest: Latest result of each item.
        seen: Items with a success, or with a result in the current round.
    """

    def __init__(self, job_id: str, item_state: int) -> None:
        self.job_id = job_id
        self.item_state = item_state
        self.place: pb.RecordPosition | None = None
        self.latest: dict[int, jobs_pb2.Result] = {}
        self.seen: set[int] = set()

    def request(self, page_size: int) -> pb.ListRecordedResultsRequest:
        return pb.ListRecordedResultsRequest(
            job_id=self.job_id,
            tenant="t",
            page_size=page_size,
            after=self.place,
            item_state=self.item_state,
        )

    def take(self, page: pb.ListRecordedResultsResponse, page_size: int) -> None:
        before, after = self.place or pb.RecordPosition(), page.next
        assert (after.seq, after.item_index) >= (before.seq, before.item_index), "a place went back"
        assert after != before or not page.has_more, "a place stood still"
        assert len(page.results) <= page_size
        for result in page.results:
            assert self.item_state in (0, result.state)
            assert result.item_index not in self.seen, "a result came twice within a round"
            self.seen.add(result.item_index)
            self.latest[result.item_index] = result
        self.place = page.next
        if not page.has_more and not self.item_state:
            counts = page.job.progress
            assert len(self.seen) == counts.succeeded_count + counts.failed_count, "a result was left out"

    def begin_round(self, run: Callable[[jobs_pb2.Result], bool]) -> None:
        """Forgets the failures that run again: they may come again.

        Args:
            run: Whether a failed item runs in the new round.
        """
        succeeded = jobs_pb2.ITEM_STATE_SUCCEEDED
        latest = {index: self.latest[index] for index in self.seen}
        self.seen = {index for index, each in latest.items() if each.state == succeeded or not run(each)}
