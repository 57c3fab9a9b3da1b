"""Slots of the child process."""

from collections import Counter

from services.worker.items.leased_work import LeasedChunk, LeasedItem

# Maximum quarantined items of a tenant in flight: one that kills the process makes suspects of them all.
QUARANTINED_LIMIT = 10
# Further slots for tenants with fewer items in flight than there are free slots.
_RESERVE = 2


class QuarantineSlots:
    """Limits the quarantined items in flight, and keeps those that found no slot."""

    def __init__(self) -> None:
        self._tenants: Counter[str] = Counter()
        self._chunks: Counter[LeasedChunk] = Counter()
        self._parked: list[LeasedItem] = []

    def take(self, item: LeasedItem) -> bool:
        """Returns whether an item got a slot; otherwise it is kept until one is free.

        Items of a chunk with an allowance run one at a time: the child process cannot share it with this one.
        """
        tenant, chunk = item.chunk.job.spec.tenant, item.chunk
        if not self._has_slot(tenant) or (chunk.allowance is not None and self._chunks[chunk]):
            self._parked.append(item)
            return False
        self._tenants[tenant] += 1
        self._chunks[chunk] += 1
        return True

    def give_back(self, item: LeasedItem) -> list[LeasedItem]:
        """Frees the slot of an item, and returns the items that found none before."""
        tenant, chunk = item.chunk.job.spec.tenant, item.chunk
        self._tenants[tenant] -= 1
        if not self._tenants[tenant]:
            del self._tenants[tenant]
        self._chunks[chunk] -= 1
        if not self._chunks[chunk]:
            del self._chunks[chunk]
        parked, self._parked = self._parked, []
        return parked

    def _has_slot(self, tenant: str) -> bool:
        count = self._tenants.total()
        free_count = QUARANTINED_LIMIT + _RESERVE - count
        return count < QUARANTINED_LIMIT or self._tenants[tenant] < free_count
