"""Leased work of tenants whose calls are limited."""

from collections import Counter
from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.calls.tenant_slots import TenantSlotRegistry, TenantSlots
from services.worker.items.held_up_work import HeldUpWork
from services.worker.items.leased_work import LeasedWork


class TenantWork:
    """Counts the items in flight of each limited tenant, and decides whether more may start or be leased.

    Args:
        leased: The leased work.
        limits: Slots of tenants.
        makes_calls: Returns whether the items of a job call a model.
        held_up: Jobs whose model may not be called now. They need no slots.
    """

    def __init__(
        self,
        leased: LeasedWork,
        limits: TenantSlotRegistry,
        makes_calls: Callable[[results_pb2.JobSpec], bool],
        held_up: HeldUpWork,
    ) -> None:
        self._leased = leased
        self._limits = limits
        self._makes_calls = makes_calls
        self._held_up = held_up
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

        They have as many items waiting as in flight. So a free slot always finds an item, and no more than
        that waits here while another worker might have slots.
        """
        limited = self._limited_tenants()
        return sorted(t for t, slots in limited.items() if self._parked(t, slots) >= max(slots.count, 1))

    def parked_count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns the items waiting for slots of their tenants or for their model, of a class or of all.

        The items of a tenant with jobs in several classes are divided between these classes.
        """
        found = self._held_up.count(job_class)
        for tenant, slots in self._limited_tenants().items():
            parked = self._parked(tenant, slots)
            if parked and job_class is not None:
                parked = parked * self._demand(tenant, job_class) // self._demand(tenant)
            found += parked
        return found

    def _slots(self, spec: results_pb2.JobSpec) -> TenantSlots | None:
        return self._limits.of(spec.tenant) if self._limits and self._makes_calls(spec) else None

    def _limited_tenants(self) -> dict[str, TenantSlots]:
        if not self._limits:
            return {}
        found = ((job.spec.tenant, self._slots(job.spec)) for job in self._leased.jobs.values())
        return {tenant: slots for tenant, slots in found if slots is not None}

    def _parked(self, tenant: str, slots: TenantSlots) -> int:
        return slots.parked_count(self._demand(tenant), self._in_flight[tenant])

    def _demand(self, tenant: str, job_class: jobs_pb2.JobClass | None = None) -> int:
        return sum(
            job.unfinished_count
            for job in self._leased.jobs.values()
            if job.spec.tenant == tenant
            and not job.stopped
            and job not in self._held_up
            and job_class in (None, job.spec.job_class)
            and self._makes_calls(job.spec)
        )
