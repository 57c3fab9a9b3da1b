"""Counts the items of a job whose calls the provider refuses for a cause outside the item."""

# A single refusal may be a fault of the provider. Items in a row are not.
MAX_REFUSED_ITEMS = 5


class RefusedJobs:
    """Decides when refused calls fail a job: five items in a row, without a successful call between.

    Repeated refusals of one item count once, so that an item that is always refused does not fail the job of
    others. A job of fewer items ends by its items. Only the calls of this worker are known.
    """

    def __init__(self) -> None:
        self._refused: dict[str, set[int]] = {}

    def note_refusal(self, job_id: str, item_index: int) -> bool:
        """Records a refused attempt of an item, and returns whether the job fails."""
        refused = self._refused.setdefault(job_id, set())
        refused.add(item_index)
        if len(refused) < MAX_REFUSED_ITEMS:
            return False
        self.forget_job(job_id)  # a child process is not notified of the end of a job, which may be retried
        return True

    def note_success(self, job_id: str) -> None:
        """Records a success of the job: its next refusals are counted from zero."""
        self._refused.pop(job_id, None)

    def forget_job(self, job_id: str) -> None:
        """Forgets a job."""
        self._refused.pop(job_id, None)
