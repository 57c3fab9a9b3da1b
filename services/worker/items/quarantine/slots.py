"""Slots of the child process."""

from collections import Counter

from services.worker.items.leased_work import LeasedItem

# Maximum quarantined items of a tenant in flight: one that kills the process makes suspects of them all.
QUARANTINED_LIMIT = 10
# Further slots for tenants with fewer items in flight than there are free slots.
_RESERVE = 2


class QuarantineSlots:
    """Limits the quarantined items in flight, and keeps those that found no slot."""

    def __init__(self) -> None:
        self._tenants: Counter[str] = Counter()
        self._parked: list[LeasedItem] = []

    def take(self, item: LeasedItem) -> bool:
        """Returns whether an item got a slot; otherwise it is kept until one is free.

        An item of a job with a budget runs while no other one of its tenant does: the child process cannot
        share an allowance with this one.
        """
        tenant = item.chunk.job.spec.tenant
        is_alone = not self._tenants[tenant]
        if not self._has_slot(tenant) or (item.chunk.allowance is not None and not is_alone):
            self._parked.append(item)
            return False
        self._tenants[tenant] += 1
        return True

    def give_back(self, item: LeasedItem) -> list[LeasedItem]:
        """Frees the slot of an item, and returns the items that found none before."""
        tenant = item.chunk.job.spec.tenant
        self._tenants[tenant] -= 1
        if not self._tenants[tenant]:
            del self._tenants[tenant]
        parked, self._parked = self._parked, []
        return parked

    def _has_slot(self, tenant: str) -> bool:
        count = self._tenants.total()
        free_count = QUARANTINED_LIMIT + _RESERVE - count
        return count < QUARANTINED_LIMIT or self._tenants[tenant] < free_count
