"""Leased work of tenants whose calls are limited, or that get no slot."""

import asyncio
from collections import Counter
from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.calls.shared_slots.slots import SharedSlots
from services.worker.calls.tenant_slots import TenantSlotRegistry
from services.worker.items.held_up_work import COUNT_SECONDS, HeldUpWork
from services.worker.items.item_slots import ItemSlots
from services.worker.items.leased_work import LeasedJob, LeasedWork
from services.worker.items.waiting_items import WaitingItems


class TenantWork:
    """Counts the items in flight of each limited tenant, and decides whether more may start or be leased.

    Args:
        leased: The leased work.
        limits: Slots of tenants.
        makes_calls: Returns whether the items of a job call a model.
        held_up: Jobs whose model may not be called now. They need no slots.
        item_slots: Slots of items. The items of a tenant that is stuck wait for one.
        waiting: Items in a backoff. They need no slots.
    """

    def __init__(
        self,
        leased: LeasedWork,
        limits: TenantSlotRegistry,
        makes_calls: Callable[[results_pb2.JobSpec], bool],
        *,
        held_up: HeldUpWork,
        item_slots: ItemSlots,
        waiting: WaitingItems,
    ) -> None:
        self._leased = leased
        self._limits = limits
        self._makes_calls = makes_calls
        self._held_up = held_up
        self._item_slots = item_slots
        self._waiting = waiting
        self._backoff_counts: Counter[jobs_pb2.JobClass | None] = Counter()
        self._count_time = float("-inf")
        self._in_flight: Counter[str] = Counter()

    def serve(self, slots_freed: Callable[[], None]) -> None:
        """Requests slots for the leased items too, not only for calls that wait.

        Args:
            slots_freed: Called when more items may start.
        """
        self._limits.serve(self._demand, slots_freed)

    def may_start(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether the slots of its tenant allow an item of a job to start."""
        slots = self._slots(spec)
        return slots is None or slots.may_start(self._in_flight[spec.tenant])

    def started(self, spec: results_pb2.JobSpec) -> None:
        """Counts an item of a job as in flight."""
        if self._slots(spec) is not None:
            self._in_flight[spec.tenant] += 1

    def ended(self, spec: results_pb2.JobSpec) -> None:
        """Counts an item of a job as no longer in flight."""
        if self._slots(spec) is not None:
            self._in_flight[spec.tenant] -= 1
            if self._in_flight[spec.tenant] <= 0:
                del self._in_flight[spec.tenant]

    def is_waiting(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether a job makes calls and items of its tenant wait for slots."""
        slots = self._slots(spec)
        return slots is not None and self._parked(spec.tenant, slots) > 0

    def unwanted_tenants(self) -> list[str]:
        """Returns the tenants whose work should not be leased now, sorted.

        Either they are stuck, or they have as many items waiting for their slots as in flight. So a free slot
        always finds an item, and no more than that waits here while another worker might have slots.
        """
        limited = self._limited_tenants()
        waiting = {t for t, slots in limited.items() if self._parked(t, slots) >= max(slots.count, 1)}
        return sorted(waiting | self._item_slots.stuck_tenants())

    def parked_count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns the items waiting for slots, their model or another attempt, of a class or of all.

        The items of a limited tenant with jobs in several classes are divided between these classes.
        """
        stuck = self._item_slots.stuck_tenants()
        found = self._held_up.count(job_class) + self._stuck_count(stuck, job_class)
        found += self._backoff_count(stuck, job_class)
        for tenant, slots in self._limited_tenants().items():
            if tenant in stuck:
                continue
            parked = self._parked(tenant, slots)
            if parked and job_class is not None:
                parked = parked * self._demand(tenant, job_class) // self._demand(tenant)
            found += parked
        return found

    def _stuck_count(self, tenants: set[str], job_class: jobs_pb2.JobClass | None) -> int:
        """Returns the items of stuck tenants, which would keep others from being leased.

        In a class they all count, in flight or not, so that its share is there for others. Of all classes
        together, those in flight count as far as they are in the reserve.
        """
        if not tenants:
            return 0
        jobs = [job for job in self._leased.jobs.values() if job.spec.tenant in tenants]
        jobs = [job for job in jobs if self._is_due(job, job_class)]
        if job_class is not None:
            return sum(job.unfinished_count for job in jobs)
        return sum(job.unstarted_count for job in jobs) + self._item_slots.reserved_count

    def _backoff_count(self, stuck: set[str], job_class: jobs_pb2.JobClass | None) -> int:
        """Returns the items in a backoff that are not counted otherwise. It may be 50 ms old.

        A job whose items all fail would keep others from being leased, although its items use no slot.
        """
        if not self._waiting.jobs_in_backoff:
            return 0
        now = asyncio.get_running_loop().time()
        if now - self._count_time > COUNT_SECONDS:
            self._count_time, self._backoff_counts = now, Counter()
            for job in self._waiting.jobs_in_backoff:
                if job.spec.tenant not in stuck and self._is_due(job, None) and self._slots(job.spec) is None:
                    count = min(job.backoff_count, job.unstarted_count)
                    self._backoff_counts[None] += count
                    self._backoff_counts[job.spec.job_class] += count
        return self._backoff_counts[job_class]

    def _slots(self, spec: results_pb2.JobSpec) -> SharedSlots | None:
        return self._limits.of(spec.tenant) if self._limits and self._makes_calls(spec) else None

    def _limited_tenants(self) -> dict[str, SharedSlots]:
        if not self._limits:
            return {}
        found = ((job.spec.tenant, self._slots(job.spec)) for job in self._leased.jobs.values())
        return {tenant: slots for tenant, slots in found if slots is not None}

    def _parked(self, tenant: str, slots: SharedSlots) -> int:
        return slots.parked_count(self._demand(tenant), self._in_flight[tenant])

    def _demand(self, tenant: str, job_class: jobs_pb2.JobClass | None = None) -> int:
        return sum(
            job.unfinished_count
            for job in self._leased.jobs.values()
            if job.spec.tenant == tenant and self._is_due(job, job_class) and self._makes_calls(job.spec)
        )

    def _is_due(self, job: LeasedJob, job_class: jobs_pb2.JobClass | None) -> bool:
        is_due = not job.stopped and job not in self._held_up
        return is_due and job_class in (None, job.spec.job_class)
