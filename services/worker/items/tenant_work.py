"""What a worker holds of tenants whose calls are limited, and what of it has to wait for their places."""

from collections import Counter
from collections.abc import Callable

from headrace.jobs.v1 import jobs_pb2
from headrace.results.v1 import results_pb2
from services.worker.items.leased_work import HeldWork
from services.worker.calls.tenant_slots import TenantLimits, TenantPlaces


class TenantWork:
    """Counts the items at work of each limited tenant, and says what more may start or be leased.

    Args:
        held: What the worker holds.
        limits: Of tenants.
        makes_calls: Whether the items of a job call a model.
        changed: Called when more may start.
    """

    def __init__(
        self,
        held: HeldWork,
        limits: TenantLimits,
        makes_calls: Callable[[results_pb2.JobSpec], bool],
        changed: Callable[[], None],
    ) -> None:
        self._held = held
        self._limits = limits
        self._makes_calls = makes_calls
        self._at_work: Counter[str] = Counter()
        limits.serve(self._demand, changed)

    def may_start(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether an item of a job may start now, as far as its tenant's places go."""
        places = self._places(spec)
        return places is None or places.may_start(self._at_work[spec.tenant])

    def started(self, spec: results_pb2.JobSpec) -> None:
        """An item of a job is at work."""
        if self._places(spec) is not None:
            self._at_work[spec.tenant] += 1

    def ended(self, spec: results_pb2.JobSpec) -> None:
        """An item of a job is no longer at work."""
        if self._places(spec) is not None:
            self._at_work[spec.tenant] -= 1
            if self._at_work[spec.tenant] <= 0:
                del self._at_work[spec.tenant]

    def is_waiting(self, spec: results_pb2.JobSpec) -> bool:
        """Returns whether items of a job's tenant wait for places, this job's among them."""
        places = self._places(spec)
        return places is not None and self._parked(spec.tenant, places) > 0

    def unwanted_tenants(self) -> list[str]:
        """Returns the tenants of which nothing more should be leased now.

        As much again waits of them as is at work: a free place always finds an item, and no more than that
        lies here while another worker might have places.
        """
        limited = self._limited_tenants()
        return sorted(t for t, places in limited.items() if self._parked(t, places) >= max(places.count, 1))

    def parked_count(self, job_class: jobs_pb2.JobClass | None = None) -> int:
        """Returns how many items wait for places of their tenants, of a class or of all.

        Of a tenant with jobs in several classes each class has its part of them.
        """
        found = 0
        for tenant, places in self._limited_tenants().items():
            parked = self._parked(tenant, places)
            if parked and job_class is not None:
                parked = parked * self._demand(tenant, job_class) // self._demand(tenant)
            found += parked
        return found

    def _places(self, spec: results_pb2.JobSpec) -> TenantPlaces | None:
        return self._limits.of(spec.tenant) if self._limits and self._makes_calls(spec) else None

    def _limited_tenants(self) -> dict[str, TenantPlaces]:
        if not self._limits:
            return {}
        found = ((job.spec.tenant, self._places(job.spec)) for job in self._held.jobs.values())
        return {tenant: places for tenant, places in found if places is not None}

    def _parked(self, tenant: str, places: TenantPlaces) -> int:
        return places.parked_count(self._demand(tenant), self._at_work[tenant])

    def _demand(self, tenant: str, job_class: jobs_pb2.JobClass | None = None) -> int:
        return sum(
            job.unfinished_count
            for job in self._held.jobs.values()
            if job.spec.tenant == tenant
            and not job.stopped
            and job_class in (None, job.spec.job_class)
            and self._makes_calls(job.spec)
        )
