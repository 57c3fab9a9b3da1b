"""Slots of the child process."""

from services.worker.items.leased_work import LeasedItem

# Maximum quarantined items in flight: one that kills the process makes suspects of them all.
QUARANTINED_LIMIT = 10


class QuarantineSlots:
    """Limits the quarantined items in flight, and keeps those that found no slot."""

    def __init__(self) -> None:
        self._count = 0
        self._parked: list[LeasedItem] = []

    def take(self, item: LeasedItem) -> bool:
        """Returns whether an item got a slot; otherwise it is kept until one is free.

        Items of a job with a budget run one at a time: the child process cannot share an allowance with this
        one.
        """
        if self._count >= (QUARANTINED_LIMIT if item.chunk.allowance is None else 1):
            self._parked.append(item)
            return False
        self._count += 1
        return True

    def give_back(self) -> list[LeasedItem]:
        """Frees a slot and returns the items that found none before."""
        self._count -= 1
        parked, self._parked = self._parked, []
        return parked
