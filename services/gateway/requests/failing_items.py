"""Items of an estimate that will fail before their first call, by the reason of their errors."""

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError

_MAX_GROUPS = 10
# Reasons that are told apart. A kind of somebody's own may have one for each item.
_MAX_REASONS = 1_000
_MAX_MESSAGE_LENGTH = 300


class FailingItems:
    """Counts items by reason.

    Attributes:
        count: Number of all of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._groups: dict[str, jobs_pb2.FailureGroup] = {}

    def add(self, item_index: int, error: ItemFailedError) -> None:
        """Counts an item, in ascending order."""
        self.count += 1
        group = self._groups.get(error.reason)
        if group is None and len(self._groups) < _MAX_REASONS:
            group = self._groups[error.reason] = jobs_pb2.FailureGroup(
                reason=error.reason[:100],
                first_item_index=item_index,
                first_message=error.message[:_MAX_MESSAGE_LENGTH],
            )
        if group is not None:
            group.item_count += 1

    def groups(self) -> list[jobs_pb2.FailureGroup]:
        """Returns the largest groups, largest first."""
        found = sorted(self._groups.values(), key=lambda group: (-group.item_count, group.first_item_index))
        return found[:_MAX_GROUPS]
