"""What a worker holds of tenants whose calls are limited, and what of it has to wait for their slots."""

from collections import Counter
from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.calls.tenant_slots import TenantSlotRegistry, TenantSlots
from services.worker.items.leased_work import LeasedWork


class TenantWork:
    """Counts the items at work of each limited tenant, and says what more may start or be leased.

    Args:
        leased: What the worker holds.
        limits: Of tenants.
        makes_calls: Whether the items of a job call a model.
        changed: Called when more may start.
    """

    def __init__(
        self,
        leased: LeasedWork,
        limits: TenantSlotRegistry,
        makes_calls: Callable[[results_pb2.JobSpec], bool],
        changed: Callable[[], None],
    ) -> None:
        self._leased = leased
        self._limits = limits
        self._makes_calls = makes_calls
        self._at_work: Counter[str] = Counter()
        limits.serve(self._demand, changed)

    def may_start(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether an item of a job may start now, as far as its tenant's slots go."""
        slots = self._slots(spec)
        return slots is None or slots.may_start(self._at_work[spec.tenant])

    def started(self, spec: results_pb2.JobSpec) -> None:
        """An item of a job is at work."""
        if self._slots(spec) is not None:
            self._at_work[spec.tenant] += 1

    def ended(self, spec: results_pb2.JobSpec) -> None:
        """An item of a job is no longer at work."""
        if self._slots(spec) is not None:
            self._at_work[spec.tenant] -= 1
            if self._at_work[spec.tenant] <= 0:
                del self._at_work[spec.tenant]

    def is_waiting(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether items of a job's tenant wait for slots, this job's among them."""
        slots = self._slots(spec)
        return slots is not None and self._parked(spec.tenant, slots) > 0

    def unwanted_tenants(self) -> list[str]:
        """Returns the tenants of which nothing more should be leased now.

        As much again waits of them as is at work: a free slot always finds an item, and no more than that
        lies here while another worker might have slots.
        """
        limited = self._limited_tenants()
        return sorted(t for t, slots in limited.items() if self._parked(t, slots) >= max(slots.count, 1))

    def parked_count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns how many items wait for slots of their tenants, of a class or of all.

        Of a tenant with jobs in several classes each class has its part of them.
        """
        found = 0
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
        return slots.parked_count(self._demand(tenant), self._at_work[tenant])

    def _demand(self, tenant: str, job_class: jobs_pb2.JobClass | None = None) -> int:
        return sum(
            job.unfinished_count
            for job in self._leased.jobs.values()
            if job.spec.tenant == tenant
            and not job.stopped
            and job_class in (None, job.spec.job_class)
            and self._makes_calls(job.spec)
        )
